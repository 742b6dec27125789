"""The judge: a model says of each claim whether its quotes support it. Its verdicts are parsed into an enum."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from omnilake.generation import prompts
from omnilake.generation.asking import AskedModel
from omnilake.generation.provider import Usage
from omnilake.generation.sentences import fold
from omnilake.generation.wires import Misfit, Shape
from omnilake.models import Claim

RECORD_VERDICTS = "record_verdicts"
"""What the answer is called where the wire format wants a name."""


class Verdict(StrEnum):
    """Whether a claim's quotes say what it says."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ToldVerdict(_Told):
    claim: str
    verdict: Verdict


class _ToldVerdicts(_Told):
    verdicts: list[_ToldVerdict]


def judge(asked: AskedModel, template: prompts.Template, claims: Sequence[Claim]) -> tuple[list[Verdict], Usage]:
    """A verdict on each claim. One that says word for word what one of its quotes says is not asked about.

    Raises:
        GenerationRejected: after one repair no answer fits, or the model refuses.
        RateLimited, TransientError, ProviderRejected: the call failed.
    """
    open_ = [claim for claim in claims if not _verbatim(claim)]
    if not open_:
        return [Verdict.SUPPORTED] * len(claims), Usage()
    told = prompts.judge_prompt(template, open_)
    shape = Shape(RECORD_VERDICTS, "Record the verdicts.", _schema(len(open_)), max_tokens=asked.output_tokens)
    verdicts, usage = asked.ask(told, shape, lambda answer: _verdicts(answer, len(open_)))
    given = iter(verdicts)
    return [Verdict.SUPPORTED if _verbatim(claim) else next(given) for claim in claims], usage


def _verbatim(claim: Claim) -> bool:
    return any(fold(claim.text) == fold(quote.text) for quote in claim.quotes)


def _verdicts(answer: object, count: int) -> list[Verdict]:
    try:
        told = _ToldVerdicts.model_validate(answer).verdicts
    except ValidationError as error:
        kinds = sorted({each["type"] for each in error.errors()})
        raise Misfit(
            [f"The verdicts do not fit the schema ({', '.join(kinds)})."], [f"verdicts ({kinds[0]})"]
        ) from None
    labels = [prompts.label(number) for number in range(count)]
    given = {each.claim: each.verdict for each in told}
    if sorted(each.claim for each in told) != sorted(labels):
        raise Misfit(["Each claim must have one verdict, by its label."], ["verdicts (not one a claim)"])
    return [given[label] for label in labels]


def _schema(count: int) -> dict[str, Any]:
    verdict = {
        "type": "object",
        "properties": {
            "claim": {"type": "string", "enum": [prompts.label(number) for number in range(count)]},
            "verdict": {"type": "string", "enum": [each.value for each in Verdict]},
        },
        "required": ["claim", "verdict"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"verdicts": {"type": "array", "items": verdict, "minItems": count, "maxItems": count}},
        "required": ["verdicts"],
        "additionalProperties": False,
    }
