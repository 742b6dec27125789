"""What is known of a stream's records: before a sync, while its records are being ingested, and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from omnilake.connectors.protocol import Known
from omnilake.syncing.parts import Seen


def live(known: Mapping[str, Known]) -> dict[str, Known]:
    """The records that are not deleted."""
    return {record_id: each for record_id, each in known.items() if not each.deleted}


def final_known(known: Mapping[str, Known], seen: Iterable[Seen]) -> dict[str, Known]:
    """What is known once the records of a sync are ingested.

    Deleted records stay with their time: one that comes back must be newer than its deletion.
    """
    after = dict(known)
    for each in seen:
        after[each.known.record_id] = each.known.model_copy(update={"deleted": each.deleted})
    return after


def pending_known(known: Mapping[str, Known], seen: Iterable[Seen]) -> dict[str, Known]:
    """What is known while nobody can tell whether the records of a sync are ingested: all ids, no contents of those."""
    after = dict(known)
    for each in seen:
        if each.written:
            after[each.known.record_id] = each.known.model_copy(update={"content_hash": "", "validator": ""})
    return after
