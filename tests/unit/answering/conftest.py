"""A deployment with an archive and an embedding provider that needs no model file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omnilake import aws, embedding
from omnilake.clock import now
from omnilake.models import Archive
from tests.unit.answering.any_answer import WordHashEmbedder


@pytest.fixture
def archive(stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The archive "docs"; its space is served by the word-hash embedder."""
    embedder = WordHashEmbedder()
    kinds = dict(embedding.provider._kinds)
    embedding.register_provider("word-hash", embedding.ProviderKind(lambda _: embedder, lambda _: embedder.max_tokens))
    monkeypatch.setattr(embedding, "default_space", lambda: embedder.space)
    made = Archive(archive_id="docs", space=embedder.space, store_id="docs-store", created_at=now())
    aws.table("archives_table").put(made.model_dump(mode="json"))
    yield made
    embedding.provider._kinds.clear()
    embedding.provider._kinds.update(kinds)
    embedding.provider_for.cache_clear()
