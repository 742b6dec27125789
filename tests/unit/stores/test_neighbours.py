from __future__ import annotations

import pytest
from any_store import any_chunks, vectors_for

from omnilake.models import Store
from omnilake.stores.commit import commit
from omnilake.stores.search import MAX_NEIGHBOURED, View
from omnilake.stores.table import rows

CHUNKS = any_chunks("it's one", count=6)
OTHERS = [*any_chunks("it's one", version="v2", count=6), *any_chunks("two", count=6)]


@pytest.fixture
def filled(store: Store) -> Store:
    commit(store, [rows([*CHUNKS, *OTHERS], vectors_for([*CHUNKS, *OTHERS]))])
    return store


def test_neighbours_are_those_before_and_after_in_the_same_version(filled: Store) -> None:
    assert View(filled).beside([CHUNKS[2]], 1) == {CHUNKS[2].chunk_id: [CHUNKS[1], CHUNKS[3]]}
    assert View(filled).beside([CHUNKS[2]], 2) == {CHUNKS[2].chunk_id: [CHUNKS[0], CHUNKS[1], CHUNKS[3], CHUNKS[4]]}


def test_the_first_and_the_last_have_them_on_one_side(filled: Store) -> None:
    found = View(filled).beside([CHUNKS[0], CHUNKS[5]], 1)
    assert found == {CHUNKS[0].chunk_id: [CHUNKS[1]], CHUNKS[5].chunk_id: [CHUNKS[4]]}


def test_what_the_request_may_not_see_is_no_neighbour(filled: Store) -> None:
    assert View(filled, "page <> 2").beside([CHUNKS[2]], 1) == {CHUNKS[2].chunk_id: [CHUNKS[3]]}


def test_a_chunk_of_an_absent_entry_has_none(filled: Store) -> None:
    assert View(filled).beside(any_chunks("absent", count=1), 3) == {}


def test_of_many_hits_the_first_have_neighbours(store: Store) -> None:
    many = any_chunks("long", count=MAX_NEIGHBOURED + 30)
    commit(store, [rows(many, vectors_for(many))])
    assert list(View(store).beside(many, 1)) == [each.chunk_id for each in many[:MAX_NEIGHBOURED]]
