"""Vectors by content: the same passage in the same space is paid for once, in whichever archive it comes again.

The key is the SHA-256 of the space and the text, the value the vector as little-endian float32. Questions are not kept:
they seldom come twice, and what people ask should not outlive its answer.

Two embedding batches that meet a new text at the same moment both embed it; the second write leaves the same item.
Items expire after ``EmbeddingCacheDays`` (30): long enough for retries, for reindexing and for the next version of a
document, most of whose chunks are the old ones. docs/embedding.md has the sum against the providers' prices.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from omnilake import aws
from omnilake.embedding.provider import faults
from omnilake.errors import TransientError
from omnilake.models import EmbeddingSpace
from omnilake.settings import settings

if TYPE_CHECKING:
    from omnilake.embedding.provider import Vectors

logger = Logger(child=True)

_DAY_S = 86_400


def key(space: EmbeddingSpace, text: str) -> str:
    """SHA-256, hex, of the space's id and the passage."""
    return hashlib.sha256(f"{space.space_id}\n{text}".encode()).hexdigest()


def read(space: EmbeddingSpace, texts: Sequence[str]) -> dict[str, Vectors]:
    """Vectors of those passages that are there, by text, shape (dimensions,). What is unusable counts as not there.

    Raises:
        TransientError: the table did not answer for all of them.
    """
    import numpy as np

    if not _kept_days():
        return {}
    by_key = {key(space, text): text for text in texts}
    found: dict[str, Vectors] = {}
    for item in aws.table("embedding_cache_table").get_many([{"cache_id": each} for each in by_key]):
        data = bytes(item["vector"])
        if len(data) != 4 * space.dimensions:
            continue
        vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
        if not faults(vector[np.newaxis, :], 1, space):
            found[by_key[item["cache_id"]]] = vector
    return found


def write(space: EmbeddingSpace, texts: Sequence[str], vectors: Vectors) -> None:
    """Keep the vectors of passages. A table that does not take them costs money, not the ingestion: it is logged.

    Args:
        space: of the vectors.
        texts: different ones.
        vectors: of the texts, shape (len(texts), dimensions).
    """
    days = _kept_days()
    if not days or not texts:
        return
    expires_at = int(time.time()) + days * _DAY_S
    items = [
        {"cache_id": key(space, text), "vector": vector.astype("<f4").tobytes(), "expires_at": expires_at}
        for text, vector in zip(texts, vectors, strict=True)
    ]
    try:
        aws.table("embedding_cache_table").put_many(items)
    except TransientError as error:
        from omnilake.handler import metrics

        logger.warning("vectors were not cached", extra={"error_code": error.code, "vectors": len(items)})
        metrics.add_metric(name="EmbeddingsNotCached", unit=MetricUnit.Count, value=len(items))


def _kept_days() -> int:
    return settings().embedding_cache_days
