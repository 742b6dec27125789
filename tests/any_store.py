"""Makers of stores and rows: real LanceDB tables in a directory, vectors that lie around a circle."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from omnilake.models import Chunk, EmbeddingSpace, Store

SPACE = EmbeddingSpace(provider="any", model="any", dimensions=4, normalised=True, revision="0123456789abcdef")


def any_store(directory: Path, store_id: str = "docs-1") -> Store:
    from omnilake.stores.table import create_store

    store = Store(store_id=store_id, archive_id="docs", space=SPACE, uri=str(directory), created_at="2026-01-01")
    create_store(store)
    return store


def any_chunks(entry_id: str, version: str = "v1", count: int = 3, word: str = "word") -> list[Chunk]:
    return [
        Chunk(
            chunk_id=f"{entry_id}-{version}-{word}-{number}",
            entry_id=entry_id,
            version=version,
            ordinal=number,
            start=100 * number,
            end=100 * number + 50,
            tokens=5,
            text=f"{word}{number} stands in {entry_id}",
            title=f"Title of {entry_id}",
            source=f"s3://landing/{entry_id}",
            page=number + 1,
        )
        for number in range(count)
    ]


def vectors_for(chunks: list[Chunk]) -> np.ndarray:
    """A unit vector for each chunk, decided by its id."""
    seeds = [zlib.crc32(chunk.chunk_id.encode()) for chunk in chunks]
    drawn = [np.random.default_rng(seed).normal(size=4) for seed in seeds]
    return np.array([each / np.linalg.norm(each) for each in drawn], dtype=np.float32).reshape(-1, 4)
