"""A model that the deployed stack asks: a local endpoint, named by a configuration of the lake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from embedded_cloud import Cloud
from model_endpoint import Endpoint, Script, serving

from omnilake import aws, layout

FUNCTIONS = ("ComposeAnswerFunction", "VerifyClaimsFunction")


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
        configuration = {"models": models, "steps": steps, "memo_days": memo_days}
        aws.lake().write(layout.ANSWERING, json.dumps(configuration).encode())
        try:
            yield endpoint
        finally:
            aws.client("s3").delete_object(Bucket=cloud.outputs["LakeBucket"], Key=layout.ANSWERING)
