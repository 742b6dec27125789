"""What the stages of an answer hand on through the lake, each part under its own key."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnilake import aws, layout
from omnilake.configuration import AnsweringConfiguration, Step
from omnilake.errors import EmptyQuestion, InvalidRequest, QuestionTooLong, RequestNotFound
from omnilake.models import (
    MAX_QUESTION_CHARACTERS,
    Budget,
    Claim,
    Coverage,
    Degradation,
    Evidence,
    InformationRequest,
    JobId,
    LedgerLine,
    Model,
    NearestEvidence,
)

M = TypeVar("M", bound=BaseModel)

CONFIGURATION = "configuration"
PLAN, FUSED, ANSWER_PLAN = "plan", "fused", "answer_plan"
COMPOSED, VERIFIED, ANSWER = "composed", "verified", "answer"
"""Names of the parts, in the order they are written."""

PROMPT = "prompt"
"""Part that holds the assembled prompt, where that was asked for (``generation.prompts.AssembledPrompt``)."""

BUDGET = "budget"
"""Reason of what is degraded and left out because a request's budget does not hold it."""


class AnswerEvent(BaseModel):
    """What a state is handed: which job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


class ModelStepEvent(AnswerEvent):
    """What a state is handed whose model may keep it waiting."""

    waits: int = Field(default=0, ge=0)  # for the model's quota, so far
    unavailable: bool = False  # the model did not answer


class FusedEvidence(Model):
    """Evidence to answer from, best first; or why there is none, with what came nearest."""

    evidence: list[Evidence]
    nearest: list[NearestEvidence]
    reasons: list[str]
    tokens: int  # cl100k, of all evidence
    coverage: Coverage
    store_versions: dict[str, int] = Field(default={})  # store id → version of its table that was read
    ledger: list[LedgerLine] = Field(default=[])  # of reranking
    versions: dict[str, str] = Field(default={})  # of reranking


class AnswerPath(StrEnum):
    """Where an answer goes on after it is planned."""

    COMPOSE = "compose"  # one context holds what is read
    COMPACT = "compact"  # map-reduce first
    PUBLISH = "publish"  # no model is to be called: a prompt or a quote was asked for, or the budget holds none


class AnswerPlan(Model):
    """What is done for an answer, decided before any model is called for it."""

    path: AnswerPath
    steps: dict[Step, str]  # names of the models in the configuration, by step; a step without one is not done
    chunks: int = Field(ge=0)  # the best so many of the evidence are read
    tokens: list[int]  # cl100k, of each chunk of the evidence
    concurrency: int = Field(ge=1)  # groups that are read at a time
    asked: Budget  # what the answer would take as it was asked for
    budget: Budget  # what it takes after what was degraded
    degraded: list[Degradation] = Field(default=[])
    reasons: list[str] = Field(default=[])  # why nothing is answered

    def covered(self, coverage: Coverage) -> Coverage:
        """The coverage of the fused evidence, with what the plan leaves out."""
        left_out = coverage.chunks_read - self.chunks
        dropped = {**coverage.chunks_dropped, BUDGET: left_out} if left_out > 0 else coverage.chunks_dropped
        return coverage.model_copy(
            update={
                "chunks_read": self.chunks,
                "chunks_beside": max(0, coverage.chunks_beside - max(left_out, 0)),  # they stand last
                "chunks_dropped": dropped,
                "degraded": [*coverage.degraded, *self.degraded],
            }
        )


class ComposedClaims(Model):
    """The claims of the answer before their quotes are checked."""

    claims: list[Claim]
    coverage: Coverage
    ledger: list[LedgerLine]
    versions: dict[str, str]


class VerifiedClaims(Model):
    """The claims that stand, and how many fell for which reason."""

    claims: list[Claim]
    removed: dict[str, int]
    degraded: list[Degradation] = Field(default=[])  # of the judge
    ledger: list[LedgerLine] = Field(default=[])  # of the judge
    versions: dict[str, str] = Field(default={})  # of the judge


def read_part(job_id: str, part: str, model: type[M]) -> M:
    """A part that an earlier stage wrote."""
    return aws.lake().read_model(layout.answer_part(job_id, part), model)


def find_part(job_id: str, part: str, model: type[M]) -> M | None:
    """A part that an earlier stage wrote, None when it was not on the request's path."""
    return aws.lake().find_model(layout.answer_part(job_id, part), model)


def write_part(job_id: str, part: str, value: BaseModel) -> str:
    """Keep a stage's output; returns its key."""
    return aws.lake().write_model(layout.answer_part(job_id, part), value)


def read_configuration(job_id: str) -> AnsweringConfiguration:
    """The configuration that was in force when the request was planned: all its states go by that one."""
    return read_part(job_id, CONFIGURATION, AnsweringConfiguration)


def left_of(request: InformationRequest, spent: Sequence[LedgerLine]) -> InformationRequest:
    """A request with what is left of its budget after what was spent: at least 0, so that what is free remains."""
    cost = sum(line.cost_usd for line in spent)
    used = sum(line.input_tokens + line.output_tokens for line in spent)
    return request.model_copy(
        update={
            "max_cost": None if request.max_cost is None else max(0.0, request.max_cost - cost),
            "max_tokens": None if request.max_tokens is None else max(0, request.max_tokens - used),
        }
    )


def holds(request: InformationRequest, cost_usd: float, billed_tokens: int) -> bool:
    """Whether a request's budget holds so much; tokens are those that generative models read and write."""
    money = request.max_cost is None or cost_usd <= request.max_cost
    return money and (request.max_tokens is None or billed_tokens <= request.max_tokens)


def read_request(job_id: str) -> InformationRequest:
    """The request of a job, checked.

    Raises:
        RequestNotFound: none was stored.
        InvalidRequest: it does not fit its model; names the fields at fault, not their values.
        EmptyQuestion: the question has no letter and no digit.
        QuestionTooLong: more than ``MAX_QUESTION_CHARACTERS``.
    """
    stored = aws.lake().find(layout.request(job_id))
    if stored is None:
        raise RequestNotFound(f"No request is stored for the job {job_id}.")
    return parse_request(stored)


def parse_request(stored: bytes) -> InformationRequest:
    """A request out of its JSON. Raises ``InvalidRequest``, ``EmptyQuestion`` or ``QuestionTooLong``."""
    try:
        request = InformationRequest.model_validate_json(stored)
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) + f" ({each['type']})" for each in error.errors()})
        # Without its cause: a validation error quotes the values it refuses.
        raise InvalidRequest(f"The request does not fit its model: {', '.join(fields)}.") from None
    if len(request.question) > MAX_QUESTION_CHARACTERS:
        told = f"The question has {len(request.question)} characters; {MAX_QUESTION_CHARACTERS} are the most."
        raise QuestionTooLong(told, fields=[{"field": "question", "message": told}])
    if not any(character.isalnum() for character in request.question):
        told = "The question has no letter and no digit."
        raise EmptyQuestion(told, fields=[{"field": "question", "message": told}])
    return request
