"""What of a model's answer is believed: claims whose quotes stand letter by letter in the passages they name.

A model names passages and claims by labels that were given to it; any other name is refused. Quotes are found in the
passage with runs of white space as one space and typographic quotes and dashes as plain ones, and what is kept is the
passage's own text with its exact offsets. Beyond that a claim may not hold an address that no passage of its own holds,
nor a run of words of another document or of the prompt: neither can be told through an answer that does not cite it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from omnilake import tokens
from omnilake.generation.wires.wire import MAX_PROBLEMS, Misfit, conforming
from omnilake.generation.words import tidy
from omnilake.models import Chunk, Claim, Evidence, Quote

MAX_CLAIM_CHARACTERS = 2_000
MAX_QUOTES = 20
"""Most quotes of one claim of a model's answer; merged claims keep as many."""

MAX_QUOTE_TOKENS = 200
"""Most tokens (cl100k) of a quote: it carries one statement. Longer ones would leave others no room in a merge."""

MIN_QUOTE_CHARACTERS = 8
"""Shorter ones carry nothing, unless they are all of a line."""

RUN_WORDS = 8
"""So many words in a row do not come from elsewhere by chance."""

UNKNOWN_LABEL = "unknown_passage"
QUOTE_NOT_FOUND = "quote_not_in_passage"
QUOTE_TOO_SHORT = "quote_too_short"
QUOTE_TOO_LONG = "quote_too_long"
EMPTY = "empty"
LINK_NOT_QUOTED = "address_not_quoted"
FOREIGN_TEXT = "text_of_another_source"
REPEATED = "repeated"
OVER_LIMIT = "over_limit"

_PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‑": "-", "−": "-", "\u00a0": " "}
)
_ADDRESS = re.compile(
    r"(?:https?|ftp|data|javascript|mailto):[^\s)>\]\"']+|www\.[^\s)>\]\"']+|[\w.+-]+@[\w-]+\.[\w.-]+", re.I
)
_WORD = re.compile(r"[^\W_]+")


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _ToldQuote(_Told):
    passage: str = Field(max_length=64)
    text: str = Field(max_length=20_000)


class _ToldClaim(_Told):
    text: str = Field(max_length=MAX_CLAIM_CHARACTERS)
    quotes: list[_ToldQuote] = Field(max_length=MAX_QUOTES)
    conflict: str = Field(default="", max_length=200)


class _ToldClaims(_Told):
    claims: list[_ToldClaim] = Field(max_length=500)


class _ToldMerged(_Told):
    text: str = Field(max_length=MAX_CLAIM_CHARACTERS)
    claims: list[str] = Field(max_length=500)
    conflict: str = Field(default="", max_length=200)


class _ToldMerge(_Told):
    claims: list[_ToldMerged] = Field(max_length=500)


@dataclass(frozen=True)
class Limits:
    """What claims must keep to.

    Attributes:
        prompt: the system message that the model was told; no claim may repeat it.
        max_tokens: most tokens (cl100k) of all claims' text.
        max_claims: most of them.
    """

    prompt: str
    max_tokens: int
    max_claims: int


@dataclass
class Believed:
    """Claims that stand, and how many did not for which reason."""

    claims: list[Claim] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)


def claims_schema(passages: int) -> dict[str, Any]:
    """JSON Schema of claims found in so many passages."""
    quote = _object(
        passage={"type": "string", "enum": _labels(passages), "description": "Label of the passage."},
        text={"type": "string", "description": "Copied from the passage, letter by letter."},
    )
    return _claims({"quotes": {"type": "array", "minItems": 1, "maxItems": MAX_QUOTES, "items": quote}})


def merge_schema(claims: int) -> dict[str, Any]:
    """JSON Schema of claims merged of so many."""
    label = {"type": "string", "enum": _labels(claims)}
    described = "Labels of the claims that this one is made of."
    return _claims({"claims": {"type": "array", "minItems": 1, "items": label, "description": described}})


def found(answer: object, evidence: Sequence[Evidence], limits: Limits) -> Believed:
    """Claims of an answer to passages.

    Args:
        answer: parsed JSON.
        evidence: the passages, in the order of their labels.
        limits: that the claims must keep to.

    Raises:
        Misfit: it is not of the shape, or none of its claims stands.
    """
    told = conforming(answer, _ToldClaims).claims
    runs = _Runs(limits.prompt, [(each.chunk.entry_id, each.chunk.text) for each in evidence])
    chunks = {f"p{number}": each.chunk for number, each in enumerate(evidence, start=1)}
    believed, problems = Believed(), list[str]()
    for number, claim in enumerate(told, start=1):
        quotes, wrong = _quotes(claim.quotes, chunks)
        cited = [chunks[quote.passage] for quote in claim.quotes if quote.passage in chunks]
        texts = [text for chunk in cited for text in (chunk.text, chunk.title, chunk.section)]
        reason = _reason(claim.text, quotes, wrong, texts) or runs.reason(
            claim.text, {chunk.entry_id for chunk in cited}, texts
        )
        _take(believed, problems, number, claim.text, quotes, claim.conflict, reason)
    return _bounded(believed, problems, len(told), limits)


def merged(answer: object, claims: Sequence[Claim], limits: Limits) -> Believed:
    """Claims of an answer to claims; each carries all quotes of those that it is made of. See :func:`found`."""
    told = conforming(answer, _ToldMerge).claims
    runs = _Runs(limits.prompt, [(quote.entry_id, quote.text) for claim in claims for quote in claim.quotes])
    known = {f"p{number}": claim for number, claim in enumerate(claims, start=1)}
    believed, problems = Believed(), list[str]()
    for number, claim in enumerate(told, start=1):
        parts = [known[label] for label in dict.fromkeys(claim.claims) if label in known]
        quotes = united(quote for part in parts for quote in part.quotes)[:MAX_QUOTES]
        texts = [text for part in parts for text in (part.text, *(quote.text for quote in part.quotes))]
        reason = _reason(claim.text, quotes, [UNKNOWN_LABEL], texts) or runs.reason(
            claim.text, {quote.entry_id for quote in quotes}, texts
        )
        _take(believed, problems, number, claim.text, quotes, claim.conflict, reason)
    return _bounded(believed, problems, len(told), limits)


