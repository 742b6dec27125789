"""Answers again: a replay repeats one from what was recorded of it, a fork changes something and goes on from there.

A replay has its predecessor's configuration, evidence and model outputs: nothing is retrieved and no model is called,
checks and assembly run anew. A fork has the configuration and, unless another state of the archives (``as_of``) or
another reranking is asked for, the evidence; its models are called anew.

Recorded evidence was found under the rules of the request that it was recorded for. It is taken over only for a request
that asks the same of the same archives for the same tenant.
"""

from __future__ import annotations

import json

from pydantic import ValidationError

from omnilake import aws, configuration, layout
from omnilake.answering.parts import CONFIGURATION, FUSED, PLAN, find_part, read_request
from omnilake.configuration import AnsweringConfiguration
from omnilake.errors import InvalidRequest, ReplayIncomplete, RequestNotFound
from omnilake.models import InformationRequest

_OWN = frozenset({"replay_of", "forked_from", "destination_archive"})
"""Fields that a replay may have of its own."""

_FORKED = _OWN | {"goal", "style", "deliver", "providers", "max_cost", "max_tokens", "max_claims"}
"""Fields that a fork which goes on from recorded evidence may have of its own: none of them decides what is found."""


def origin_of(request: InformationRequest) -> str:
    """Job that a request repeats, or goes on from; empty when it is a question of its own."""
    return request.replay_of or request.forked_from


def takes_evidence(request: InformationRequest) -> bool:
    """Whether a request goes by recorded evidence, so that nothing is retrieved for it."""
    return bool(request.replay_of) or bool(request.forked_from and not _moved(request))


def configuration_for(request: InformationRequest) -> AnsweringConfiguration:
    """The configuration that a request goes by: that in force; of a replay or fork the recorded one.

    To that of a fork come models that have been configured since, so that they can be named.

    Raises:
        InvalidConfiguration: the deployment's own can't be read.
        ReplayIncomplete: nothing was recorded of the job that the request names.
    """
    origin = origin_of(request)
    if not origin:
        return configuration.load().configuration
    recorded = _recorded_configuration(origin)
    if request.replay_of:
        return recorded
    models = configuration.load().configuration.models | recorded.models
    return recorded.model_copy(update={"models": models})


def take_over(job_id: str, request: InformationRequest) -> None:
    """Make the plan, the evidence and the made texts of an earlier answer those of a job. May be repeated.

    Raises:
        InvalidRequest: the request asks something else than the one that the evidence was recorded for.
        ReplayIncomplete: that was not recorded, or is gone.
    """
    origin = origin_of(request)
    recorded = _recorded_request(origin)
    if recorded.replay_of:
        raise InvalidRequest(
            f"Job {origin} is a replay itself.", action=f"Name the job that it repeats: {recorded.replay_of}."
        )
    own = _OWN if request.replay_of else _FORKED
    if request.model_dump(exclude=set(own)) != recorded.model_dump(exclude=set(own)):
        differing = sorted(
            name
            for name in InformationRequest.model_fields
            if name not in own and getattr(request, name) != getattr(recorded, name)
        )
        raise InvalidRequest(f"The request differs from that of job {origin} in: {', '.join(differing)}.")
    for part in (PLAN, FUSED):
        _copy(layout.answer_part(origin, part), layout.answer_part(job_id, part), origin, job_id)
    below = layout.answer_materials(origin)
    for key in aws.lake().keys(below):
        aws.lake().write(layout.answer_materials(job_id) + key.removeprefix(below), aws.lake().read(key), "text/plain")


def _moved(request: InformationRequest) -> bool:
    """Whether a fork asks for another state of the archives than its predecessor did, or for another order of what is
    found: the recorded evidence is what the predecessor's reranking left."""
    recorded = _recorded_request(request.forked_from)
    return request.as_of != recorded.as_of or request.providers.rerank != recorded.providers.rerank


def _recorded_request(job_id: str) -> InformationRequest:
    try:
        return read_request(job_id)
    except RequestNotFound as error:
        raise ReplayIncomplete(f"Nothing is recorded of a job {job_id}.") from error


def _recorded_configuration(job_id: str) -> AnsweringConfiguration:
    try:
        recorded = find_part(job_id, CONFIGURATION, AnsweringConfiguration)
    except ValidationError as error:
        raise ReplayIncomplete(f"The configuration of job {job_id} is of another version of the product.") from error
    if recorded is None:
        raise ReplayIncomplete(f"The configuration of job {job_id} was not recorded.")
    return recorded


def _copy(source: str, target: str, origin: str, job_id: str) -> None:
    """A part of an answer as that of another job, which it names instead of the first."""
    stored = aws.lake().find(source)
    if stored is None:
        name = source.rpartition("/")[2].removesuffix(".json")
        raise ReplayIncomplete(f"The part {name} of job {origin} was not recorded.")
    told = json.loads(stored)
    if told.get("job_id") == origin:
        told["job_id"] = job_id
    aws.lake().write(target, json.dumps(told, ensure_ascii=False).encode(), "application/json")
