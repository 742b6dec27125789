"""Search: exact by vector, BM25 by text. Questions are data: nothing in them is read as query syntax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lancedb.query import MatchQuery

from omnilake.errors import StageFailed
from omnilake.models import Chunk, Evidence, Scores, Store
from omnilake.stores.commit import VALUES_PER_FILTER
from omnilake.stores.table import CHUNK_COLUMNS, INDEXED_TEXT, KEY, VECTOR, open_store, open_store_at, quoted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MAX_NEIGHBOURED = 200
"""Most chunks, the first of those given, whose neighbours are read."""

_TOGETHER = 50
"""Chunks whose neighbours one scan reads."""

_ALL = 2**31 - 1


class View:
    """The chunks of a store that a request may see.

    Args:
        store: where.
        where: expression that they meet (``retrieval.filters``); it is applied before the search. Empty: all.
        version: of the store's table; the latest when None.

    Raises:
        AsOfUnavailable: the table has no such version any more.
        StageFailed: the condition is about columns that this store, made by an earlier version, does not have yet.

    Attributes:
        version: of the table that is read.
        has_columns: whether it has all columns that conditions may be about; a store that an earlier version made gets
            them with its next commit.
    """

    def __init__(self, store: Store, where: str = "", version: int | None = None) -> None:
        self._store = store
        self._table = open_store(store) if version is None else open_store_at(store, version)
        self._columns = [name for name in CHUNK_COLUMNS if name in self._table.schema.names]
        self._where = where
        self.version = int(self._table.version)
        self.has_columns = len(self._columns) == len(CHUNK_COLUMNS)
        if where and not self.has_columns:
            raise StageFailed(
                f"The store of the archive {store.archive_id} was made before there were filters.",
                action="Ingest a document into the archive: the next commit adds the columns.",
            )

    def narrowed(self, condition: str) -> View:
        """The same with one more condition."""
        view = object.__new__(View)
        view.__dict__.update(self.__dict__)
        view._where = " AND ".join(f"({each})" for each in (self._where, condition) if each)
        return view

    def count(self) -> int:
        """How many chunks there are."""
        return int(self._table.count_rows(self._where or None))

    def nearest(self, vector: Sequence[float], k: int, question: str | None = None) -> list[Evidence]:
        """The ``k`` chunks nearest to a vector, all rows compared, best first.

        Args:
            vector: of the question, in the store's space, shape (dimensions,).
            k: how many at most.
            question: when given, each hit gets its BM25 score too, 0 when it shares no word with the question.

        Returns:
            Evidence with ``scores.vector``, the cosine similarity, and ``scores.full_text`` when a question was given.
        """
        query = self._table.search(list(vector), vector_column_name=VECTOR)
        query = self._filtered(query.distance_type("cosine").bypass_vector_index())
        rows = query.select([*self._columns, "_distance"]).limit(k).to_arrow()
        chunks = self._chunks(rows)
        relevances = dict.fromkeys((chunk.chunk_id for chunk in chunks), None if question is None else 0.0)
        if question is not None and chunks:
            relevances |= self._relevances(question, list(relevances))
        return [
            self._evidence(chunk, Scores(vector=1.0 - distance, full_text=relevances[chunk.chunk_id]))
            for chunk, distance in zip(chunks, rows["_distance"].to_pylist(), strict=True)
        ]

    def best_worded(self, question: str, k: int, vector: Sequence[float] | None = None) -> list[Evidence]:
        """The ``k`` chunks with the highest BM25 score for the words of a question, best first.

        Args:
            question: plain words; punctuation and operators have no meaning.
            k: how many at most.
            vector: of the question; when given, each hit gets its cosine similarity too, read with the row.

        Returns:
            Evidence with ``scores.full_text``, and ``scores.vector`` when a vector was given. Rows that the index does
            not cover yet are scored as they are read.
        """
        columns = [*self._columns, "_score"] + ([VECTOR] if vector is not None else [])
        query = self._filtered(self._table.search(MatchQuery(question, INDEXED_TEXT), query_type="fts"))
        rows = query.select(columns).limit(k).to_arrow()
        similarities: list[float] | list[None] = (
            cosines(rows[VECTOR], vector) if vector is not None else [None] * rows.num_rows
        )
        return [
            self._evidence(chunk, Scores(full_text=score, vector=similarity))
            for chunk, score, similarity in zip(
                self._chunks(rows), rows["_score"].to_pylist(), similarities, strict=True
            )
        ]

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all chunks, part by part, in no order."""
        yield from self._filtered(self._table.search()).select(list(columns)).limit(_ALL).to_batches(8_192)

    def measured(self, vector: Sequence[float], columns: Sequence[str]) -> Iterator[tuple[float, dict[str, Any]]]:
        """Each chunk's cosine similarity to a vector, and some of its columns by name, in no order.

        Args:
            vector: of the question, in the store's space, shape (dimensions,).
            columns: of a chunk.
        """
        for batch in self.scan([*columns, VECTOR]):
            rows = batch.select(list(columns)).to_pylist()
            yield from zip(cosines(batch[VECTOR], vector), rows, strict=True)

    def read(self, chunk_ids: Sequence[str]) -> list[Evidence]:
        """Chunks by their ids, in the ids' order, without scores; those that are not there are left out."""
        found: dict[str, Evidence] = {}
        for first in range(0, len(chunk_ids), VALUES_PER_FILTER):
            listed = ", ".join(map(quoted, chunk_ids[first : first + VALUES_PER_FILTER]))
            view = self.narrowed(f"{KEY} IN ({listed})")
            rows = view._filtered(view._table.search()).select(self._columns).limit(_ALL).to_arrow()
            found |= {chunk.chunk_id: self._evidence(chunk, Scores()) for chunk in self._chunks(rows)}
        return [found[chunk_id] for chunk_id in dict.fromkeys(chunk_ids) if chunk_id in found]

    def beside(self, chunks: Sequence[Chunk], reach: int) -> dict[str, list[Chunk]]:
        """The chunks within ``reach`` of each of some chunks, of the same entry and version, in reading order.

        Args:
            chunks: of any entries; beyond ``MAX_NEIGHBOURED`` they are not looked at.
            reach: chunks on either side.

        Returns:
            By chunk id of those that have any.
        """
        beside: dict[str, list[Chunk]] = {}
        for first in range(0, min(len(chunks), MAX_NEIGHBOURED), _TOGETHER):
            hits = chunks[first : min(first + _TOGETHER, MAX_NEIGHBOURED)]
            ranges = [
                f"(entry_id = {quoted(hit.entry_id)} AND version = {quoted(hit.version)} "
                f"AND ordinal BETWEEN {hit.ordinal - reach} AND {hit.ordinal + reach})"
                for hit in hits
            ]
            view = self.narrowed(" OR ".join(ranges))
            rows = view._filtered(view._table.search()).select(self._columns).limit(_ALL).to_arrow()
            found = sorted(self._chunks(rows), key=lambda each: each.ordinal)
            for hit in hits:
                near = [
                    each
                    for each in found
                    if (each.entry_id, each.version) == (hit.entry_id, hit.version)
                    and 0 < abs(each.ordinal - hit.ordinal) <= reach
                ]
                if near:
                    beside[hit.chunk_id] = near
        return beside

    def _filtered(self, query: Any) -> Any:
        return query.where(self._where, prefilter=True) if self._where else query

    def _evidence(self, chunk: Chunk, scores: Scores) -> Evidence:
        return Evidence(chunk=chunk, scores=scores, archive_id=self._store.archive_id)

    def _chunks(self, rows: pa.Table) -> list[Chunk]:
        # What is null has the default of its field: columns that came later, or a place that the chunk does not have.
        return [
            Chunk.model_validate({name: value for name, value in row.items() if value is not None})
            for row in rows.select(self._columns).to_pylist()
        ]

    def _relevances(self, question: str, chunk_ids: list[str]) -> dict[str, float | None]:
        """BM25 of some chunks, as full-text search would score them; those that share no word are left out."""
        listed = ", ".join(map(quoted, chunk_ids))
        query = self._table.search(MatchQuery(question, INDEXED_TEXT), query_type="fts")
        query = query.where(f"{KEY} IN ({listed})", prefilter=True)
        rows = query.select([KEY, "_score"]).limit(len(chunk_ids)).to_arrow()
        return dict(zip(rows[KEY].to_pylist(), rows["_score"].to_pylist(), strict=True))


def cosines(vectors: pa.ChunkedArray | pa.Array, question: Sequence[float]) -> list[float]:
    """Cosine similarity of a column of vectors to one."""
    import numpy as np

    asked: NDArray[np.float32] = np.asarray(question, dtype=np.float32)
    column = vectors.combine_chunks() if hasattr(vectors, "combine_chunks") else vectors
    stored = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), len(asked))
    lengths = np.linalg.norm(stored, axis=1) * np.linalg.norm(asked)
    similarities: list[float] = (stored @ asked / lengths).astype(float).tolist()
    return similarities