def locate(wanted: str, text: str) -> tuple[int, int] | None:
    """Where a quote stands in a text: offsets ``[start, end)``, None when it does not.

    Runs of white space count as one space; typographic quotes, dashes and spaces as their plain ones.
    """
    words = wanted.translate(_PLAIN).split()
    if not words:
        return None
    plain = text.translate(_PLAIN)  # one character for one, so offsets stay
    match = re.search(r"\s+".join(map(re.escape, words)), plain)
    return match.span() if match else None


def united(quotes: Iterable[Quote]) -> list[Quote]:
    """Quotes without those of the same span."""
    return list({(each.entry_id, each.version, each.start, each.end): each for each in quotes}.values())


class _Runs:
    """Which documents hold a run of words, and whether the prompt does."""

    def __init__(self, prompt: str, texts: Sequence[tuple[str, str]]) -> None:
        self._holders: dict[tuple[str, ...], set[str]] = {}
        for name, text in [("", prompt), *texts]:
            for run in _runs(text):
                self._holders.setdefault(run, set()).add(name)

    def reason(self, text: str, own: set[str], texts: Sequence[str]) -> str:
        """``FOREIGN_TEXT`` when the text holds a run that others hold and its own do not."""
        mine = {run for each in texts for run in _runs(each)}
        foreign = any(
            run not in mine and (holders := self._holders.get(run)) is not None and not holders & own
            for run in _runs(text)
        )
        return FOREIGN_TEXT if foreign else ""


def _runs(text: str) -> Iterable[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return (tuple(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1))


def _quotes(told: Sequence[_ToldQuote], chunks: dict[str, Chunk]) -> tuple[list[Quote], list[str]]:
    """Quotes that stand, and why others do not."""
    standing, wrong = [], []
    for each in told:
        chunk = chunks.get(each.passage)
        if chunk is None:
            wrong.append(UNKNOWN_LABEL)
            continue
        span = locate(each.text, chunk.text)
        if span is None:
            wrong.append(QUOTE_NOT_FOUND if each.text.strip() else EMPTY)
            continue
        start, end = span
        text = chunk.text[start:end]
        if len(text) < MIN_QUOTE_CHARACTERS and text not in map(str.strip, chunk.text.splitlines()):
            wrong.append(QUOTE_TOO_SHORT)
            continue
        if tokens.count(text) > MAX_QUOTE_TOKENS:
            wrong.append(QUOTE_TOO_LONG)
            continue
        standing.append(
            Quote(
                chunk_id=chunk.chunk_id,
                entry_id=chunk.entry_id,
                version=chunk.version,
                start=chunk.start + start,
                end=chunk.start + end,
                text=text,
            )
        )
    return united(standing), wrong


def _reason(text: str, quotes: Sequence[Quote], wrong: Sequence[str], cited: Sequence[str]) -> str:
    """Why a claim does not stand, empty when it does."""
    if not any(character.isalnum() for character in text):
        return EMPTY
    if not quotes:
        return wrong[0] if wrong else EMPTY
    addresses = (address.rstrip(".,;:!?") for address in _ADDRESS.findall(tidy(text)))
    if any(all(address not in each for each in cited) for address in addresses):
        return LINK_NOT_QUOTED
    return ""


def _take(
    believed: Believed, problems: list[str], number: int, text: str, quotes: list[Quote], conflict: str, reason: str
) -> None:
    text = tidy(text)
    if not reason and any(known.text.casefold() == text.casefold() for known in believed.claims):
        reason = REPEATED
    if reason:
        believed.rejected[reason] += 1
        problems.append(f"claims.{number}: {reason}")
    else:
        believed.claims.append(Claim(text=text, quotes=quotes, conflict=tidy(conflict)[:80]))


def _bounded(believed: Believed, problems: list[str], told: int, limits: Limits) -> Believed:
    """Claims within the limits, with scores by their order; a conflict needs two sides."""
    if told and not believed.claims:
        raise Misfit([f"No claim stands. {'; '.join(problems[:MAX_PROBLEMS])}"], problems[:MAX_PROBLEMS])
    kept: list[Claim] = []
    left = limits.max_tokens
    for claim in believed.claims:
        size = tokens.count(claim.text)
        if len(kept) == limits.max_claims or size > left:
            believed.rejected[OVER_LIMIT] += 1
            continue
        kept.append(claim)
        left -= size
    sides = Counter(claim.conflict for claim in kept)
    believed.claims = [
        claim.model_copy(
            update={
                "score": round(1 / (1 + place), 4),
                "conflict": claim.conflict if sides[claim.conflict] > 1 else "",
            }
        )
        for place, claim in enumerate(kept)
    ]
    return believed


def _labels(count: int) -> list[str]:
    return [f"p{number}" for number in range(1, count + 1)]


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _claims(carried: dict[str, Any]) -> dict[str, Any]:
    text = {
        "type": "string",
        "maxLength": MAX_CLAIM_CHARACTERS,
        "description": "One statement, in the question's language.",
    }
    conflict = {"type": "string", "description": "Short name shared by claims that contradict one another, else empty."}
    return _object(claims={"type": "array", "items": _object(text=text, **carried, conflict=conflict)})
