"""Where an archive's vectors lie on the whole: their running sum, kept on the store's record by its one committer.

It serves one figure, the drift of a batch from what is there already, and is as exact as that needs: rows are added
when they are first committed, so a redelivered message adds nothing; a committer that dies between the commit and this
leaves its rows out; rows that are purged later stay in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnilake import aws

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from omnilake.embedding.provider import Vectors

SUM, COUNT = "centroid_sum", "centroid_count"
"""Attributes of a store's item: float64 little-endian, and the number of vectors in it."""


def add(store_id: str, vectors: Vectors) -> bool:
    """Add newly committed vectors; False when another has written in between (they are left out then).

    Args:
        store_id: whose record.
        vectors: shape (rows, dimensions).
    """
    import numpy as np

    if not len(vectors):
        return True
    item = aws.table("stores_table").get({"store_id": store_id}) or {}
    held = _sum(item, vectors.shape[1])
    total = vectors.sum(axis=0, dtype=np.float64) + (0 if held is None else held)
    count = 0 if held is None else int(item[COUNT])
    return aws.table("stores_table").update(
        {"store_id": store_id},
        f"SET {SUM} = :sum, {COUNT} = :count",
        {":sum": total.astype("<f8").tobytes(), ":count": count + len(vectors), ":seen": count},
        condition=f"attribute_exists(store_id) AND (attribute_not_exists({COUNT}) OR {COUNT} = :seen)",
    )


def read(store_id: str, dimensions: int) -> NDArray[np.float64] | None:
    """Mean of all vectors of a store, shape (dimensions,); None while it has none."""
    item = aws.table("stores_table").get({"store_id": store_id}) or {}
    held = _sum(item, dimensions)
    mean: NDArray[np.float64] | None = None if held is None else held / int(item[COUNT])
    return mean


def drift(vectors: Vectors, centroid: NDArray[np.float64] | None) -> float | None:
    """1 - cosine of the mean of some vectors and a centroid, 0 to 2; None where one of them points nowhere."""
    import numpy as np

    if centroid is None or not len(vectors):
        return None
    mean = vectors.mean(axis=0, dtype=np.float64)
    lengths = float(np.linalg.norm(mean) * np.linalg.norm(centroid))
    return None if lengths == 0 else min(2.0, max(0.0, 1 - float(mean @ centroid) / lengths))


def _sum(item: dict[str, Any], dimensions: int) -> NDArray[np.float64] | None:
    import numpy as np

    if SUM not in item or not item.get(COUNT):
        return None
    held: NDArray[np.float64] = np.frombuffer(bytes(item[SUM]), dtype="<f8").astype(np.float64)
    return held if held.shape == (dimensions,) else None
