"""Configurations of the lake for one test; of a model that the deployed stack asks at a local endpoint, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from embedded_cloud import Cloud
from model_endpoint import Endpoint, Script, serving

from omnilake import aws, configuration, layout

FUNCTIONS = ("ComposeAnswerFunction", "VerifyClaimsFunction")


@contextmanager
def configured(**fields: Any) -> Iterator[None]:
    """The deployment's own configuration: the product's with some fields changed."""
    told = configuration.product("extractive").model_dump(mode="json") | fields
    aws.lake().write(layout.ANSWERING, json.dumps(told).encode(), "application/json")
    try:
        yield
    finally:
        aws.lake().delete(layout.ANSWERING)


@contextmanager
def answered_by(
    cloud: Cloud,
    script: Script,
    *,
    provider: str = "openai",
    judge: bool = False,
    compose: str = "model",
    memo_days: int = 0,
    **model: Any,
) -> Iterator[Endpoint]:
    """Let a model that answers by a script write the answers, or judge them too.

    Args:
        cloud: the deployed stack.
        script: of the model.
        provider: openai, or bedrock.
        judge: whether it judges.
        compose: name of the model that composes.
        memo_days: how long claims are remembered; not at all, because tests ask the same again and again.
        model: more of its configuration.
    """
    with serving(script) as endpoint, ExitStack() as stack:
        if provider == "bedrock":
            for function in FUNCTIONS:
                stack.enter_context(cloud.setting(function, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", endpoint.url))
        told = {"provider": provider, "model": "any-model", "endpoint": f"{endpoint.url}/v1", "input_usd": 1.0, **model}
        steps = {"map": "extractive", "compose": compose, **({"judge": "model"} if judge else {})}
        models = {"model": told, "extractive": {"provider": "extractive"}}
        whole = {"models": models, "steps": steps, "memo_days": memo_days}
        aws.lake().write(layout.ANSWERING, json.dumps(whole).encode())
        try:
            yield endpoint
        finally:
            aws.client("s3").delete_object(Bucket=cloud.outputs["LakeBucket"], Key=layout.ANSWERING)
