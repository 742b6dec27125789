"""Routes about the deployment as a whole: health, the API's own description, the configuration of answering, and the
console page."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from omnilake import __version__
from omnilake.api import console
from omnilake.api.app import JSON, answer, make_router
from omnilake.api.schemas import Health
from omnilake.errors import RouteNotFound
from omnilake.settings import settings

router = make_router()


@router.get("/v1/health", tags=["lake"], summary="Whether the API answers")
def health() -> Response[Health]:
    return answer(Health(status="ok", version=__version__))


@router.get("/v1/openapi.json", tags=["lake"], summary="This description, OpenAPI 3.1", enable_validation=False)
def openapi() -> Response[Any]:
    text, tag = _document()
    return Response(
        status_code=200, content_type=JSON, body=text, headers={"Etag": tag, "Cache-Control": "max-age=300"}
    )


@router.get("/", include_in_schema=False, enable_validation=False)
def page() -> Response[Any]:
    return _asset(console.PAGE)


@router.get("/console/<name>", include_in_schema=False, enable_validation=False)
def asset(name: str) -> Response[Any]:
    return _asset(name)


def _asset(name: str) -> Response[Any]:
    """A file of the console.

    Raises:
        RouteNotFound: the console has none of that name.
    """
    found = console.asset(name)
    if found is None:
        raise RouteNotFound("There is nothing at this path.")
    headers = {"Etag": found.etag, **console.security_headers(_upload_origins())}
    return Response(status_code=200, content_type=found.media_type, body=found.body, headers=headers)


@cache
def _upload_origins() -> list[str]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return console.upload_origins(settings().require("landing_bucket"), os.environ.get("AWS_REGION", ""), endpoint)


@cache
def _document() -> tuple[str, str]:
    text = (Path(__file__).parent / "openapi.json").read_text(encoding="utf-8")
    return text, f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'
