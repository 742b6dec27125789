"""What is known of a stream's records: before a sync, while its records are being ingested, and after."""

from __future__ import annotations

from collections.abc import Iterable

from omnilake.connectors.protocol import Known
from omnilake.syncing.parts import Seen


def final_known(known: dict[str, Known], seen: Iterable[Seen]) -> dict[str, Known]:
    """What is known once the records of a sync are ingested."""
    after = dict(known)
    for each in seen:
        if each.deleted:
            after.pop(each.known.record_id, None)
        else:
            after[each.known.record_id] = each.known
    return after


def pending_known(known: dict[str, Known], seen: Iterable[Seen]) -> dict[str, Known]:
    """What is known while nobody can tell whether the records of a sync are ingested: all ids, no contents of those."""
    after = dict(known)
    for each in seen:
        if each.written:
            after[each.known.record_id] = each.known.model_copy(update={"content_hash": "", "validator": ""})
    return after
