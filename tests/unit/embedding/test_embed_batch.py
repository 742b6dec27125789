from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from omnilake import archives, aws, embedding, jobs, layout
from omnilake.embedding import ProviderKind, register_provider
from omnilake.embedding.stages import EmbedBatchResult, embed_batch
from omnilake.errors import EmbeddingRejected
from omnilake.models import Archive, Chunk, EmbeddingSpace, JobKind

SPACE = EmbeddingSpace(provider="letters", model="any", dimensions=2, normalised=True, revision="r")


class Letters:
    """Vectors on the unit circle, by the length of the text."""

    space = SPACE
    max_tokens = 100
    faulty = False

    def embed_passages(self, texts: list[str]) -> Any:
        angles = np.array([len(text) for text in texts], dtype=np.float32)
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.full_like(vectors, np.nan) if self.faulty else vectors

    def embed_query(self, text: str) -> Any:
        return self.embed_passages([text])[0]

    def encode(self, text: str) -> list[tuple[int, int]]:
        return [(position, position + 1) for position in range(len(text))]


@pytest.fixture
def letters(stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Letters]:
    provider = Letters()
    monkeypatch.setattr(embedding.provider, "_kinds", dict(embedding.provider._kinds))
    register_provider("letters", ProviderKind(make=lambda _: provider, max_tokens=lambda _: 100))
    archive = Archive(archive_id="docs", space=SPACE, store_id="docs-1", created_at="2026-01-01T00:00:00.000Z")
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    assert archives.get_archive("docs") == archive
    yield provider
    embedding.provider_for.cache_clear()


def chunks(*texts: str) -> list[Chunk]:
    return [
        Chunk(chunk_id=f"c{n}", entry_id="e", version="v", ordinal=n, start=0, end=len(text), tokens=1, text=text)
        for n, text in enumerate(texts)
    ]


def staged(number: int) -> bytes:
    return aws.lake().read(layout.embed_vectors("job", number))


def test_vectors_stand_beside_their_chunks_in_the_same_order(letters: Letters) -> None:
    aws.lake().write_models(layout.embed_batch("job", 3), chunks("a", "bbb"))
    assert embed_batch("job", "docs", 3) == EmbedBatchResult(number=3, chunks=2)
    vectors = np.load(io.BytesIO(staged(3)), allow_pickle=False)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(np.array([[np.cos(1), np.sin(1)], [np.cos(3), np.sin(3)]], dtype=np.float32))


def test_running_it_again_writes_the_same_object(letters: Letters) -> None:
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("a", "bbb"))
    embed_batch("job", "docs", 0)
    first = staged(0)
    embed_batch("job", "docs", 0)
    assert staged(0) == first


def test_unusable_vectors_are_not_staged(letters: Letters) -> None:
    letters.faulty = True
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("a"))
    with pytest.raises(EmbeddingRejected):
        embed_batch("job", "docs", 0)
    assert aws.lake().head(layout.embed_vectors("job", 0)) is None


def test_the_job_says_that_it_is_embedding(letters: Letters) -> None:
    jobs.create("job", JobKind.INGEST_DOCUMENT, "docs")
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("one"))
    embed_batch("job", "docs", 0)
    assert jobs.get("job").state == "Embed Batches"
