"""Verify Claims: every quote must stand word for word where it says it stands. Free, and always on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from botocore.exceptions import ClientError

from omnilake import aws, jobs, layout
from omnilake.answering.parts import COMPOSED, VERIFIED, ComposedClaims, VerifiedClaims, read_part, write_part
from omnilake.generation.sentences import fold
from omnilake.models import Claim, JobKind, Model, Quote

QUOTE_NOT_FOUND = "quote_not_found"
TEXT_NOT_FOUND = "text_not_found"
EMPTY_QUOTE = "empty_quote"

StoredText = Callable[[str, str], "str | None"]
"""(entry id, version) → stored text, None when it is not there."""


class VerificationResult(Model):
    """How many claims stand, and how many were removed."""

    claims: int
    removed: int


def verify_claims(job_id: str) -> VerificationResult:
    """Check the quotes of the composed claims against the stored texts, and write ``VerifiedClaims``."""
    jobs.enter(job_id, JobKind.ANSWER_REQUEST, "Verify Claims")
    composed = read_part(job_id, COMPOSED, ComposedClaims)
    verified = verified_claims(composed.claims, _StoredTexts())
    write_part(job_id, VERIFIED, verified)
    return VerificationResult(claims=len(verified.claims), removed=sum(verified.removed.values()))


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

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], str | None] = {}

    def __call__(self, entry_id: str, version: str) -> str | None:
        key = (entry_id, version)
        if key not in self._texts:
            while len(self._texts) >= self.KEPT:
                del self._texts[next(iter(self._texts))]
            self._texts[key] = self._read(entry_id, version)
        return self._texts[key]

    @staticmethod
    def _read(entry_id: str, version: str) -> str | None:
        try:
            return aws.lake().read(layout.entry_text(entry_id, version)).decode()
        except ClientError as error:
            if aws.error_code(error) in {"NoSuchKey", "404"}:
                return None
            raise
