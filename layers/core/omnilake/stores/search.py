"""Search: exact by vector, BM25 by text. Questions are data: nothing in them is read as query syntax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lancedb.query import MatchQuery

from omnilake.models import Chunk, Evidence, Scores, Store
from omnilake.stores.table import CHUNK_COLUMNS, INDEXED_TEXT, VECTOR, open_store

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def search_vector(store: Store, vector: Sequence[float], k: int) -> list[Evidence]:
    """The ``k`` chunks nearest to a vector, all rows compared, best first.

    Args:
        store: where.
        vector: of the question, in the store's space, shape (dimensions,).
        k: how many at most.

    Returns:
        Evidence with ``scores.vector``, the cosine similarity.
    """
    query = open_store(store).search(list(vector), vector_column_name=VECTOR)
    rows = query.distance_type("cosine").bypass_vector_index().select([*CHUNK_COLUMNS, "_distance"]).limit(k).to_arrow()
    similarities = [1.0 - distance for distance in rows["_distance"].to_pylist()]
    return [
        Evidence(chunk=chunk, scores=Scores(vector=similarity))
        for chunk, similarity in zip(_chunks(rows), similarities, strict=True)
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


def _cosines(rows: pa.Table, vector: Sequence[float]) -> list[float]:
    import numpy as np

    question: NDArray[np.float32] = np.asarray(vector, dtype=np.float32)
    stored = vectors_of(rows)
    lengths = np.linalg.norm(stored, axis=1) * np.linalg.norm(question)
    cosines: list[float] = (stored @ question / lengths).astype(float).tolist()
    return cosines


def vectors_of(rows: pa.Table) -> Any:
    """The vector column as a float32 array, shape (rows, dimensions)."""
    column = rows[VECTOR].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(rows.num_rows, -1)
