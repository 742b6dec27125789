from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from omnilake import archives, aws, embedding
from omnilake.archives import create_archive, get_archive, get_store
from omnilake.errors import ArchiveBeingDeleted, ArchiveExists, ArchiveNotFound, InvalidArchive, StageFailed
from omnilake.models import Archive, Chunk, ChunkingConfig, Store
from omnilake.stores import table
from omnilake.stores.commit import commit, optimise
from omnilake.stores.search import View

pytestmark = pytest.mark.usefixtures("served")


def stores() -> list[str]:
    """Ids of all tables in the lake bucket."""
    return sorted({key.split("/")[1].removesuffix(".lance") for key in aws.lake().keys("stores/")})


def test_a_new_archive_can_be_written_to_and_searched_in_s3() -> None:
    archive = create_archive("runbooks", "How we run things")
    store = get_store(get_archive("runbooks"))
    assert get_archive("runbooks") == archive
    assert archive.space == store.space == embedding.default_space()
    assert store.uri == f"s3://{aws.lake().bucket}/stores"
    assert stores() == [store.store_id]

    chunk = Chunk(
        chunk_id="c",
        entry_id="e",
        version="v",
        ordinal=0,
        start=0,
        end=27,
        tokens=5,
        text="Restart the broken pipeline",
    )
    vector = np.eye(1, 384, dtype=np.float32)
    commit(store, [table.rows([chunk], vector)])
    optimise(store)
    assert [hit.chunk for hit in View(store).best_worded("restarting pipelines", 3)] == [chunk]
    [hit] = View(store).nearest(vector[0].tolist(), 3)
    assert hit.chunk == chunk
    assert hit.scores.vector == pytest.approx(1.0)


def test_creating_the_same_archive_again_gives_the_same() -> None:
    first = create_archive("docs", "d", {"max_tokens": 100})
    assert create_archive("docs", "d", ChunkingConfig(max_tokens=100)) == first
    assert len(stores()) == 1


WHOLE: dict[str, Any] = {
    "description": "Minutes",
    "chunking": {"kind": "structure", "max_tokens": 100, "overlap_tokens": 10, "parent_tokens": 400},
    "rules": [
        {"names": ["sales/*.csv"], "processor": "rows", "chunking": {"max_tokens": 60, "overlap_tokens": 0}},
        {"columns": ["author", "message"], "metadata": {"team": "harbour"}, "processor": "conversation"},
    ],
    "retain_latest_originals_only": False,
    "tag_hints": ["harbour", "tide"],
    "insights_schema": {"type": "object", "properties": {"depth": {"type": "number", "minimum": 0.25}}},
}


def test_one_that_is_being_deleted_is_not_created_again() -> None:
    archives.close_archive(create_archive("docs"), "delete-docs-1")
    with pytest.raises(ArchiveBeingDeleted):
        create_archive("docs")


def test_an_archive_is_what_its_creator_defined() -> None:
    made = create_archive("docs", **WHOLE)
    assert get_archive("docs") == made == create_archive("docs", **WHOLE)
    told = made.model_dump(mode="json", exclude_unset=True)
    assert {name: told[name] for name in WHOLE} == WHOLE


