"""The retrievers on real stores: what each brings, in which order, and what it says that it left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from any_store import SPACE, any_chunks, vectors_for

from omnilake import aws, entries, labels
from omnilake.errors import AsOfUnavailable, InvalidConfiguration, StageFailed
from omnilake.ingest import landing
from omnilake.models import Archive, Chunk, Filter, RetrievalMode, Store, Tenant
from omnilake.retrieval import AsOf, Found, Lookup, RetrievalPlan, everything, exact, full_text, recent, related, vector
from omnilake.stores.commit import commit, optimise, remove_versions
from omnilake.stores.table import create_store, rows

OTHER_SPACE = SPACE.model_copy(update={"model": "other", "dimensions": 3})
QUESTION = [0.5, 0.5, 0.5, 0.5]


def chunk(entry_id: str, number: int = 0, version: str = "v1", **fields: Any) -> Chunk:
    return any_chunks(entry_id, version, count=number + 1)[number].model_copy(update=fields)


@pytest.fixture
def archive(stack: None, tmp_path: Path) -> Callable[..., Store]:
    """Makes an archive with chunks."""

    def make(archive_id: str, chunks: list[Chunk], *, other_space: bool = False, latest_only: bool = True) -> Store:
        space = OTHER_SPACE if other_space else SPACE
        store = Store(
            store_id=f"{archive_id}-1", archive_id=archive_id, space=space, uri=str(tmp_path), created_at="2026"
        )
        create_store(store)
        vectors = vectors_for(chunks)
        if other_space:
            vectors = vectors[:, :3] / np.linalg.norm(vectors[:, :3], axis=1, keepdims=True)
        commit(store, [rows(chunks, vectors)])
        made = Archive(
            archive_id=archive_id,
            space=space,
            store_id=store.store_id,
            retain_latest_originals_only=latest_only,
            created_at="2026",
        )
        aws.table("archives_table").put(made.model_dump(mode="json"))
        aws.table("stores_table").put(store.model_dump(mode="json"))
        return store

    return make


def lookup(*archives: str, options: dict[str, Any] | None = None, **fields: Any) -> Lookup:
    told: dict[str, Any] = {
        "job_id": "answer-1",
        "archives": list(archives or ["docs"]),
        "question": "What stands?",
        "vectors": {SPACE.space_id: QUESTION, OTHER_SPACE.space_id: QUESTION[:3]},
        "limit": 100,
        "retrievers": ["any"],
    }
    return Lookup("any", RetrievalPlan.model_validate(told | fields), options or {})


def ids(found: Found) -> list[str]:
    return [each.chunk.chunk_id for each in found.evidence]


def entry_ids(found: Found) -> list[str]:
    return list(dict.fromkeys(each.chunk.entry_id for each in found.evidence))


@pytest.mark.parametrize("find", [vector.find, full_text.find, everything.find, recent.find])
def test_filters_tenants_and_entries_are_applied_before_anything_is_searched(
    archive: Callable[..., Store], find: Callable[[Lookup], Found]
) -> None:
    ours = labels.of_metadata({"business_id": "acme"})
    archive("docs", [chunk(f"e{n}", labels=ours if n < 6 else [], page=n % 3) for n in range(60)])
    found = find(
        lookup(
            limit=3,
            tenant=Tenant(business_id="acme"),
            filters=[Filter(field="page", value=1)],
            question="word0 stands in",
        )
    )
    assert set(entry_ids(found)) == {"e1", "e4"}  # however many nearer ones there are
    found = find(lookup(limit=3, entries=["e7"], question="word0 stands"))
    assert entry_ids(found) == ["e7"]
    assert find(lookup(entries=[])).evidence == []


def test_everything_is_brought_with_the_best_tag_matches_first(archive: Callable[..., Store]) -> None:
    tags = [["ferry", "Night"], ["ferry"], [], ["other"]]
    archive("docs", [chunk(f"e{n}", part, labels=labels.of_tags(tags[n % 4])) for n in range(8) for part in range(3)])
    found = everything.find(lookup(tags=["Ferry", "night"], mode=RetrievalMode.INCLUSIVE))
    matches = [len(set(each.chunk.labels) & {"tag=ferry", "tag=night"}) for each in found.evidence]
    assert matches == [2] * 6 + [1] * 6 + [0] * 12
    assert (found.matched, found.left_out) == (24, {})
    assert all(each.scores.vector is None for each in found.evidence)

    capped = everything.find(lookup(tags=["Ferry", "night"], mode=RetrievalMode.INCLUSIVE, limit=8))
    assert ids(capped) == ids(found)[:8]
    assert (capped.matched, capped.left_out) == (24, {everything.BEYOND_CAP: 16})


def test_without_tags_everything_comes_nearest_first(archive: Callable[..., Store]) -> None:
    chunks = any_chunks("e1", count=20)
    archive("docs", chunks)
    nearest = np.argsort(-(vectors_for(chunks) @ np.array(QUESTION)))
    assert ids(everything.find(lookup())) == [chunks[place].chunk_id for place in nearest]


def test_archives_of_different_spaces_are_searched_each_with_its_own_vector(archive: Callable[..., Store]) -> None:
    archive("docs", any_chunks("e1", count=5))
    archive("more", any_chunks("e2", count=5), other_space=True)
    told = lookup("docs", "more", limit=4)
    found = vector.find(told)
    assert [each.archive_id for each in found.evidence] == ["docs"] * 4 + ["more"] * 4
    assert set(told.store_versions) == {"docs-1", "more-1"}
    both = everything.find(lookup("docs", "more", limit=4))
    assert [each.archive_id for each in both.evidence] == ["docs", "more"] * 2  # cosines of two spaces do not compare
    assert both.left_out == {everything.BEYOND_CAP: 6}


def test_recent_brings_the_newest_entries_and_of_each_the_nearest(archive: Callable[..., Store]) -> None:
    chunks = [
        chunk(f"e{n}", part, received_at=f"2026-03-{n + 1:02}T00:00:00.000Z") for n in range(6) for part in range(4)
    ]
    archive("docs", chunks)
    found = recent.find(lookup(options={"entries": 2, "chunks": 3}))
    assert [each.chunk.entry_id for each in found.evidence] == ["e5"] * 3 + ["e4"] * 3
    cosine = dict(zip((each.chunk_id for each in chunks), vectors_for(chunks) @ np.array(QUESTION), strict=True))
    told = [cosine[each] for each in ids(found)]
    assert told[:3] == sorted(told[:3], reverse=True)
    with pytest.raises(InvalidConfiguration, match="entries"):
        recent.find(lookup(options={"entries": 0}))


def test_a_conversation_is_as_new_as_its_newest_message(archive: Callable[..., Store]) -> None:
    archive(
        "docs",
        [
            chunk("talk", received_at="2026-01-01T00:00:00.000Z", posted_at=1_798_761_600.0),  # 2027
            chunk("page", received_at="2026-06-01T00:00:00.000Z"),
        ],
    )
    archive("more", [chunk("mail", received_at="2026-09-01T00:00:00.000Z")])
    assert entry_ids(recent.find(lookup("docs", "more"))) == ["talk", "mail", "page"]


@pytest.mark.parametrize(
    "question",
    [
        "What does timetable.txt say?",
        "What stands in ferries/timetable.txt, and why?",
        "Sum up “Night timetable”.",
        'And "night TIMETABLE"?',
        "See s3://landing/incoming/docs/ferries/timetable.txt.",
        f"What about {entries.entry_id_of('docs', landing.SOURCE_TYPE, 'ferries/timetable.txt')}?",
    ],
)
def test_exact_finds_what_a_question_names(archive: Callable[..., Store], question: str) -> None:
    entry_id = entries.entry_id_of("docs", landing.SOURCE_TYPE, "ferries/timetable.txt")
    source = "s3://landing/incoming/docs/ferries/timetable.txt"
    archive(
        "docs",
        [chunk(entry_id, n, source=source, title="Night Timetable") for n in range(3)]
        + [chunk("other", source="s3://landing/incoming/docs/notimetable.txt", title="Timetable")],
    )
    found = exact.find(lookup(question=question))
    assert (entry_ids(found), len(found.evidence), found.matched) == ([entry_id], 3, 3)
    capped = exact.find(lookup(question=question, limit=2))
    assert ids(capped) == ids(found)[:2]
    assert capped.left_out == {exact.BEYOND_LIMIT: 1}


@pytest.mark.parametrize("question", ["What time is it?", "a/ /b", "It's \"x", "' OR 1=1 -- /x.md", "e.g. this, etc."])
def test_exact_finds_nothing_where_nothing_is_named(archive: Callable[..., Store], question: str) -> None:
    archive("docs", any_chunks("e1"))
    assert exact.find(lookup(question=question)).evidence == []


def test_exact_brings_what_a_filter_names(archive: Callable[..., Store]) -> None:
    archive("docs", [*any_chunks("e1"), *any_chunks("e2")])
    named = [Filter(field="entry", value="e2")]
    assert entry_ids(exact.find(lookup(filters=named))) == ["e2"]


def test_related_brings_what_was_cited_in_that_order_and_says_what_is_gone(archive: Callable[..., Store]) -> None:
    chunks = any_chunks("e1", count=6)
    archive("docs", chunks)
    cited = [chunks[4].chunk_id, "gone-since", chunks[1].chunk_id]
    found = related.find(lookup(cited=cited))
    assert ids(found) == [chunks[4].chunk_id, chunks[1].chunk_id]
    assert found.left_out == {related.GONE: 1}
    assert related.find(lookup()).evidence == []


def test_of_a_date_the_newest_version_of_then_is_searched(archive: Callable[..., Store]) -> None:
    versions = ["2026-01", "2026-03", "2026-05"]
    archive(
        "docs",
        [chunk("e1", part, month, received_at=f"{month}-01T00:00:00.000Z") for month in versions for part in range(2)]
        + [chunk("e2", received_at="2026-04-01T00:00:00.000Z"), chunk("e3", received_at="")],
        latest_only=False,
    )

    def by(moment: str) -> set[tuple[str, str]]:
        found = vector.find(lookup(as_of=AsOf(moment=moment)))
        return {(each.chunk.entry_id, each.chunk.version) for each in found.evidence}

    assert by("2025-12-31T00:00:00.000Z") == set()
    assert by("2026-01-01T00:00:00.000Z") == {("e1", "2026-01")}
    assert by("2026-03-31T00:00:00.000Z") == {("e1", "2026-03")}
    assert by("2026-04-30T00:00:00.000Z") == {("e1", "2026-03"), ("e2", "v1")}
    assert by("2027-01-01T00:00:00.000Z") == {("e1", "2026-05"), ("e2", "v1")}


def test_a_store_is_read_at_the_version_that_is_asked_for(archive: Callable[..., Store]) -> None:
    store = archive("docs", any_chunks("e1"))
    told = lookup()
    vector.find(told)
    version = told.store_versions["docs-1"]
    later = any_chunks("e2")
    commit(store, [rows(later, vectors_for(later))])
    remove_versions(store, [("e1", "v1")])

    assert set(entry_ids(vector.find(lookup()))) == {"e2"}
    for find in (vector.find, full_text.find, everything.find):
        then = lookup(as_of=AsOf(store_version=version), question="word0")
        assert entry_ids(find(then)) == ["e1"]
        assert then.store_versions == {"docs-1": version}
    optimise(store)
    with pytest.raises(AsOfUnavailable):
        vector.find(lookup(as_of=AsOf(store_version=9_999)))


def test_a_store_of_an_earlier_version_of_the_product_gets_its_columns_with_the_next_commit(
    archive: Callable[..., Store], tmp_path: Path
) -> None:
    import lancedb

    old = any_chunks("e1")
    store = archive("docs", old)
    table = lancedb.connect(str(tmp_path)).open_table(store.store_id)
    table.drop_columns(["media_type", "source_type", "received_at", "effective_on", "labels"])

    found = vector.find(lookup())
    assert sorted(ids(found)) == sorted(each.chunk_id for each in old)
    with pytest.raises(StageFailed, match="filters"):
        vector.find(lookup(filters=[Filter(field="tag", value="ferry")]))
    new = [chunk("e2", labels=labels.of_tags(["ferry"]))]
    commit(store, [rows(new, vectors_for(new))])
    assert entry_ids(vector.find(lookup(filters=[Filter(field="tag", value="ferry")]))) == ["e2"]
    assert set(entry_ids(vector.find(lookup()))) == {"e1", "e2"}
