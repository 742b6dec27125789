"""Commits: idempotent, verified, made by the one committer that a store has.

A store's queue hands its batches to one Lambda at a time, so commits of a store do not race in ordinary operation. They
still may for a moment (a sandbox that was given up for dead, a redelivery): every write is a full-row upsert by the
chunk's id, which is a hash of what the chunk is, so doing it twice leaves what doing it once leaves.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import pyarrow as pa
from lancedb.table import Table

from omnilake.errors import IncompleteIndexing, TransientError
from omnilake.models import Store
from omnilake.stores.table import (
    FULL_TEXT,
    INDEXED_TEXT,
    INDEXED_TEXT_INDEX,
    KEY,
    VECTOR,
    add_missing_columns,
    open_store,
    open_store_at,
    quoted,
)

COMMIT_ATTEMPTS = 6
"""Tries of one write that meets another's commit, before the messages go back to the queue."""

FRAGMENTS_LIMIT = 20
"""Fragments above which a table is compacted."""

UNINDEXED_LIMIT = 0.10
"""Share of rows that the full-text index does not cover, above which it is brought up to date."""

UNINDEXED_ROWS_LIMIT = 2_000
"""The same in rows: each search tokenises all rows that the index does not cover (about 0.1 ms a row)."""

VERSION_KEPT_FOR = timedelta(hours=1)
"""How long a superseded version of the table stays readable: far longer than any search runs."""

VALUES_PER_FILTER = 500
"""Most values in one filter expression."""

_TERMS_PER_FILTER = 50
_ALL = 2**31 - 1
_CONFLICT_SIGNS = ("conflict", "too many concurrent writers", "retryable")

EntryVersion = tuple[str, str]
"""(entry id, version)."""


@dataclass(frozen=True)
class Commit:
    """What a store holds after a commit.

    Attributes:
        chunk_ids: those of the committed batches that are in the store.
        store_version: of the table.
        new_ids: those that were not in it before.
    """

    chunk_ids: frozenset[str]
    store_version: int
    new_ids: frozenset[str] = frozenset()


class _Key(NamedTuple):
    """What tells a row from others: its key, and the entry version it belongs to."""

    chunk_id: str
    entry_id: str
    version: str

    @property
    def entry_version(self) -> EntryVersion:
        return self.entry_id, self.version


def commit(store: Store, batches: Sequence[pa.Table]) -> Commit:
    """Put batches of rows into a store in one commit.

    Other versions of the same entries stay: they are what is searched until the new ones are published, and what is
    left if that fails. Their removal is asked for by the state that publishes (:func:`remove_versions`).

    All chunks of an entry version must be in one call: what the store has of that version beyond them is left over
    from an attempt that went another way, and is removed too.

    Args:
        store: its one committer is the caller.
        batches: of :func:`omnilake.stores.table.rows`.

    Raises:
        IncompleteIndexing: afterwards the store has not exactly one row for each chunk.
        TransientError: other commits kept coming in between.
    """
    table = open_store(store)
    add_missing_columns(table)
    incoming = pa.concat_tables(batches)
    offered = _keys(incoming)
    entry_ids = sorted({key.entry_id for key in offered})
    held = _held(table, entry_ids)
    wanted = {key.chunk_id: position for position, key in enumerate(offered)}
    present = {key.chunk_id for key in held}
    same = _unchanged(table, incoming, {name: wanted[name] for name in present & wanted.keys()})
    written = sorted(position for chunk_id, position in wanted.items() if chunk_id not in same)
    if written:
        _persist(table, lambda: _upsert(table, incoming.take(written)))
    renewed = {key.entry_version for key in offered}
    left_over = [key.chunk_id for key in held if key.entry_version in renewed and key.chunk_id not in wanted]
    _delete(table, _filters(KEY, left_over))

    table.checkout_latest()
    after = Counter(key.chunk_id for key in _held(table, entry_ids))
    found = sum(after[chunk_id] for chunk_id in wanted)
    if found != len(wanted) or not all(after[chunk_id] for chunk_id in wanted):
        raise IncompleteIndexing(f"The store has {found} rows for {len(wanted)} chunks after the commit.")
    new_ids = frozenset(chunk_id for chunk_id in wanted if chunk_id not in present)
    return Commit(chunk_ids=frozenset(wanted), store_version=table.version, new_ids=new_ids)


def remove_versions(store: Store, versions: Iterable[EntryVersion]) -> int:
    """Take all rows of some entry versions out of a store; how many there were. May be repeated.

    Raises:
        TransientError: other commits kept coming in between.
    """
    table = open_store(store)
    pairs = set(versions)
    held = [key.entry_version for key in _held(table, sorted({entry_id for entry_id, _ in pairs}))]
    _delete(table, _version_filters(pairs & {*held}))
    return sum(each in pairs for each in held)


def rows_of(store: Store, versions: Iterable[EntryVersion], version: int | None = None) -> int:
    """How many rows of some entry versions a store holds, now or in an older version of its table.

    Raises:
        AsOfUnavailable: the table has no such version any more.
    """
    table = open_store(store) if version is None else open_store_at(store, version)
    pairs = set(versions)
    return sum(key.entry_version in pairs for key in _held(table, sorted({entry_id for entry_id, _ in pairs})))


