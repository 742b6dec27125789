"""Search: exact by vector, BM25 by text. Questions are data: nothing in them is read as query syntax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lancedb.query import MatchQuery

from omnilake.models import Chunk, Evidence, Scores, Store
from omnilake.stores.table import CHUNK_COLUMNS, INDEXED_TEXT, KEY, VECTOR, open_store, quoted

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from lancedb.table import Table
    from numpy.typing import NDArray


def search_vector(store: Store, vector: Sequence[float], k: int, question: str | None = None) -> list[Evidence]:
    """The ``k`` chunks nearest to a vector, all rows compared, best first.

    Args:
        store: where.
        vector: of the question, in the store's space, shape (dimensions,).
        k: how many at most.
        question: when given, each hit gets its BM25 score too, 0 when it shares no word with the question.

    Returns:
        Evidence with ``scores.vector``, the cosine similarity, and ``scores.full_text`` when a question was given.
    """
    table = open_store(store)
    query = table.search(list(vector), vector_column_name=VECTOR).distance_type("cosine").bypass_vector_index()
    rows = query.select([*CHUNK_COLUMNS, "_distance"]).limit(k).to_arrow()
    chunks = _chunks(rows)
    relevances = dict.fromkeys((chunk.chunk_id for chunk in chunks), None if question is None else 0.0)
    if question is not None and chunks:
        relevances |= _relevances(table, question, list(relevances))
    return [
        Evidence(chunk=chunk, scores=Scores(vector=1.0 - distance, full_text=relevances[chunk.chunk_id]))
        for chunk, distance in zip(chunks, rows["_distance"].to_pylist(), strict=True)
    ]


def search_full_text(store: Store, question: str, k: int, vector: Sequence[float] | None = None) -> list[Evidence]:
    """The ``k`` chunks with the highest BM25 score for the words of a question, best first.

    Args:
        store: where.
        question: plain words; punctuation and operators have no meaning.
        k: how many at most.
        vector: of the question; when given, each hit gets its cosine similarity too, read with the row.

    Returns:
        Evidence with ``scores.full_text``, and ``scores.vector`` when a vector was given. Rows that the index does not
        cover yet are scored as they are read.
    """
    columns = [*CHUNK_COLUMNS, "_score"] + ([VECTOR] if vector is not None else [])
    query = open_store(store).search(MatchQuery(question, INDEXED_TEXT), query_type="fts")
    rows = query.select(columns).limit(k).to_arrow()
    similarities: list[float] | list[None] = _cosines(rows, vector) if vector is not None else [None] * rows.num_rows
    return [
        Evidence(chunk=chunk, scores=Scores(full_text=score, vector=similarity))
        for chunk, score, similarity in zip(_chunks(rows), rows["_score"].to_pylist(), similarities, strict=True)
    ]


def _chunks(rows: pa.Table) -> list[Chunk]:
    return [Chunk.model_validate(row) for row in rows.select(CHUNK_COLUMNS).to_pylist()]


def _relevances(table: Table, question: str, chunk_ids: list[str]) -> dict[str, float | None]:
    """BM25 of some chunks, as full-text search would score them; those that share no word are left out."""
    listed = ", ".join(map(quoted, chunk_ids))
    query = table.search(MatchQuery(question, INDEXED_TEXT), query_type="fts")
    rows = query.where(f"{KEY} IN ({listed})", prefilter=True).select([KEY, "_score"]).limit(len(chunk_ids)).to_arrow()
    return dict(zip(rows[KEY].to_pylist(), rows["_score"].to_pylist(), strict=True))


def _cosines(rows: pa.Table, vector: Sequence[float]) -> list[float]:
    import numpy as np

    question: NDArray[np.float32] = np.asarray(vector, dtype=np.float32)
    stored = rows[VECTOR].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, len(question))
    lengths = np.linalg.norm(stored, axis=1) * np.linalg.norm(question)
    cosines: list[float] = (stored @ question / lengths).astype(float).tolist()
    return cosines
