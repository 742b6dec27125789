"""Requests under OmniLake's own paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body as BodyParameter

from omnilake.api import requests
from omnilake.api.app import answer, make_router, validated
from omnilake.api.problems import misfit
from omnilake.api.rpc import (
    TAGS,
    NamedLakeRequest,
    NamedRequest,
    RequestInformation,
    ScoreResponse,
    check_models,
    request_of,
)
from omnilake.api.waiting import accepted
from omnilake.models import InformationRequest

if TYPE_CHECKING:
    from omnilake.configuration import AnsweringConfiguration

router = make_router()


@router.post("/request_information", status_code=202, tags=TAGS)
def request_information(body: Annotated[RequestInformation, BodyParameter()]) -> Response[dict[str, Any]]:
    check_models(body, _configuration)
    asked = validated(InformationRequest, request_of(body)).model_dump(mode="json", exclude_unset=True)
    job_id = requests.submit(asked)
    return accepted(job_id, request_id=job_id)


@router.post("/describe_request", tags=TAGS)
def describe_request(body: Annotated[NamedRequest, BodyParameter()]) -> Response[dict[str, Any]]:
    return _described(body.request_id)


@router.post("/describe_lake_request", tags=TAGS)
def describe_lake_request(body: Annotated[NamedLakeRequest, BodyParameter()]) -> Response[dict[str, Any]]:
    named = body.request_id or body.lake_request_id
    if named is None:
        raise misfit("request_id", "Field required.")
    return _described(named)


@router.post("/score_response", tags=TAGS)
def score_response(body: Annotated[ScoreResponse, BodyParameter()]) -> Response[dict[str, Any]]:
    kept = requests.scored(body.request_id, requests.NewScore(score=body.score, comment=body.score_comment or ""))
    return answer({**kept.model_dump(mode="json"), "request_id": body.request_id})


def _configuration() -> AnsweringConfiguration:
    from omnilake import configuration

    return configuration.load().configuration


def _described(job_id: str) -> Response[dict[str, Any]]:
    told = requests.described(job_id).model_dump(mode="json")
    return answer({**told, "request_id": job_id, "job_id": job_id})