def add_row_again(store: Store) -> None:
    """Write one row of a store anew as it is, so that there are two fragments to compact. Of an empty store none.

    Raises:
        TransientError: other commits kept coming in between.
    """
    table = open_store(store)
    row = table.search().limit(1).to_arrow()
    if row.num_rows:
        _persist(table, lambda: _upsert(table, row.select(table.schema.names).cast(table.schema)))


def build_text_index(store: Store) -> None:
    """Build the full-text index anew: of the rows that there are. Searches go on with the one before until it is done.

    Raises:
        TransientError: other commits kept coming in between.
    """
    table = open_store(store)
    _persist(table, lambda: table.create_index(INDEXED_TEXT, config=FULL_TEXT, name=INDEXED_TEXT_INDEX, replace=True))


def needs_optimising(store: Store) -> bool:
    """Whether a table has too many fragments, or too many rows that its full-text index does not cover."""
    table = open_store(store)
    if table.stats()["fragment_stats"]["num_fragments"] > FRAGMENTS_LIMIT:
        return True
    index = table.index_stats(INDEXED_TEXT_INDEX)
    if index is None:
        return False
    total = index.num_unindexed_rows + index.num_indexed_rows
    return bool(index.num_unindexed_rows > min(UNINDEXED_ROWS_LIMIT, UNINDEXED_LIMIT * total))


def optimise(store: Store, kept_for: timedelta = VERSION_KEPT_FOR) -> None:
    """Compact fragments, drop versions that nobody reads any more, bring indexes up to date.

    Only the store's committer calls it, between commits: beside a writer it fails.

    Args:
        store: whose table.
        kept_for: how long superseded versions stay readable.

    Raises:
        TransientError: other commits kept coming in between.
    """
    table = open_store(store)
    _persist(table, lambda: table.optimize(cleanup_older_than=kept_for))
    _give_back_memory()


def _give_back_memory() -> None:
    """Hand what glibc holds of freed memory back to the system: an optimisation takes much, the process lives on."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)  # malloc_trim(3)


def _unchanged(table: Table, incoming: pa.Table, positions: Mapping[str, int]) -> set[str]:
    """Those chunks that the table holds as they come in. What the archive's settings decide may have changed besides
    the text that the chunk's id is made of: its context, its labels."""
    columns = [name for name in table.schema.names if name != VECTOR]
    coming = incoming.select(columns)
    same: set[str] = set()
    for condition in _filters(KEY, sorted(positions)):
        for row in table.search().where(condition).select(columns).limit(_ALL).to_arrow().to_pylist():
            (new,) = coming.slice(positions[row[KEY]], 1).to_pylist()
            if new == row:
                same.add(row[KEY])
    return same


def _upsert(table: Table, missing: pa.Table) -> object:
    upsert = table.merge_insert(KEY).when_matched_update_all().when_not_matched_insert_all()
    # An index on the key must not be used: rows behind it have been duplicated.
    return upsert.use_index(False).execute(missing)


def _delete(table: Table, filters: Iterable[str]) -> None:
    for condition in filters:
        _persist(table, partial(table.delete, condition))


def _persist(table: Table, write: Callable[[], object]) -> None:
    """Make one commit, again after a random pause when another commit came in between."""
    for attempt in range(1, COMMIT_ATTEMPTS + 1):
        try:
            write()
        except (RuntimeError, OSError) as error:
            if not any(sign in str(error).lower() for sign in _CONFLICT_SIGNS):
                raise
            if attempt == COMMIT_ATTEMPTS:
                raise TransientError(f"A commit met others {attempt} times.") from error
            time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 (full jitter, not a secret)
            table.checkout_latest()
        else:
            return


def _held(table: Table, entry_ids: Sequence[str]) -> list[_Key]:
    return [
        key
        for condition in _filters("entry_id", entry_ids)
        for key in _keys(table.search().where(condition).select(list(_Key._fields)).limit(_ALL).to_arrow())
    ]


def _keys(rows: pa.Table) -> list[_Key]:
    return [_Key(*values) for values in zip(*(rows[name].to_pylist() for name in _Key._fields), strict=True)]


def _filters(column: str, values: Sequence[str]) -> Iterator[str]:
    for first in range(0, len(values), VALUES_PER_FILTER):
        listed = ", ".join(quoted(value) for value in values[first : first + VALUES_PER_FILTER])
        yield f"{column} IN ({listed})"


def _version_filters(versions: Iterable[EntryVersion]) -> Iterator[str]:
    by_entry: dict[str, list[str]] = {}
    for entry_id, version in sorted(versions):
        by_entry.setdefault(entry_id, []).append(version)
    terms = [
        f"(entry_id = {quoted(entry_id)} AND version IN ({', '.join(map(quoted, each))}))"
        for entry_id, each in by_entry.items()
    ]
    for first in range(0, len(terms), _TERMS_PER_FILTER):
        yield " OR ".join(terms[first : first + _TERMS_PER_FILTER])