@pytest.mark.parametrize(
    "other",
    [
        {"description": "other"},
        {"chunking": {"max_tokens": 99}},
        {"rules": []},
        {"retain_latest_originals_only": True},
        {"tag_hints": ["tide"]},
        {"insights_schema": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_archive_of_the_same_id_is_refused(other: dict[str, Any]) -> None:
    first = create_archive("docs", **WHOLE)
    with pytest.raises(ArchiveExists, match=next(iter(other))):
        create_archive("docs", **{**WHOLE, **other})
    assert get_archive("docs") == first


def test_of_two_creations_at_once_one_wins_and_no_store_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    both, create_store = threading.Barrier(2), table.create_store

    def together(store: Store) -> None:
        create_store(store)
        both.wait(timeout=30)

    monkeypatch.setattr(table, "create_store", together)
    made: list[Archive] = []
    threads = [threading.Thread(target=lambda: made.append(create_archive("docs"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert made[0] == made[1] == get_archive("docs")
    assert stores() == [made[0].store_id]
    assert get_store(made[0]).archive_id == "docs"
    index = aws.table("stores_table").query(
        IndexName=archives.BY_ARCHIVE,
        KeyConditionExpression="archive_id = :archive_id",
        ExpressionAttributeValues={":archive_id": "docs"},
    )
    assert [item["store_id"] for item in index] == [made[0].store_id]


def test_an_archive_has_the_embedding_model_that_was_asked_for_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_archive("small", embedding_model="openai/text-embedding-3-small@256")
    assert get_store(made).space == made.space == embedding.space_for("openai", "text-embedding-3-small", 256)
    monkeypatch.setattr(embedding, "default_space", lambda: embedding.space_for("voyage", "voyage-4"))
    assert create_archive("small") == made
    with pytest.raises(ArchiveExists):
        create_archive("small", embedding_model="openai/text-embedding-3-small@512")


def test_default_chunks_fit_a_model_that_reads_little() -> None:
    made = create_archive("short", embedding_model="bedrock/cohere.embed-english-v3")
    assert made.chunking.max_tokens + archives.HEADROOM_TOKENS <= embedding.max_passage_tokens(made.space)
    assert create_archive("short", embedding_model="bedrock/cohere.embed-english-v3") == made


def test_an_unknown_embedding_model_is_refused() -> None:
    with pytest.raises(InvalidArchive, match="known"):
        create_archive("docs", embedding_model="openai/gpt-5")
    assert stores() == []


@pytest.mark.parametrize("archive_id", ["", "ab", "Docs", "-docs", "a/b", "docs\n", "x" * 64, "dócs"])
def test_an_id_that_does_not_fit_is_refused(archive_id: str) -> None:
    with pytest.raises(InvalidArchive, match="archive_id"):
        create_archive(archive_id)
    assert stores() == []


@pytest.mark.parametrize(
    ("description", "chunking", "reason"),
    [
        ("x" * 1_001, None, "description"),
        ("", {"max_tokens": 5}, "chunking.max_tokens"),
        ("", {"max_tokens": "many"}, "chunking.max_tokens"),
        ("", {"size": 100}, "chunking.size"),
        ("", {"max_tokens": 239}, "too long for the embedding model"),
        ("", {"max_tokens": 255, "contextual_headers": False}, "too long for the embedding model"),
        ("", {"max_tokens": 60, "overlap_tokens": 31}, "overlap"),
        ("", {"max_tokens": 100, "parent_tokens": 100}, "parents of 100 tokens can't hold chunks of 100"),
        ("", {"kind": "semantic"}, "chunking.kind"),
    ],
)
def test_a_definition_that_does_not_fit_is_refused(description: str, chunking: Any, reason: str) -> None:
    with pytest.raises(InvalidArchive, match=reason):
        create_archive("docs", description, chunking)
    with pytest.raises(ArchiveNotFound):
        get_archive("docs")


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({"rules": [{"names": ["*.csv"]}]}, "rules.0.processor"),
        (
            {"rules": [{"processor": "code"}, {"processor": "rows", "chunking": {"max_tokens": 1_000}}]},
            "rules.1.chunking: chunks of 1000 tokens are too long",
        ),
        ({"tag_hints": ["t"] * 201}, "tag_hints"),
        ({"insights_schema": []}, "insights_schema"),
        ({"insights_schema": {"type": "object", "description": "x" * 200_000}}, "bytes as JSON"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_every_field_of_a_definition_is_checked(definition: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidArchive, match=reason):
        create_archive("docs", **definition)
    assert stores() == []


def test_chunks_may_fill_the_window_of_the_model_when_nothing_is_embedded_with_them() -> None:
    made = create_archive("docs", chunking={"max_tokens": 254, "contextual_headers": False})
    assert made.chunking.max_tokens == 254


def test_sizes_that_are_not_given_are_lowered_to_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "max_passage_tokens", lambda _: 120)
    assert create_archive("docs").chunking == ChunkingConfig(max_tokens=104)
    assert create_archive("small", chunking={"max_tokens": 20}).chunking.overlap_tokens == 10


@pytest.mark.parametrize("archive_id", ["", "unknown", "../etc", "x" * 500, "\n"])
def test_an_archive_that_is_not_there_is_not_found(archive_id: str) -> None:
    with pytest.raises(ArchiveNotFound):
        get_archive(archive_id)


def test_a_store_without_record_is_an_error_of_the_system() -> None:
    archive = create_archive("docs")
    aws.table("stores_table").delete({"store_id": archive.store_id})
    with pytest.raises(StageFailed, match="archive docs"):
        get_store(archive)
