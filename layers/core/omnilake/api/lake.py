"""Routes about the whole deployment: health, the API's own description, the configuration of answering, the page."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter

from omnilake import __version__
from omnilake.api import console
from omnilake.api.app import JSON, answer, caller, make_router, require_match
from omnilake.api.schemas import Health
from omnilake.calling import call
from omnilake.errors import Forbidden, RouteNotFound
from omnilake.settings import settings

router = make_router()


@router.get("/v1/health", tags=["lake"], summary="Whether the API answers")
def health() -> Response[Health]:
    return answer(Health(status="ok", version=__version__))


@router.get("/v1/openapi.json", tags=["lake"], summary="This description, OpenAPI 3.1", enable_validation=False)
def openapi() -> Response[Any]:
    text, tag = _document()
    return Response(status_code=200, content_type=JSON, body=text, headers={"Etag": tag, "Cache-Control": "no-cache"})


@router.get("/v1/configuration", tags=["lake"], summary="How questions are answered")
def configuration() -> Response[dict[str, Any]]:
    state = _configured("show")
    return answer(state, etag=_tag(state))


@router.put("/v1/configuration", tags=["lake"], summary="Change how questions are answered, from the next one on")
def put_configuration(body: Annotated[dict[str, Any], BodyParameter()]) -> Response[dict[str, Any]]:
    _check_operator()
    before = _configured("show")
    require_match(_tag(before))
    state = _configured("put", body, expected_hash=before["hash"])
    return answer(state, etag=_tag(state))


@router.post("/v1/configuration/check", tags=["lake"], summary="Whether a configuration would work")
def check_configuration(body: Annotated[dict[str, Any], BodyParameter()]) -> Response[dict[str, Any]]:
    _check_operator()
    return answer(_configured("check", body))


def _check_operator() -> None:
    if not caller().is_operator:
        raise Forbidden("Only operators may do this.", action="They are named by the parameter OperatorPrincipals.")


def _configured(action: str, body: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    event = {"action": action, "configuration": body or {}, **more}
    state: dict[str, Any] = call("configure_answering_function_arn", event)
    return state


def _tag(state: dict[str, Any]) -> str:
    return f'"{state["hash"][:24]}"'


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
