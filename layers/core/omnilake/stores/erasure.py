"""Erasure: rows leave a store for good, not only search.

LanceDB only notes which rows are deleted. Their text stays in the table's files until a compaction writes the fragment
anew, in the word index until that is built anew, and in older versions of the table until they are dropped. A fragment
that is alone is not compacted, and one that the index covers not together with one that it does not cover: so one row
is written again, the index is built again, and then all is compacted. Only the store's committer may do this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import timedelta

from omnilake.errors import AsOfUnavailable
from omnilake.models import Model, Store
from omnilake.stores import backup
from omnilake.stores.commit import (
    EntryVersion,
    add_row_again,
    build_text_index,
    optimise,
    remove_versions,
    rows_of,
)
from omnilake.stores.table import open_store

_AT_ONCE = timedelta(milliseconds=1)


class Erasure(Model):
    """How many rows were taken out of a store and of its backups, and the version of the table without them."""

    rows: int
    backup_rows: int = 0
    store_version: int


def erase(
    store: Store,
    versions: Collection[EntryVersion],
    job_ids: Iterable[str],
    tell: Callable[[int], None] = lambda rows: None,
) -> Erasure:
    """Take all rows of some entry versions out of a store's newest version, its files and its backups. May be repeated.

    Older versions of the table stay readable for whoever reads them: :func:`release`.

    Args:
        store: its one committer is the caller.
        versions: of entries.
        job_ids: of the ingestions whose backups hold their rows.
        tell: is told how many rows the table had, once they are gone: a repetition of what follows finds none of them.

    Raises:
        TransientError: other commits kept coming in between.
        StageFailed: a backup can't be read.
    """
    found = remove_versions(store, versions)
    tell(found)
    backup_rows = sum(backup.take_out(store, job_id, versions) for job_id in job_ids)
    add_row_again(store)
    build_text_index(store)
    optimise(store)
    return Erasure(rows=found, backup_rows=backup_rows, store_version=int(open_store(store).version))


def release(store: Store) -> Erasure:
    """Drop all versions of the table but the newest: whoever still reads one of them fails, and is retried.

    Raises:
        TransientError: other commits kept coming in between.
    """
    optimise(store, kept_for=_AT_ONCE)
    return Erasure(rows=0, store_version=int(open_store(store).version))


def remaining(store: Store, versions: Collection[EntryVersion]) -> int:
    """How many rows of some entry versions are in any version of a store's table that can still be read. Only reads."""
    return sum(_rows_at(store, versions, each["version"]) for each in open_store(store).list_versions())


def _rows_at(store: Store, versions: Collection[EntryVersion], version: int) -> int:
    try:
        return rows_of(store, versions, version)
    except AsOfUnavailable:  # dropped since it was listed
        return 0
