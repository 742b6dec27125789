"""The configuration in force: the deployment's own from the lake, or the product's."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from pydantic import ValidationError

from omnilake import aws, layout
from omnilake.configuration.models import AnsweringConfiguration
from omnilake.errors import InvalidConfiguration
from omnilake.settings import settings

_ABSENT = {"NoSuchKey", "NoSuchVersion", "404"}


class Loaded(NamedTuple):
    """A configuration, and S3's version and ETag of the object that it was read from; empty for the product's own."""

    configuration: AnsweringConfiguration
    version: str = ""
    etag: str = ""


def load() -> Loaded:
    """The configuration in force. Read anew at each call: an operator's change counts from the next request on.

    Raises:
        InvalidConfiguration: the deployment's own can't be read; names the fields, not their values.
    """
    try:
        answer = aws.client("s3").get_object(Bucket=settings().require("lake_bucket"), Key=layout.ANSWERING)
    except ClientError as error:
        if aws.error_code(error) not in _ABSENT:
            raise
        return Loaded(product(settings().answering_profile, settings().answering_geography))
    return Loaded(parse(answer["Body"].read()), answer.get("VersionId", ""), answer["ETag"])


def parse(data: bytes) -> AnsweringConfiguration:
    """A configuration out of its JSON.

    Raises:
        InvalidConfiguration: it does not fit; names the fields, not their values.
    """
    try:
        return AnsweringConfiguration.model_validate_json(data)
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) + f" ({each['msg']})" for each in error.errors()})
        raise InvalidConfiguration(f"The configuration does not fit: {'; '.join(places)[:1_000]}.") from None


@cache
def product(profile: str, geography: str = "") -> AnsweringConfiguration:
    """The product's own: its models, with the steps of a profile.

    Args:
        profile: "extractive" (no model outside of the function), "bedrock" or "openai".
        geography: beginning of the inference profiles by which Bedrock's models are called ("eu"); empty: by their ids.
    """
    told: dict[str, Any] = json.loads((files("omnilake.configuration") / "default.json").read_text(encoding="utf-8"))
    profiles = told.pop("profiles")
    for model in told["models"].values():
        if geography and model["provider"] == "bedrock":
            model["model"] = f"{geography}.{model['model']}"
    if profile not in profiles:
        raise InvalidConfiguration(
            f"There is no profile {profile!r}.",
            action=f"Set AnsweringProfile to one of: {', '.join(sorted(profiles))}.",
        )
    return AnsweringConfiguration.model_validate(told | {"steps": profiles[profile]})
