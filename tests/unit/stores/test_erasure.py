"""What is erased is in no file of the table any more, and searches still find the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from any_store import any_chunks, vectors_for

from omnilake.models import Chunk, Store
from omnilake.stores import backup, erasure
from omnilake.stores.commit import commit, optimise, rows_of
from omnilake.stores.search import View
from omnilake.stores.table import open_store, rows

SECRET = "quokka"


def put(store: Store, *groups: list[Chunk]) -> None:
    for chunks in groups:
        commit(store, [rows(chunks, vectors_for(chunks))])


def files_with(store: Store, word: str) -> Iterator[str]:
    """Files of the table in whose bytes a word stands (LanceDB does not compress short texts)."""
    for path in Path(store.uri, f"{store.store_id}.lance").rglob("*"):
        if path.is_file() and word.encode() in path.read_bytes():
            yield path.name


@pytest.fixture(autouse=True)
def _no_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "take_out", lambda *_: 0)


@pytest.mark.parametrize("optimised", [False, True], ids=["many fragments", "one fragment"])
def test_erased_rows_are_in_no_file_of_the_table(store: Store, optimised: bool) -> None:
    put(store, any_chunks("e1"), any_chunks("e2", word=SECRET), any_chunks("e3"))
    if optimised:
        optimise(store)
    assert list(files_with(store, SECRET))
    done = erasure.erase(store, {("e2", "v1")}, [])
    assert done.rows == 3
    assert erasure.remaining(store, {("e2", "v1")})  # readers that began before still read them
    erasure.release(store)
    assert erasure.remaining(store, {("e2", "v1")}) == 0
    assert list(files_with(store, SECRET)) == []
    assert open_store(store).count_rows() == 6
    assert len(open_store(store).list_versions()) == 1


def test_the_rest_is_found_by_words_and_by_vector_afterwards(store: Store) -> None:
    kept = any_chunks("e1", word="lantern")
    put(store, kept, any_chunks("e2", word=SECRET))
    erasure.erase(store, {("e2", "v1")}, [])
    erasure.release(store)
    found = View(store).best_worded("lantern1", 5)
    assert [each.chunk.chunk_id for each in found] == ["e1-v1-lantern-1"]
    assert View(store).best_worded(f"{SECRET}1", 5) == []
    nearest = View(store).nearest(list(vectors_for(kept)[2]), 1)
    assert nearest[0].chunk.chunk_id == "e1-v1-lantern-2"


def test_the_last_rows_of_a_store_can_be_erased_and_twice(store: Store) -> None:
    put(store, any_chunks("e2", word=SECRET))
    assert erasure.erase(store, {("e2", "v1")}, []).rows == 3
    assert erasure.erase(store, {("e2", "v1")}, []).rows == 0
    erasure.release(store)
    assert list(files_with(store, SECRET)) == []
    put(store, any_chunks("e3"))
    assert open_store(store).count_rows() == 3


def test_other_versions_of_the_entry_stay(store: Store) -> None:
    put(store, any_chunks("e1", "v1"), any_chunks("e1", "v2"))
    erasure.erase(store, {("e1", "v1")}, [])
    assert (rows_of(store, {("e1", "v1")}), rows_of(store, {("e1", "v2")})) == (0, 3)


def test_a_chunk_that_comes_again_with_other_context_is_written_anew(store: Store) -> None:
    chunks = any_chunks("e1")
    put(store, chunks)
    before = open_store(store).version
    put(store, chunks)
    assert open_store(store).version == before  # nothing has changed
    relabelled = [each.model_copy(update={"labels": ["tag=tides"], "context": "Harbour book"}) for each in chunks]
    put(store, relabelled)
    told = open_store(store).search().select(["context", "labels"]).limit(10).to_list()
    assert [(each["context"], each["labels"]) for each in told] == [("Harbour book", ["tag=tides"])] * 3
