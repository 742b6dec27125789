from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from any_store import any_chunks, any_store, vectors_for
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import IncompleteIndexing, TransientError
from omnilake.models import Chunk, Store
from omnilake.stores import commit as committing
from omnilake.stores.commit import EntryVersion, commit, needs_optimising, optimise, remove_versions
from omnilake.stores.search import View
from omnilake.stores.table import create_store, drop_store, open_store, rows


def batch(chunks: list[Chunk]) -> pa.Table:
    return rows(chunks, vectors_for(chunks))


def ids(store: Store) -> list[str]:
    return sorted(open_store(store).search().select(["chunk_id"]).limit(10_000).to_arrow()["chunk_id"].to_pylist())


def ids_of(*groups: list[Chunk]) -> list[str]:
    return sorted(chunk.chunk_id for group in groups for chunk in group)


def test_many_batches_are_one_commit(store: Store) -> None:
    before = open_store(store).version
    groups = [any_chunks(f"e{number}") for number in range(10)]
    done = commit(store, [batch(group) for group in groups])
    assert ids(store) == ids_of(*groups)
    assert done.chunk_ids == set(ids_of(*groups))
    assert done.store_version == open_store(store).version == before + 1


def test_the_same_commit_again_leaves_the_same_store(store: Store) -> None:
    chunks = any_chunks("e1")
    first = commit(store, [batch(chunks)])
    again = replace(first, new_ids=frozenset())
    assert commit(store, [batch(chunks)]) == again
    assert commit(store, [batch(chunks), batch(chunks)]) == again
    assert ids(store) == ids_of(chunks)


def test_a_chunk_that_comes_twice_at_once_is_one_row(store: Store) -> None:
    chunks = any_chunks("e1")
    commit(store, [batch(chunks), batch(chunks)])
    assert ids(store) == ids_of(chunks)


def test_a_half_known_batch_is_completed(store: Store) -> None:
    chunks = any_chunks("e1", count=5)
    open_store(store).add(batch(chunks[:2]))  # what a killed committer may have left
    commit(store, [batch(chunks)])
    assert ids(store) == ids_of(chunks)


def test_a_new_version_leaves_the_older_one_in_search(store: Store) -> None:
    old, new, other = any_chunks("e1", "v1"), any_chunks("e1", "v2", count=2), any_chunks("other")
    commit(store, [batch(old), batch(other)])
    done = commit(store, [batch(new)])
    assert done.chunk_ids == set(ids_of(new))
    assert ids(store) == ids_of(old, new, other)


def test_an_older_version_that_comes_late_is_committed_too(store: Store) -> None:
    old, new = any_chunks("e1", "v1"), any_chunks("e1", "v2")
    commit(store, [batch(new)])
    assert commit(store, [batch(old)]).chunk_ids == set(ids_of(old))
    assert ids(store) == ids_of(old, new)


def test_two_versions_in_one_commit_are_both_there(store: Store) -> None:
    old, new = any_chunks("e1", "v1"), any_chunks("e1", "v2")
    assert commit(store, [batch(new), batch(old)]).chunk_ids == set(ids_of(old, new))
    assert ids(store) == ids_of(old, new)


def test_what_an_attempt_with_other_chunks_left_of_a_version_is_removed(store: Store) -> None:
    commit(store, [batch(any_chunks("e1", "v1", word="before"))])
    after = any_chunks("e1", "v1", word="after")
    commit(store, [batch(after)])
    assert ids(store) == ids_of(after)


def test_what_other_versions_have_is_not_left_over(store: Store) -> None:
    old = any_chunks("e1", "v1", word="before")
    commit(store, [batch(old), batch(any_chunks("e1", "v2", word="before"))])
    new = any_chunks("e1", "v2", word="after")
    commit(store, [batch(new)])
    assert ids(store) == ids_of(old, new)


def test_a_superseded_version_can_be_removed_alone(store: Store) -> None:
    new, other = any_chunks("e1", "v2"), any_chunks("other", "v1")
    commit(store, [batch(any_chunks("e1", "v1")), batch(new), batch(other)])
    remove_versions(store, [("e1", "v1")])
    assert ids(store) == ids_of(new, other)


def test_versions_can_be_removed_again_and_again(store: Store) -> None:
    kept = any_chunks("it's", "v1")
    commit(store, [batch(kept), batch(any_chunks("e2", "v'1"))])
    remove_versions(store, [("e2", "v'1"), ("it's", "v0"), ("unknown", "v1")])
    version = open_store(store).version
    remove_versions(store, [("e2", "v'1")])
    assert ids(store) == ids_of(kept)
    assert open_store(store).version == version


class Ingestions:
    """Versions on their way into a store, with the purges that Publish Entries and Record Failure would send."""

    def __init__(self, store: Store, versions: set[EntryVersion], doomed: set[EntryVersion]) -> None:
        self.store = store
        self.waiting = set(versions)
        self.committed: set[EntryVersion] = set()
        self.completed: set[EntryVersion] = set()
        self.doomed = doomed
        self.purges: list[list[EntryVersion]] = []

    def steps(self) -> list[tuple[str, EntryVersion]]:
        """What may happen next, the queue's first purge included."""
        purges = [("purge", self.purges[0][0])] if self.purges else []
        return [
            *purges,
            *(("deliver", each) for each in sorted(self.waiting)),
            *(("redeliver", each) for each in sorted(self.committed)),
            *(("end", each) for each in sorted(self.committed)),
        ]

    def step(self, name: str, version: EntryVersion) -> None:
        if name == "purge":
            remove_versions(self.store, self.purges.pop(0))
        elif name == "end":
            self.committed.remove(version)
            self._end(version)
        else:
            commit(self.store, [batch(any_chunks(*version, count=2))])
            self.waiting.discard(version)
            self.committed.add(version)

    def _end(self, version: EntryVersion) -> None:
        if version in self.doomed:
            self.purges.append([version])
            return
        self.completed.add(version)
        superseded = sorted(each for each in self.completed if each[0] == version[0])[:-1]
        if superseded:
            self.purges.append(superseded)

    def newest(self) -> list[EntryVersion]:
        return sorted(dict(sorted(self.completed)).items())


