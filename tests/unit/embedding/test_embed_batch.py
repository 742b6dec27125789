from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import any_provider
import numpy as np
import pytest
from any_provider import Provider

from omnilake import archives, aws, embedding, handler, jobs, layout
from omnilake.embedding import ProviderKind, cache, centroid, register_provider, report
from omnilake.embedding.stages import EmbedBatchResult, embed_batch
from omnilake.errors import EmbeddingRejected, RateLimited
from omnilake.models import Archive, Chunk, EmbeddingSpace, JobKind
from omnilake.settings import settings

SPACE = EmbeddingSpace(provider="letters", model="any", dimensions=2, normalised=True, revision="r")


class Letters:
    """Vectors on the unit circle, by the length of the text."""

    space = SPACE
    max_tokens = 100
    poison = ""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed_passages(self, texts: list[str]) -> Any:
        self.asked += texts
        if any(len(text) > self.max_tokens for text in texts):
            raise EmbeddingRejected("A text is too long.")
        angles = np.array([len(text) for text in texts], dtype=np.float32)
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        vectors[[text == self.poison for text in texts]] = np.nan
        return vectors

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


def report_of(number: int = 0) -> report.EmbedReport:
    return aws.lake().read_model(layout.embed_report("job", number), report.EmbedReport)


def entry(entry_id: str, *texts: str) -> list[Chunk]:
    return [
        chunk.model_copy(update={"chunk_id": f"{entry_id}-{chunk.ordinal}", "entry_id": entry_id})
        for chunk in chunks(*texts)
    ]


def test_only_entries_with_an_unusable_vector_are_rejected(letters: Letters) -> None:
    letters.poison = "bad"
    aws.lake().write_models(layout.embed_batch("job", 0), [*entry("e1", "a", "bad"), *entry("e2", "ccc")])
    assert embed_batch("job", "docs", 0) == EmbedBatchResult(number=0, chunks=2, rejected=1)
    vectors = np.load(io.BytesIO(staged(0)), allow_pickle=False)
    assert np.isfinite(vectors).all(axis=1).tolist() == [True, False, True]
    (rejected,) = report_of().rejected
    assert (rejected.entry_id, rejected.version, rejected.error.code) == ("e1", "v", "EMBEDDING_REJECTED")
    assert rejected.error.message == "Chunk 1: A vector holds NaN or infinity."


def test_a_provider_that_rejects_a_text_rejects_its_entry_only(letters: Letters) -> None:
    aws.lake().write_models(layout.embed_batch("job", 0), [*entry("e1", "x" * 101), *entry("e2", "ccc", "dd")])
    assert embed_batch("job", "docs", 0) == EmbedBatchResult(number=0, chunks=2, rejected=1)
    assert [each.entry_id for each in report_of().rejected] == ["e1"]


def test_a_text_is_embedded_once_in_a_batch_and_once_for_all_archives(letters: Letters) -> None:
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("same", "other", "same"))
    embed_batch("job", "docs", 0)
    assert sorted(letters.asked) == ["other", "same"]
    assert report_of().duplicate_rate == pytest.approx(1 / 3)
    first = staged(0)

    archive = archives.get_archive("docs").model_copy(update={"archive_id": "wiki", "store_id": "wiki-1"})
    aws.table("archives_table").put(archive.model_dump(mode="json"))
    letters.asked.clear()
    embed_batch("job", "wiki", 0)
    assert letters.asked == []
    assert (report_of().cached, report_of().embedded) == (2, 0)
    assert staged(0) == first


def test_another_space_has_vectors_of_its_own(letters: Letters) -> None:
    cache.write(SPACE, ["text"], np.array([[1, 0]], dtype=np.float32))
    assert cache.read(SPACE, ["text", "other"]).keys() == {"text"}
    assert cache.read(SPACE.model_copy(update={"revision": "s"}), ["text"]) == {}


def test_a_cached_vector_that_can_not_be_used_is_embedded_anew(letters: Letters) -> None:
    for broken in (b"", b"123", np.full(2, np.nan, "<f4").tobytes(), np.zeros(2, "<f4").tobytes(), b"0" * 12):
        aws.table("embedding_cache_table").put({"cache_id": cache.key(SPACE, "text"), "vector": broken})
        assert cache.read(SPACE, ["text"]) == {}


