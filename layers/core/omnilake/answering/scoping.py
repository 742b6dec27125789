"""Which state of the archives, and which of their entries, a request is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pydantic import Field

from omnilake import clock, entries, layout
from omnilake.answering.parts import ANSWER, find_part
from omnilake.errors import AsOfUnavailable, InvalidRequest
from omnilake.models import Answer, Archive, DocumentStatus, InformationRequest, Model, RetrievalMode
from omnilake.retrieval import AsOf

SUPERSEDED = "entries_superseded_since"
"""Entries whose version of then is not in search any more."""

_OF_THEN = (DocumentStatus.COMPLETED, DocumentStatus.SUPERSEDED, DocumentStatus.DELETED)
"""Statuses of versions that there were; an entry whose newest is a deletion was not there."""

_STORE_VERSION = re.compile(r"v([1-9]\d{0,17})")


class Scope(Model):
    """What retrieval is confined to, besides filters and tenant."""

    as_of: AsOf = AsOf()
    entries: list[str] | None = None
    cited: list[str] = Field(default=[])
    left_out: dict[str, int] = Field(default={})


def scope_of(request: InformationRequest, found: Sequence[Archive]) -> Scope:
    """What a request is about.

    Raises:
        InvalidRequest: ``as_of`` is no date, time or version of a store; a version with several archives; an earlier
            answer that is not there.
        AsOfUnavailable: nothing is kept of what the archives held then.
    """
    as_of = parse_as_of(request.as_of, archives=len(found))
    left_out = missing_by(as_of.moment, found) if as_of.moment else {}
    if not request.related_to:
        return Scope(as_of=as_of, left_out=left_out)
    answer = _earlier(request.related_to)
    citations = [each for each in answer.citations if not each.entry_id.startswith(layout.MATERIAL)]
    confined = request.mode is RetrievalMode.RELATED
    return Scope(
        as_of=as_of,
        entries=sorted({each.entry_id for each in citations}) if confined else None,
        cited=list(dict.fromkeys(each.chunk_id for each in citations)),
        left_out=left_out,
    )


def parse_as_of(told: str, *, archives: int) -> AsOf:
    """A date or time (ISO 8601; a date is its end), or ``v`` and the version of the store of one archive.

    Raises:
        InvalidRequest: neither, or a version with several archives, each of which has a store of its own.
    """
    if not told:
        return AsOf()
    if version := _STORE_VERSION.fullmatch(told):
        if archives != 1:
            raise InvalidRequest(
                "as_of names the version of a store, and the request several archives.", action="Give a date or time."
            )
        return AsOf(store_version=int(version[1]))
    try:
        # All of a day belongs to it: what came on the day itself was there by its end.
        ended = f"{told}T23:59:59.999" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", told) else told
        return AsOf(moment=clock.instant(ended))
    except ValueError:
        raise InvalidRequest("as_of is neither a date or time (ISO 8601) nor the version of a store (v17).") from None


def missing_by(moment: str, found: Iterable[Archive]) -> dict[str, int]:
    """How many entries of archives had a version by a moment that is not in search any more.

    Raises:
        AsOfUnavailable: all of them.
    """
    kept = missing = 0
    for archive in found:
        newest: dict[str, tuple[str, DocumentStatus]] = {}
        for status in _OF_THEN:
            for item in entries.of_status(archive.archive_id, status, "entry_id", "version", "received_at"):
                if not item.get("received_at") or clock.instant(item["received_at"]) > moment:
                    continue
                this = (item["version"], status)
                newest[item["entry_id"]] = max(newest.get(item["entry_id"], this), this)
        statuses = [status for _, status in newest.values()]
        kept += statuses.count(DocumentStatus.COMPLETED)
        missing += statuses.count(DocumentStatus.SUPERSEDED)
    if missing and not kept:
        raise AsOfUnavailable(f"Of {missing} entries that there were by then, all have newer versions now.")
    return {SUPERSEDED: missing} if missing else {}


def _earlier(job_id: str) -> Answer:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", job_id):
        raise InvalidRequest("related_to is no job id.")
    earlier = find_part(job_id, ANSWER, Answer)
    if earlier is None:
        raise InvalidRequest("The job that related_to names has no answer.")
    return earlier