VERSIONS = st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from(["v1", "v2", "v3"])), min_size=1, max_size=4)


@settings(max_examples=15)
@given(VERSIONS, VERSIONS, st.data())
def test_any_order_of_deliveries_and_purges_ends_with_the_newest_versions(
    tmp_path_factory: pytest.TempPathFactory,
    versions: set[EntryVersion],
    doomed: set[EntryVersion],
    data: st.DataObject,
) -> None:
    ingestions = Ingestions(any_store(tmp_path_factory.mktemp("store")), versions, doomed - {min(versions)})
    redeliveries = 2
    while steps := [each for each in ingestions.steps() if each[0] != "redeliver" or redeliveries]:
        name, version = data.draw(st.sampled_from(steps))
        redeliveries -= name == "redeliver"
        ingestions.step(name, version)
    newest = ingestions.newest()
    assert {entry_id for entry_id, _ in newest} == {entry_id for entry_id, _ in versions - ingestions.doomed}
    assert ids(ingestions.store) == ids_of(*(any_chunks(*version, count=2) for version in newest))


def test_rows_that_are_missing_after_the_commit_are_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert = committing._upsert
    monkeypatch.setattr(committing, "_upsert", lambda table, missing: upsert(table, missing.slice(1)))
    with pytest.raises(IncompleteIndexing, match="has 2 rows for 3 chunks"):
        commit(store, [batch(any_chunks("e1"))])


def test_rows_that_are_doubled_are_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "_upsert", lambda table, missing: table.add(pa.concat_tables([missing, missing])))
    with pytest.raises(IncompleteIndexing, match="has 6 rows for 3 chunks"):
        commit(store, [batch(any_chunks("e1"))])


def test_a_commit_that_meets_another_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    upsert, calls = committing._upsert, []

    def conflicting(table: Any, missing: pa.Table) -> object:
        calls.append(missing.num_rows)
        if len(calls) < 3:
            raise RuntimeError("lance error: Retryable commit conflict for version 7")
        return upsert(table, missing)

    monkeypatch.setattr(committing, "_upsert", conflicting)
    monkeypatch.setattr("time.sleep", lambda _: None)
    commit(store, [batch(any_chunks("e1"))])
    assert calls == [3, 3, 3]
    assert len(ids(store)) == 3


def test_conflicts_without_end_are_left_to_the_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflicting(*_: object) -> object:
        raise RuntimeError("Commit conflict")

    monkeypatch.setattr(committing, "_upsert", conflicting)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(TransientError):
        commit(store, [batch(any_chunks("e1"))])


def test_other_failures_are_not_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(*_: object) -> object:
        calls.append(1)
        raise OSError("no space left on device")

    monkeypatch.setattr(committing, "_upsert", broken)
    with pytest.raises(OSError, match="no space left"):
        commit(store, [batch(any_chunks("e1"))])
    assert len(calls) == 1


_WRITER = """
import sys
from omnilake.models import Store
from omnilake.stores.commit import commit
from omnilake.stores.table import rows
from any_store import any_chunks, vectors_for
store = Store.model_validate_json(sys.argv[1])
for number in range(4):
    chunks = any_chunks(f"{sys.argv[2]}-{number}") + any_chunks(f"shared-{number}")
    commit(store, [rows(chunks, vectors_for(chunks))])
"""


def test_two_committers_at_once_lose_and_double_nothing(store: Store) -> None:
    root = Path(__file__).resolve().parents[3]
    path = f"{root / 'layers' / 'core'}:{root / 'tests'}"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, store.model_dump_json(), name], env={"PYTHONPATH": path})
        for name in ("left", "right")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    names = [f"{name}-{number}" for name in ("left", "right", "shared") for number in range(4)]
    assert ids(store) == ids_of(*(any_chunks(name) for name in names))


def test_a_store_is_optimised_when_rows_are_not_indexed(store: Store) -> None:
    assert not needs_optimising(store)
    commit(store, [batch(any_chunks("e1", count=20))])
    assert needs_optimising(store)
    before = [hit.chunk.chunk_id for hit in View(store).best_worded("word7", 3)]
    optimise(store)
    assert not needs_optimising(store)
    assert [hit.chunk.chunk_id for hit in View(store).best_worded("word7", 3)] == before == ["e1-v1-word-7"]
    commit(store, [batch(any_chunks("e2", count=1))])
    assert not needs_optimising(store)  # one row in 21


def test_a_store_is_optimised_when_it_has_many_fragments(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "UNINDEXED_LIMIT", 1.0)
    monkeypatch.setattr(committing, "FRAGMENTS_LIMIT", 2)
    commit(store, [batch(any_chunks("e1"))])
    commit(store, [batch(any_chunks("e2"))])
    assert not needs_optimising(store)
    commit(store, [batch(any_chunks("e3"))])
    assert needs_optimising(store)
    optimise(store)
    assert not needs_optimising(store)
    assert len(ids(store)) == 9


def test_creating_a_store_again_keeps_its_rows(store: Store) -> None:
    chunks = any_chunks("e1")
    commit(store, [batch(chunks)])
    create_store(store)
    assert ids(store) == ids_of(chunks)


def test_a_store_can_be_dropped_again_and_again(store: Store) -> None:
    drop_store(store)
    drop_store(store)
    with pytest.raises(ValueError, match="was not found"):
        open_store(store)
