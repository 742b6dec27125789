"""What the stages of an answer hand on through the lake, each part under its own key."""

from __future__ import annotations

from typing import TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from omnilake import aws, layout
from omnilake.configuration import AnsweringConfiguration
from omnilake.errors import EmptyQuestion, InvalidRequest, QuestionTooLong, RequestNotFound
from omnilake.models import (
    MAX_QUESTION_CHARACTERS,
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
PLAN, FUSED, COMPOSED, VERIFIED, ANSWER = "plan", "fused", "composed", "verified", "answer"
"""Names of the parts, in the order they are written."""

PROMPT = "prompt"
"""Part that holds the assembled prompt, where that was asked for (``generation.prompts.AssembledPrompt``)."""


class AnswerEvent(BaseModel):
    """What a state is handed: which job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_id: JobId


class FusedEvidence(Model):
    """Evidence to answer from, best first; or why there is none, with what came nearest."""

    evidence: list[Evidence]
    nearest: list[NearestEvidence]
    reasons: list[str]
    tokens: int  # cl100k, of all evidence
    fits: bool  # one context holds it
    coverage: Coverage
    store_versions: dict[str, int] = Field(default={})  # store id → version of its table that was read
    ledger: list[LedgerLine] = Field(default=[])  # of reranking
    versions: dict[str, str] = Field(default={})  # of reranking


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
    return read_part(job_id, part, model) if aws.lake().head(layout.answer_part(job_id, part)) else None


def write_part(job_id: str, part: str, value: BaseModel) -> str:
    """Keep a stage's output; returns its key."""
    return aws.lake().write_model(layout.answer_part(job_id, part), value)


def read_configuration(job_id: str) -> AnsweringConfiguration:
    """The configuration that was in force when the request was planned: all its states go by that one."""
    return read_part(job_id, CONFIGURATION, AnsweringConfiguration)


def read_request(job_id: str) -> InformationRequest:
    """The request of a job, checked.

    Raises:
        RequestNotFound: none was stored.
        InvalidRequest: it does not fit its model; names the fields at fault, not their values.
        EmptyQuestion: the question has no letter and no digit.
        QuestionTooLong: more than ``MAX_QUESTION_CHARACTERS``.
    """
    try:
        stored = aws.lake().read(layout.request(job_id))
    except ClientError as error:
        if aws.error_code(error) in {"NoSuchKey", "404"}:
            raise RequestNotFound(f"No request is stored for the job {job_id}.") from error
        raise
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
        raise QuestionTooLong(
            f"The question has {len(request.question)} characters; {MAX_QUESTION_CHARACTERS} are the most."
        )
    if not any(character.isalnum() for character in request.question):
        raise EmptyQuestion("The question has no letter and no digit.")
    return request
