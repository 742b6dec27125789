from __future__ import annotations

import numpy as np
import pytest
from any_store import any_chunks, vectors_for

from omnilake.models import Store
from omnilake.stores.commit import commit, optimise
from omnilake.stores.search import View
from omnilake.stores.table import rows

CHUNKS = any_chunks("e1", count=30)
VECTORS = vectors_for(CHUNKS)
QUESTION = np.array([0.5, 0.5, 0.5, 0.5], dtype=np.float32)


@pytest.fixture
def filled(store: Store) -> Store:
    commit(store, [rows(CHUNKS, VECTORS)])
    return store


def test_vector_search_compares_every_row(filled: Store) -> None:
    found = View(filled).nearest(QUESTION.tolist(), 7)
    cosines = VECTORS @ QUESTION
    best = np.argsort(-cosines)[:7]
    assert [hit.chunk for hit in found] == [CHUNKS[position] for position in best]
    assert [hit.scores.vector for hit in found] == pytest.approx(cosines[best].tolist(), abs=1e-6)
    assert all(hit.scores.full_text is None for hit in found)


@pytest.mark.parametrize("indexed", [False, True])
def test_full_text_search_finds_words_before_and_after_they_are_indexed(filled: Store, indexed: bool) -> None:
    if indexed:
        optimise(filled)
    [hit] = View(filled).best_worded("Where is WORD17?", 5)[:1]
    assert hit.chunk == CHUNKS[17]
    assert hit.scores.full_text is not None
    assert hit.scores.full_text > 0
    assert hit.scores.vector is None


def test_words_of_the_context_count(store: Store) -> None:
    chunks = [chunk.model_copy(update={"context": f"Chapter {chunk.ordinal}"}) for chunk in any_chunks("e1", count=3)]
    commit(store, [rows(chunks, vectors_for(chunks))])
    assert View(store).best_worded("chapter 2", 3)[0].chunk == chunks[2]


def test_words_are_found_in_their_other_forms(store: Store) -> None:
    chunks = any_chunks("e1", count=2)
    chunks[1] = chunks[1].model_copy(update={"text": "Executions were retried in Zürich"})
    commit(store, [rows(chunks, vectors_for(chunks))])
    assert [hit.chunk for hit in View(store).best_worded("retry executing zurich", 3)] == [chunks[1]]


@pytest.mark.parametrize("indexed", [False, True])
def test_english_stop_words_find_nothing_and_weigh_nothing(store: Store, indexed: bool) -> None:
    texts = ["It is what is to be in the north", "Queues keep their order"]
    chunks = [
        chunk.model_copy(update={"text": text}) for chunk, text in zip(any_chunks("e1", count=2), texts, strict=True)
    ]
    commit(store, [rows(chunks, vectors_for(chunks))])
    if indexed:
        optimise(store)
    view = View(store)
    assert view.best_worded("is it to be the", 3) == []
    asked, bare = view.best_worded("Is it in the order of the queues?", 3), view.best_worded("order queues", 3)
    assert [hit.chunk for hit in asked] == [chunks[1]]
    assert asked == bare
    assert [hit.scores.full_text for hit in view.nearest(QUESTION.tolist(), 3, "is it to be the")] == [0.0, 0.0]


def test_hits_of_full_text_get_their_similarity_when_the_question_is_given_as_vector(filled: Store) -> None:
    found = View(filled).best_worded("word3 stands", 30, QUESTION.tolist())
    cosines = {chunk.chunk_id: float(cosine) for chunk, cosine in zip(CHUNKS, VECTORS @ QUESTION, strict=True)}
    assert len(found) == 30
    assert [hit.scores.vector for hit in found] == pytest.approx(
        [cosines[hit.chunk.chunk_id] for hit in found], abs=1e-6
    )


@pytest.mark.parametrize(
    "question",
    [
        '"word3',
        "word3) OR (",
        "text:word3",
        "word3 AND NOT word3",
        "+word3 -stands",
        "word3*^2~1",
        "'; DROP TABLE",
        "\\word3 {}[]",
    ],
)
def test_a_question_is_words_not_syntax(filled: Store, question: str) -> None:
    plain = " ".join("".join(letter if letter.isalnum() else " " for letter in question).split())
    assert View(filled).best_worded(question, 40) == View(filled).best_worded(plain, 40)


@pytest.mark.parametrize("question", ["", "???", "\x00", " \n", "x" * 8_000])
def test_a_question_without_known_words_finds_nothing(filled: Store, question: str) -> None:
    assert View(filled).best_worded(question, 5) == []


def test_an_empty_store_holds_nothing(store: Store) -> None:
    assert View(store).nearest(QUESTION.tolist(), 5) == []
    assert View(store).best_worded("word", 5) == []
    assert View(store).best_worded("word", 5, QUESTION.tolist()) == []


def test_a_handle_that_is_kept_sees_later_commits(filled: Store) -> None:
    assert View(filled).best_worded("later0", 5) == []
    chunks = any_chunks("e2", word="later")
    commit(filled, [rows(chunks, vectors_for(chunks))])
    assert View(filled).best_worded("later0", 5)[0].chunk == chunks[0]


def test_hits_of_vector_search_get_their_relevance_when_the_question_is_given_as_text(filled: Store) -> None:
    optimise(filled)
    question = "word3 word11 beyond"
    by_text = {hit.chunk.chunk_id: hit.scores.full_text for hit in View(filled).best_worded(question, 30)}
    assert len(by_text) == 2
    found = View(filled).nearest(QUESTION.tolist(), 30, question)
    for hit in found:
        assert hit.scores.full_text == pytest.approx(by_text.get(hit.chunk.chunk_id, 0.0), rel=1e-5)


def test_an_empty_store_has_no_relevances(store: Store) -> None:
    assert View(store).nearest(QUESTION.tolist(), 5, "word") == []
