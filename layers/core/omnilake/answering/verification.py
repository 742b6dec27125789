"""Verify Claims: every quote must stand word for word where it says it stands. Free, and always on.

A judge, where one is configured, then says whether the quotes say what the claim says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from omnilake import aws, jobs, layout
from omnilake.answering.degradation import UNAVAILABLE, attempt, earlier
from omnilake.answering.parts import (
    ANSWER_PLAN,
    COMPOSED,
    VERIFIED,
    AnswerPlan,
    ComposedClaims,
    VerifiedClaims,
    find_part,
    read_configuration,
    read_part,
    read_request,
    write_part,
)
from omnilake.configuration import Step
from omnilake.generation import asked_model, prompts
from omnilake.generation.asking import AskedModel
from omnilake.generation.judging import Verdict, judge
from omnilake.generation.recording import Calls
from omnilake.generation.sentences import fold
from omnilake.models import Claim, Degradation, InformationRequest, JobKind, LedgerLine, Model, Quote

STATE = "Verify Claims"

NOBODY = "nobody"
"""Who judges where the judge can't."""

QUOTE_NOT_FOUND = "quote_not_found"
TEXT_NOT_FOUND = "text_not_found"
EMPTY_QUOTE = "empty_quote"

StoredText = Callable[[str, str], "str | None"]
"""(entry id, version) → stored text, None when it is not there."""


class VerificationResult(Model):
    """How many claims stand, and how many were removed."""

    claims: int
    removed: int


def verify_claims(job_id: str, waits: int = 0, *, unavailable: bool = False) -> VerificationResult:
    """Check the quotes of the composed claims against the stored texts, and write ``VerifiedClaims``.

    Where the answer's plan has a judge, because the request or the configuration names one and the budget holds it, it
    is asked about the claims whose quotes stand; those that it does not find supported are removed and counted. A judge
    that can't judge is left out, and coverage says so.

    Args:
        job_id: the execution's name.
        waits: how often the state has waited for the judge's quota.
        unavailable: the judge did not answer: nobody judges.

    Raises:
        RateLimited: the judge's quota is used up for now.
        TransientError: the judge did not answer.
    """
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Verify Without Judge" if unavailable else STATE)
    request = read_request(job_id)
    configuration = read_configuration(job_id)
    composed = read_part(job_id, COMPOSED, ComposedClaims)
    verified = verified_claims(composed.claims, _StoredTexts(job_id, request.replay_of))
    name = read_part(job_id, ANSWER_PLAN, AnswerPlan).steps.get(Step.JUDGE)
    if name and verified.claims:
        asked = asked_model(name, configuration, Calls.of(job_id, request))
        template = prompts.template(Step.JUDGE, configuration)
        verified = _judged(verified, asked, template, waits=waits, instead=_instead(request, unavailable))
    write_part(job_id, VERIFIED, verified)
    return VerificationResult(claims=len(verified.claims), removed=sum(verified.removed.values()))


def _judged(
    verified: VerifiedClaims, asked: AskedModel, template: prompts.Template, *, waits: int, instead: str
) -> VerifiedClaims:
    began = time.monotonic()
    tried = attempt(lambda: judge(asked, template, verified.claims), waits=waits, instead=instead)
    verdicts, usage = tried.value or ([Verdict.SUPPORTED] * len(verified.claims), tried.lost)
    removed = Counter(verified.removed)
    removed.update(f"judged_{verdict}" for verdict in verdicts if verdict is not Verdict.SUPPORTED)
    pairs = zip(verified.claims, verdicts, strict=True)
    line = LedgerLine(
        state=STATE,
        provider=asked.name,
        model=asked.model,
        **usage.model_dump(),
        seconds=round(time.monotonic() - began, 3),
    )
    return VerifiedClaims(
        claims=[claim for claim, verdict in pairs if verdict is Verdict.SUPPORTED],
        removed=dict(removed),
        degraded=[Degradation(step=Step.JUDGE, to=NOBODY, reason=tried.reason)] if tried.reason else [],
        ledger=[line],
        versions={"model.judge": f"{asked.name}/{asked.model}", "prompt.judge": template.version},
    )


def _instead(request: InformationRequest, unavailable: bool) -> str:
    """Why the judge is not asked: it did not answer, or not when the answer that is replayed was made."""
    if unavailable:
        return UNAVAILABLE
    replayed = find_part(request.replay_of, VERIFIED, VerifiedClaims) if request.replay_of else None
    return earlier(Step.JUDGE, replayed.degraded) if replayed else ""


def verified_claims(claims: Sequence[Claim], stored_text: StoredText) -> VerifiedClaims:
    """Claims with those of their quotes that stand; one without any is removed and counted by its first reason."""
    kept, removed = [], Counter[str]()
    for claim in claims:
        reasons = [defect(quote, stored_text) for quote in claim.quotes]
        standing = [quote for quote, reason in zip(claim.quotes, reasons, strict=True) if reason is None]
        if standing:
            kept.append(claim.model_copy(update={"quotes": standing}))
        else:
            removed[next(reason for reason in reasons if reason)] += 1
    return VerifiedClaims(claims=kept, removed=dict(removed))


def defect(quote: Quote, stored_text: StoredText) -> str | None:
    """Why a quote does not stand, None when it does. Runs of white space count as one space."""
    text = stored_text(quote.entry_id, quote.version)
    if text is None:
        return TEXT_NOT_FOUND
    wanted = fold(quote.text)
    if not wanted:
        return EMPTY_QUOTE
    if not 0 <= quote.start < quote.end <= len(text):
        return QUOTE_NOT_FOUND
    return None if fold(text[quote.start : quote.end]) == wanted else QUOTE_NOT_FOUND


class _StoredTexts:
    """Texts of the lake, each read once; only the last few stay, because a text may have tens of megabytes."""

    KEPT = 4

    def __init__(self, job_id: str, replay_of: str) -> None:
        self._jobs = [each for each in (job_id, replay_of) if each]
        self._texts: dict[tuple[str, str], str | None] = {}

    def __call__(self, entry_id: str, version: str) -> str | None:
        key = (entry_id, version)
        if key not in self._texts:
            while len(self._texts) >= self.KEPT:
                del self._texts[next(iter(self._texts))]
            self._texts[key] = self._read(entry_id, version)
        return self._texts[key]

    def _read(self, entry_id: str, version: str) -> str | None:
        """A stored text; of what a retriever made, that of this answer, or of the one that it replays."""
        keys = [layout.entry_text(entry_id, version)]
        if entry_id.startswith(layout.MATERIAL):
            keys = [layout.answer_material(job_id, entry_id, version) for job_id in self._jobs]
        return next((text.decode() for key in keys if (text := aws.lake().find(key)) is not None), None)
