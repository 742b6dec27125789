"""What an answer says, as a hash; and what sets two answers apart. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence

from omnilake.generation.sentences import fold
from omnilake.generation.words import terms
from omnilake.models import Answer, AnswerClaim, AnswerStatus, Citation, Model

CHANGED_FROM = 0.5
"""Two claims are one that changed when at least so much of their words is the same, in the same order."""

CHANGED_FROM_SAME_PLACE = 0.25
"""… and so much when both cite the same place."""

SAME_PLACE = 0.5
"""What citing the same place counts beside the share of words, when pairs are chosen."""

_SAID = {"archives", "status", "text", "claims", "citations", "reasons", "nearest"}


class CitedClaim(Model):
    """A claim with what it cites, in full."""

    text: str
    conflict: str = ""
    citations: list[Citation]


class ChangedClaim(Model):
    """A claim that both answers make in different words, or from different places."""

    before: CitedClaim
    after: CitedClaim
    reworded: bool  # else only what it cites is another


class AnswerDiff(Model):
    """What sets the second of two answers apart from the first."""

    first: str  # job ids
    second: str
    status: tuple[AnswerStatus, AnswerStatus]
    identical: bool  # the content hashes are the same
    added: list[CitedClaim]
    removed: list[CitedClaim]
    changed: list[ChangedClaim]
    unchanged: int
    versions: dict[str, tuple[str, str]]  # what of all that decides answers differs; empty: not there
    cost_usd: tuple[float, float]


def content_hash(answer: Answer) -> str:
    """sha256, hex, of all that an answer says: text, claims, citations, reasons. Not of when, and what it cost."""
    said = answer.model_dump(mode="json", include=_SAID)
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def compare(first: Answer, second: Answer) -> AnswerDiff:
    """The claims that the second answer adds, leaves out and changes.

    Claims of the same words and places are the same. Of the others, those are paired that share most of their words
    (difflib's ratio over word stems), the best pair first; a claim is in one pair at most.
    """
    before, after = _cited(first), _cited(second)
    left, right = list(range(len(before))), list(range(len(after)))
    unchanged = 0
    for one in list(left):
        match = next((other for other in right if _same(before[one], after[other])), None)
        if match is not None:
            left.remove(one)
            right.remove(match)
            unchanged += 1
    likeness = sorted(
        ((likeness_of(before[one], after[other]), one, other) for one in left for other in right),
        key=lambda each: (-each[0], each[1], each[2]),
    )
    pairs: list[tuple[int, int]] = []
    for ratio, one, other in likeness:
        if ratio > 0 and one in left and other in right:
            left.remove(one)
            right.remove(other)
            pairs.append((one, other))
    return AnswerDiff(
        first=first.job_id,
        second=second.job_id,
        status=(first.status, second.status),
        identical=content_hash(first) == content_hash(second),
        added=[after[other] for other in right],
        removed=[before[one] for one in left],
        changed=[
            ChangedClaim(
                before=before[one],
                after=after[other],
                reworded=fold(before[one].text) != fold(after[other].text),
            )
            for one, other in sorted(pairs)
        ],
        unchanged=unchanged,
        versions=_differing(first.versions, second.versions),
        cost_usd=(first.cost_usd, second.cost_usd),
    )


def likeness_of(one: CitedClaim, other: CitedClaim) -> float:
    """How much two claims are one that changed: 0 for two of their own, more for a better pair."""
    if fold(one.text) == fold(other.text):
        return 2.0
    ratio = difflib.SequenceMatcher(None, terms(one.text), terms(other.text), autojunk=False).ratio()
    if _overlap(one.citations, other.citations):
        return ratio + SAME_PLACE if ratio >= CHANGED_FROM_SAME_PLACE else 0.0
    return ratio if ratio >= CHANGED_FROM else 0.0


def _cited(answer: Answer) -> list[CitedClaim]:
    numbered = {citation.number: citation for citation in answer.citations}
    return [_with(claim, numbered) for claim in answer.claims]


def _with(claim: AnswerClaim, numbered: dict[int, Citation]) -> CitedClaim:
    return CitedClaim(
        text=claim.text, conflict=claim.conflict, citations=[numbered[number] for number in claim.citations]
    )


def _same(one: CitedClaim, other: CitedClaim) -> bool:
    return fold(one.text) == fold(other.text) and _places(one) == _places(other)


def _places(claim: CitedClaim) -> set[tuple[str, str, int, int]]:
    return {(each.entry_id, each.version, each.start, each.end) for each in claim.citations}


def _overlap(ones: Sequence[Citation], others: Sequence[Citation]) -> bool:
    return any(_same_place(one, other) for one in ones for other in others)


def _same_place(one: Citation, other: Citation) -> bool:
    """Whether both cite the same characters of an entry; of two versions of it, the same words."""
    if one.entry_id != other.entry_id:
        return False
    if one.version != other.version:
        return one.quote == other.quote
    return one.start < other.end and other.start < one.end


def _differing(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {
        name: (first.get(name, ""), second.get(name, ""))
        for name in sorted({*first, *second})
        if first.get(name, "") != second.get(name, "")
    }