def test_many_vectors_are_kept_and_found_though_the_table_takes_few_at_a_time(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"text {number}" for number in range(230)]
    vectors = letters.embed_passages(texts)
    real, refusals = aws.client("dynamodb"), iter([True, False, True, True, *[False] * 1_000])

    class Busy:
        """DynamoDB that leaves a part of some batches undone."""

        def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 (boto3's name)
            ((name, puts),) = RequestItems.items()
            if next(refusals):
                real.batch_write_item(RequestItems={name: puts[:5]})
                return {"UnprocessedItems": {name: puts[5:]}}
            return real.batch_write_item(RequestItems=RequestItems)

        def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803
            ((name, asked),) = RequestItems.items()
            if next(refusals):
                answer = real.batch_get_item(RequestItems={name: {"Keys": asked["Keys"][:7]}})
                return answer | {"UnprocessedKeys": {name: {"Keys": asked["Keys"][7:]}}}
            return real.batch_get_item(RequestItems=RequestItems)

    client = aws.client
    monkeypatch.setattr(aws, "client", lambda name: Busy() if name == "dynamodb" else client(name))
    cache.write(SPACE, texts, vectors)
    found = cache.read(SPACE, texts)
    assert np.array([found[text] for text in texts]) == pytest.approx(vectors)


def test_vectors_are_kept_for_as_long_as_the_deployment_says(letters: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNILAKE_EMBEDDING_CACHE_DAYS", "0")
    settings.cache_clear()
    vectors = letters.embed_passages(["text"])
    cache.write(SPACE, ["text"], vectors)
    assert aws.table("embedding_cache_table").get({"cache_id": cache.key(SPACE, "text")}) is None
    monkeypatch.setenv("OMNILAKE_EMBEDDING_CACHE_DAYS", "2")
    settings.cache_clear()
    cache.write(SPACE, ["text"], vectors)
    item = aws.table("embedding_cache_table").get({"cache_id": cache.key(SPACE, "text")})
    assert item is not None
    assert abs(item["expires_at"] - time.time() - 2 * 86_400) < 60


def test_drift_is_measured_from_the_archives_centroid(letters: Letters) -> None:
    aws.table("stores_table").put({"store_id": "docs-1"})
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("a", "bb"))
    embed_batch("job", "docs", 0)
    assert report_of().drift is None
    assert centroid.add("docs-1", letters.embed_passages(["a", "bb"]))
    embed_batch("job", "docs", 0)
    assert report_of().drift == pytest.approx(0, abs=1e-6)
    assert centroid.add("docs-1", -letters.embed_passages(["a", "bb"] * 3))
    embed_batch("job", "docs", 0)
    assert report_of().drift == pytest.approx(2)


def test_figures_of_a_batch_are_metrics(letters: Letters) -> None:
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("a", "bb", "bb"))
    embed_batch("job", "docs", 0)
    told: dict[str, Any] = {**handler.metrics.serialize_metric_set()}
    assert told["EmbeddingCacheMisses"] == [2.0]
    assert told["EmbeddingDuplicateRate"][0] == pytest.approx(100 / 3)
    assert told["EmbeddingLengthMean"][0] == pytest.approx(1)


def options(server: Provider, **limit: float) -> dict[str, Any]:
    """EmbeddingOptions with the server as OpenAI, at a price that is easy to reckon with."""
    prices = {"openai/text-embedding-3-small": 2.0}
    return {"endpoints": {"openai": [server.url]}, "limits": {"openai": limit}, "prices": prices}


class TestRemote:
    """With a provider behind an API."""

    @pytest.fixture
    def server(self, stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
        with any_provider.serving(any_provider.openai) as server:
            monkeypatch.setenv("OMNILAKE_EMBEDDING_OPTIONS", json.dumps(options(server)))
            settings.cache_clear()
            for archive_id in ("docs", "wiki"):
                space = embedding.space_for("openai", "text-embedding-3-small", 256)
                archive = Archive(archive_id=archive_id, space=space, store_id=f"{archive_id}-1", created_at="2026")
                aws.table("archives_table").put(archive.model_dump(mode="json"))
            yield server
            embedding.provider_for.cache_clear()

    def test_the_same_texts_in_another_archive_call_nobody(self, server: Provider) -> None:
        aws.lake().write_models(layout.embed_batch("job", 0), chunks("one two", "three"))
        aws.lake().write_models(layout.embed_batch("job-2", 0), chunks("three", "one two"))
        embed_batch("job", "docs", 0)
        assert len(server.calls) == 1
        embed_batch("job-2", "wiki", 0)
        assert len(server.calls) == 1
        usage = aws.lake().read_model(layout.embed_report("job-2", 0), report.EmbedReport).usage
        assert (usage.calls, usage.input_tokens, usage.cost_usd) == (0, 0, 0.0)

    def test_what_was_embedded_before_a_limit_is_not_paid_again(
        self, server: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limit = {"openai": {"tokens_per_minute": 20_000}}
        told = {
            "endpoints": {"openai": [server.url]},
            "limits": limit,
            "prices": {"openai/text-embedding-3-small": 2.0},
        }
        monkeypatch.setenv("OMNILAKE_EMBEDDING_OPTIONS", json.dumps(told))
        settings.cache_clear()
        texts = [f"{number} " + "word " * 900 for number in range(4)]
        aws.lake().write_models(layout.embed_batch("job", 0), chunks(*texts))
        with pytest.raises(RateLimited):
            embed_batch("job", "docs", 0)
        paid = report_of().usage
        assert 0 < paid.input_tokens < 4 * 901
        aws.table("rate_limits_table").delete({"bucket_id": bucket_ids()[0]})
        embed_batch("job", "docs", 0)
        assert sorted(text for call in server.texts() for text in call) == sorted(texts)
        assert report_of().usage.input_tokens == 4 * 901
        assert report_of().usage.cost_usd == pytest.approx(4 * 901 * 2.0 / 1_000_000)


def bucket_ids() -> list[str]:
    items = aws.client("dynamodb").scan(TableName="RateLimitsTable")["Items"]
    return [item["bucket_id"]["S"] for item in items]


def test_the_job_says_that_it_is_embedding(letters: Letters) -> None:
    jobs.create("job", JobKind.INGEST_DOCUMENT, "docs")
    aws.lake().write_models(layout.embed_batch("job", 0), chunks("one"))
    embed_batch("job", "docs", 0)
    assert jobs.get("job").state == "Embed Batches"
