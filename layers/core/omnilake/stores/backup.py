"""Backups: what was committed, one Parquet object for each ingestion, and a store made again of them.

A backup holds the rows as they were committed, vectors included, so nothing is embedded (nor paid) again. It is written
by the store's one committer before the execution is answered: what an execution was told is indexed is in a backup too.
Backups are not changed when a newer version of an entry takes an older one's place; which rows belong into the store
is asked of the registry when the store is made again.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from omnilake import aws, entries, layout
from omnilake.errors import StageFailed
from omnilake.models import DocumentStatus, Store
from omnilake.stores.commit import EntryVersion, commit, optimise
from omnilake.stores.table import create_store, schema

COMPRESSION = "zstd"


def write(store: Store, job_id: str, batches: Sequence[pa.Table]) -> str:
    """Keep the rows that an ingestion committed; the same rows give the same object. Returns its key, empty for no row.

    Args:
        store: they were committed to.
        job_id: of the ingestion.
        batches: of :func:`omnilake.stores.table.rows`.
    """
    rows = pa.concat_tables(batches) if batches else None
    if rows is None or not rows.num_rows:
        return ""
    data = io.BytesIO()
    pq.write_table(rows, data, compression=COMPRESSION)
    return aws.lake().write(
        layout.vector_backup(store.store_id, job_id), data.getvalue(), "application/vnd.apache.parquet"
    )


def take_out(store: Store, job_id: str, versions: Collection[EntryVersion]) -> int:
    """Take the rows of some entry versions out of a backup; one that is left without rows goes. May be repeated.

    Returns:
        How many rows.

    Raises:
        StageFailed: the backup can't be read.
    """
    key = layout.vector_backup(store.store_id, job_id)
    rows = _found(key)
    if rows is None:
        return 0
    kept = rows.filter(pa.array([owner not in versions for owner in _owners(rows)], pa.bool_()))
    if not kept.num_rows:
        aws.lake().delete(key)
    elif kept.num_rows < rows.num_rows:
        write(store, job_id, [kept])
    return int(rows.num_rows - kept.num_rows)


def holds(store_id: str, job_id: str, versions: Collection[EntryVersion]) -> int:
    """How many rows of some entry versions a backup holds.

    Raises:
        StageFailed: the backup can't be read.
    """
    rows = _found(layout.vector_backup(store_id, job_id))
    return 0 if rows is None else sum(owner in versions for owner in _owners(rows))


def rebuild(store: Store) -> int:
    """Make a store again of its backups: of every entry version that the registry calls COMPLETED, all its rows.

    The store may be gone, empty, or half made: what it has already stays as it is. Nobody else may write to it
    meanwhile, as to any store.

    Args:
        store: its record.

    Returns:
        How many rows came from backups.

    Raises:
        StageFailed: a backup is not of this store's space, or can't be read.
        IncompleteIndexing, TransientError: as :func:`omnilake.stores.commit.commit`.
    """
    create_store(store)
    committed = 0
    for key in aws.lake().keys(layout.vector_backups(store.store_id)):
        rows = _read(key, store)
        kept = _standing(rows, key.rpartition("/")[2].removesuffix(".parquet"))
        if kept.num_rows:
            commit(store, [kept])
            committed += kept.num_rows
    optimise(store)
    return committed


def _read(key: str, store: Store) -> pa.Table:
    """Rows of a backup in the store's present schema; columns that came later are null."""
    wanted = schema(store.space.dimensions)
    rows = _table(key, aws.lake().read(key))
    try:
        for field in wanted:
            if field.name not in rows.column_names:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows.select(wanted.names).cast(wanted)
    except (pa.ArrowException, ValueError) as error:
        raise StageFailed(f"The backup {key} does not fit into the store ({type(error).__name__}).") from error


def _found(key: str) -> pa.Table | None:
    data = aws.lake().find(key)
    return None if data is None else _table(key, data)


def _table(key: str, data: bytes) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, ValueError) as error:
        raise StageFailed(f"The backup {key} can't be read ({type(error).__name__}).") from error


def _owners(rows: pa.Table) -> list[EntryVersion]:
    return list(zip(rows["entry_id"].to_pylist(), rows["version"].to_pylist(), strict=True))


def _standing(rows: pa.Table, job_id: str) -> pa.Table:
    """The rows whose entry version is in search by the registry, as this job indexed it last."""
    owners = _owners(rows)
    standing = _completed({entry_id for entry_id, _ in owners}, job_id)
    return rows.filter(pa.array([owner in standing for owner in owners], pa.bool_()))


def _completed(entry_ids: Iterable[str], job_id: str) -> set[EntryVersion]:
    found = aws.concurrently(entries.versions, sorted(entry_ids))
    return {
        (item["entry_id"], item["version"])
        for versions in found
        for item in versions
        if item["status"] == DocumentStatus.COMPLETED.value and item.get("indexed_by", job_id) == job_id
    }
