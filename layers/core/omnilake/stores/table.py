"""The table behind a store: its schema, and handles that live as long as the process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import lancedb
import pyarrow as pa
from lancedb.index import FTS
from lancedb.table import Table

from omnilake.embedding.passages import indexed_text
from omnilake.errors import AsOfUnavailable
from omnilake.models import Chunk, Store

if TYPE_CHECKING:
    from omnilake.embedding.provider import Vectors

KEY = "chunk_id"
VECTOR = "vector"
INDEXED_TEXT = "indexed_text"
"""Column of the full-text index: context and text of a chunk, as they are embedded."""

INDEXED_TEXT_INDEX = f"{INDEXED_TEXT}_idx"

FULL_TEXT = FTS(
    base_tokenizer="simple",
    language="English",
    lower_case=True,
    ascii_folding=True,
    stem=True,
    remove_stop_words=True,
    with_position=False,
    max_token_length=64,
)
"""Folded, stemmed words without English stop words. Their idf is small, but a question in a whole sentence has many of
them, and they are half of a text's length. (nDCG@10 of BM25 alone, without and with them: Cranfield 0.383 and 0.376,
training queries of SciFact 0.694 and 0.691.) No positions: nobody asks for phrases."""

INDEX_CACHE_BYTES, METADATA_CACHE_BYTES = 128 << 20, 32 << 20
"""Most that a process keeps of a database's indexes and of its tables' metadata."""

_KEY_MARK = b"lance-schema:unenforced-primary-key:position"

_CHUNK_FIELDS = [
    pa.field(KEY, pa.string(), nullable=False),
    pa.field("entry_id", pa.string(), nullable=False),
    pa.field("version", pa.string(), nullable=False),
    pa.field("ordinal", pa.int32(), nullable=False),
    pa.field("start", pa.int64(), nullable=False),
    pa.field("end", pa.int64(), nullable=False),
    pa.field("tokens", pa.int32(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("context", pa.string(), nullable=False),
    pa.field("title", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("section", pa.string(), nullable=False),
    pa.field("page", pa.int32()),
    pa.field("time_s", pa.float64()),
    pa.field("posted_at", pa.float64()),
    pa.field("speaker", pa.string()),
    pa.field("parent_start", pa.int64()),
    pa.field("parent_end", pa.int64()),
    # Nullable from here on: stores that were made before these columns get them empty.
    pa.field("media_type", pa.string()),
    pa.field("source_type", pa.string()),
    pa.field("received_at", pa.string()),
    pa.field("effective_on", pa.string()),
    pa.field("labels", pa.list_(pa.string())),
]
CHUNK_COLUMNS = [field.name for field in _CHUNK_FIELDS]
"""The fields of a ``Chunk``, by their names."""


def schema(dimensions: int) -> pa.Schema:
    """Columns of a store: those of a chunk, the indexed text, the vector (float32, ``dimensions`` long)."""
    return pa.schema(
        [
            *_CHUNK_FIELDS,
            pa.field(INDEXED_TEXT, pa.string(), nullable=False),
            pa.field(VECTOR, pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


def rows(chunks: Sequence[Chunk], vectors: Vectors) -> pa.Table:
    """Chunks and their vectors as rows of a store.

    Args:
        chunks: any number.
        vectors: of the same chunks in the same order, float32, shape (len(chunks), dimensions).
    """
    fields = schema(vectors.shape[1])
    columns = {
        name: pa.array([getattr(chunk, name) for chunk in chunks], fields.field(name).type) for name in CHUNK_COLUMNS
    }
    columns[INDEXED_TEXT] = pa.array([indexed_text(chunk) for chunk in chunks], pa.string())
    columns[VECTOR] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1), pa.float32()), vectors.shape[1])
    return pa.table(columns, schema=fields)


def create_store(store: Store) -> None:
    """Make the table of a store, empty, with its key and its full-text index. May be repeated.

    Never called by workers: rows that one of them added have been seen to vanish when another created the table anew.
    """
    database = _database(store.uri)
    try:
        table = database.open_table(store.store_id)
    except ValueError:  # LanceDB's way to say that there is no such table
        table = database.create_table(store.store_id, schema=schema(store.space.dimensions))
    add_missing_columns(table)
    if not any(index.name == INDEXED_TEXT_INDEX for index in table.list_indices()):
        table.create_index(INDEXED_TEXT, config=FULL_TEXT, name=INDEXED_TEXT_INDEX)
    if not (table.schema.field(KEY).metadata or {}).get(_KEY_MARK):
        # Without a declared key, upserts that overlap can both insert; the column is non-null for the same reason.
        table.set_unenforced_primary_key(KEY)


def add_missing_columns(table: Table) -> None:
    """Give a table that an earlier version of the product made the columns that have come since, empty.

    Only whoever creates a store or commits to it does so.
    """
    known = set(table.schema.names)
    missing = [field for field in _CHUNK_FIELDS if field.name not in known]
    if missing:
        table.add_columns(pa.schema(missing))


def drop_store(store: Store) -> None:
    """Delete the table of a store that no archive refers to. May be repeated."""
    _handle.cache_clear()
    _database(store.uri).drop_table(store.store_id, ignore_missing=True)


def open_store(store: Store) -> Table:
    """Handle of a store's table at its latest version; kept open for the life of the process."""
    table = _handle(store.uri, store.store_id)
    table.checkout_latest()
    return table


def open_store_at(store: Store, version: int) -> Table:
    """A store's table as it was at one of its versions; a handle of its own.

    Raises:
        AsOfUnavailable: there never was such a version, or it was cleaned up (``commit.VERSION_KEPT_FOR``).
    """
    table = _database(store.uri).open_table(store.store_id)
    try:
        table.checkout(version)
    except (ValueError, RuntimeError) as error:  # LanceDB's ways to say that a version is not there
        raise AsOfUnavailable(f"The store of the archive {store.archive_id} has no version {version}.") from error
    return table


def quoted(value: str) -> str:
    """A value as a string literal of a filter expression."""
    return "'" + value.replace("'", "''") + "'"


@cache
def _handle(uri: str, store_id: str) -> Table:
    return _database(uri).open_table(store_id)


@cache
def _database(uri: str) -> lancedb.DBConnection:
    # Region, endpoint and credentials come from the environment (AWS_*), as for every AWS SDK.
    # LanceDB itself would keep gigabytes in memory.
    session = lancedb.Session(index_cache_size_bytes=INDEX_CACHE_BYTES, metadata_cache_size_bytes=METADATA_CACHE_BYTES)
    return lancedb.connect(uri, session=session)
