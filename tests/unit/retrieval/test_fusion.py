from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.models import Chunk, ErrorRecord, Evidence, RetrieverResult, Scores
from omnilake.retrieval import Fused, fuse
from omnilake.retrieval.fusion import DUPLICATE, OLDER_VERSION, OVER_ENTRY_LIMIT, OVER_LIMIT, OVER_TOKENS, SCALED_BY


def any_evidence(
    name: str,
    vector: float | None = None,
    full_text: float | None = None,
    *,
    text: str = "",
    entry: str = "",
    version: str = "v1",
    start: int = 0,
    archive_id: str = "",
) -> Evidence:
    chunk = Chunk(
        chunk_id=name, entry_id=entry or f"entry of {name}", version=version, ordinal=0, start=start, end=start + 9,
        tokens=3, text=text or f"text {name}",
    )  # fmt: skip
    return Evidence(chunk=chunk, scores=Scores(vector=vector, full_text=full_text), archive_id=archive_id)


def result(retriever: str, *evidence: Evidence) -> RetrieverResult:
    return RetrieverResult(retriever=retriever, evidence=list(evidence))


def names(fused: Fused) -> list[str]:
    return [each.chunk.chunk_id for each in fused.evidence]


def test_scores_are_scaled_and_weighed_equally() -> None:
    fused = fuse(
        [
            result("vector", any_evidence("a", 0.9), any_evidence("b", 0.7), any_evidence("c", 0.5)),
            result("full_text", any_evidence("b", full_text=30.0), any_evidence("d", full_text=10.0)),
        ],
        limit=10,
    )
    assert {each.chunk.chunk_id: each.scores.fused for each in fused.evidence} == pytest.approx(
        {"b": 0.5 * 0.5 + 0.5 * 1.0, "a": 0.5, "c": 0.0, "d": 0.0}
    )
    assert names(fused) == ["b", "a", "c", "d"]
    assert fused.evidence[0].scores.vector == 0.7
    assert fused.evidence[0].scores.full_text == 30.0


def test_alpha_weighs_the_vector() -> None:
    results = [result("vector", any_evidence("near", 0.9, 1.0), any_evidence("worded", 0.1, 9.0))]
    assert names(fuse(results, alpha=1.0, limit=2)) == ["near", "worded"]
    assert names(fuse(results, alpha=0.0, limit=2)) == ["worded", "near"]


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 40)), min_size=1, max_size=200), st.integers(0, 150))
def test_scores_do_not_depend_on_how_many_candidates_are_asked_for(
    scores: list[tuple[float, float]], more: int
) -> None:
    corpus = [any_evidence(f"{number:03}", *pair) for number, pair in enumerate(scores)]

    def fused(count: int) -> dict[str, float]:
        near = sorted(corpus, key=lambda each: each.scores.vector or 0.0, reverse=True)[:count]
        worded = sorted(corpus, key=lambda each: each.scores.full_text or 0.0, reverse=True)[:count]
        worded = [each for each in worded if each.scores.full_text]
        found = fuse([result("vector", *near), result("full_text", *worded)], limit=400, near_duplicate=2.0)
        return {each.chunk.chunk_id: each.scores.fused for each in found.evidence}

    few, many = fused(SCALED_BY + 1), fused(SCALED_BY + 1 + more)
    assert {name: many[name] for name in few} == few


def test_what_lies_far_behind_the_best_is_no_measure_of_them() -> None:
    best = [any_evidence(f"a{number:02}", 0.9 - number / 100) for number in range(SCALED_BY)]
    far = any_evidence("z", -0.9)
    fused = fuse([result("vector", *best, far)], limit=60).evidence
    assert [fused[0].scores.fused, fused[-2].scores.fused, fused[-1].scores.fused] == [0.5, 0.0, 0.0]
    assert fused[-1].chunk == far.chunk


def test_a_single_hit_scores_fully() -> None:
    fused = fuse([result("vector", any_evidence("a", 0.2, 3.0))], limit=5)
    assert [each.scores.fused for each in fused.evidence] == [1.0]


def test_a_retriever_that_failed_takes_only_its_own_hits_away() -> None:
    failed = RetrieverResult(retriever="full_text", error=ErrorRecord(code="STAGE_FAILED", message="m"))
    fused = fuse([failed, result("vector", any_evidence("a", 0.9), any_evidence("b", 0.8))], limit=5)
    assert names(fused) == ["a", "b"]


def test_nothing_found_is_nothing_fused() -> None:
    assert fuse([], limit=5) == fuse([result("vector")], limit=5) == Fused(matched=0, evidence=[])


def test_only_the_newest_version_of_an_entry_is_kept() -> None:
    fused = fuse(
        [
            result("vector", any_evidence("old", 0.9, entry="e", version="v1")),
            result("full_text", any_evidence("new", full_text=1.0, entry="e", version="v2")),
        ],
        limit=5,
    )
    assert names(fused) == ["new"]
    assert fused.dropped == {OLDER_VERSION: 1}


SENTENCE = "The maximum execution time of a standard workflow is one year and that of an express workflow five minutes "


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (SENTENCE, 1),
        (SENTENCE.upper().replace(" ", "\n "), 1),
        ((SENTENCE + "with payloads of up to 256 KiB each ") * 3 + "indeed", 1),
        ("Another sentence that says something else about workflows and their quotas in general terms", 2),
    ],
)
def test_the_lesser_of_two_nearly_equal_texts_is_dropped(text: str, kept: int) -> None:
    best = SENTENCE if kept == 2 or len(text) < 200 else (SENTENCE + "with payloads of up to 256 KiB each ") * 3
    fused = fuse([result("vector", any_evidence("a", 0.9, text=best), any_evidence("b", 0.8, text=text))], limit=5)
    assert names(fused) == ["a", "b"][:kept]
    assert fused.dropped == ({DUPLICATE: 1} if kept == 1 else {})


def test_texts_without_words_are_compared_as_they_are() -> None:
    evidence = [
        any_evidence("a", 0.9, text="?!"),
        any_evidence("b", 0.8, text="?!"),
        any_evidence("c", 0.7, text="---"),
    ]
    assert names(fuse([result("vector", *evidence)], limit=5)) == ["a", "c"]


def test_ties_go_by_similarity_then_reading_order() -> None:
    tied = [
        any_evidence("z", 0.5, 1.0, entry="e", start=0),
        any_evidence("y", 0.5, 1.0, entry="e", start=100),
        any_evidence("x", 0.5, 1.0, entry="f", start=0),
    ]
    for order in itertools.permutations(tied):
        assert names(fuse([result("vector", *order)], limit=5)) == ["z", "y", "x"]


def test_where_a_retriever_measures_nothing_ranks_are_fused() -> None:
    measured = result("vector", any_evidence("a", 0.9), any_evidence("b", 0.8), any_evidence("c", 0.1))
    fused = fuse([measured, result("recent", any_evidence("d"), any_evidence("b"))], limit=10)
    assert {each.chunk.chunk_id: each.scores.fused for each in fused.evidence} == pytest.approx(
        {"b": (1 / 62 + 1 / 62) * 61 / 2, "a": 0.5, "d": 0.5, "c": 61 / 63 / 2}
    )
    assert names(fused) == ["b", "a", "d", "c"]


def test_weights_of_retrievers_count_where_ranks_are_fused() -> None:
    results = [result("vector", any_evidence("near", 0.9)), result("recent", any_evidence("late"))]
    assert names(fuse(results, limit=2, weights={"recent": 2.0})) == ["late", "near"]
    assert names(fuse(results, limit=2, weights={"vector": 2.0})) == ["near", "late"]
    silent = fuse(results, limit=2, weights={"recent": 0.0})
    assert [each.scores.fused for each in silent.evidence] == [1.0, 0.0]


def test_only_ranked_retrievers_keep_their_own_order() -> None:
    fused = fuse([result("recent", *(any_evidence(name) for name in "zyx"))], limit=2)
    assert names(fused) == ["z", "y"]
    assert fused.evidence[0].scores.fused == 1.0


def test_without_any_weight_nothing_is_lost() -> None:
    fused = fuse([result("recent", any_evidence("a"))], limit=2, weights={"recent": 0.0})
    assert [each.scores.fused for each in fused.evidence] == [0.0]


def test_vectors_of_two_spaces_are_not_compared() -> None:
    evidence = [
        any_evidence("a1", 0.9, 9.0, archive_id="one"),
        any_evidence("a2", 0.8, 8.0, archive_id="one"),
        any_evidence("b1", 0.3, 3.0, archive_id="two"),
        any_evidence("b2", 0.2, 2.0, archive_id="two"),
    ]
    results = [result("vector", *evidence)]
    assert names(fuse(results, limit=4, spaces={"one": "x", "two": "y"})) == ["a1", "b1", "a2", "b2"]
    assert names(fuse(results, limit=4, spaces={"one": "x", "two": "x"})) == ["a1", "a2", "b1", "b2"]


def test_an_entry_has_no_more_chunks_than_it_may() -> None:
    evidence = [any_evidence(f"e{number}", 0.9 - number / 10, entry="e", start=number) for number in range(4)]
    fused = fuse([result("vector", *evidence, any_evidence("f", 0.1))], limit=3, max_per_entry=2)
    assert names(fused) == ["e0", "e1", "f"]
    assert fused.dropped == {OVER_ENTRY_LIMIT: 2}


def test_diversity_prefers_what_says_something_else() -> None:
    evidence = [
        any_evidence("a", 0.9, text="red wine of the northern hills is strong"),
        any_evidence("b", 0.89, text="strong red wine from the hills in the north"),
        any_evidence("c", 0.8, text="bread is baked at night"),
        any_evidence("d", 0.1, text="no bread and no wine"),
    ]
    assert names(fuse([result("vector", *evidence)], limit=2)) == ["a", "b"]
    diverse = fuse([result("vector", *evidence)], limit=2, diversity=0.5)
    assert names(diverse) == ["a", "c"]
    assert diverse.dropped == {OVER_LIMIT: 2}


def test_diversity_keeps_the_order_of_the_ranking() -> None:
    evidence = [any_evidence(name, score) for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.2))]
    assert names(fuse([result("vector", *evidence)], limit=3, diversity=1.0)) == ["a", "b", "c"]


def test_a_budget_of_tokens_keeps_the_first_that_fit_and_always_the_best() -> None:
    evidence = [any_evidence(name, score, text=name * 10) for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.2))]
    fused = fuse([result("vector", *evidence)], limit=3, max_tokens=25)
    assert names(fused) == ["a", "b"]
    assert fused.dropped == {OVER_TOKENS: 1}
    assert names(fuse([result("vector", *evidence)], limit=3, max_tokens=5)) == ["a"]
    assert names(fuse([result("vector", *evidence)], limit=3, max_tokens=30)) == ["a", "b", "c"]


def test_what_stands_beside_evidence_comes_along_in_reading_order() -> None:
    chunks = [any_evidence(f"e{number}", 0.5, entry="e", start=number).chunk for number in range(5)]
    found = RetrieverResult(
        retriever="vector",
        evidence=[any_evidence("e2", 0.9, entry="e", start=2), any_evidence("e3", 0.8, entry="e", start=3)],
        neighbours={"e2": [chunks[1], chunks[3]], "e3": [chunks[2], chunks[4]]},
    )
    assert [each.chunk_id for each in fuse([found], limit=2).neighbours] == ["e1", "e4"]
    assert [each.chunk_id for each in fuse([found], limit=1).neighbours] == ["e1", "e3"]
    texts = len(chunks[0].text)
    assert [each.chunk_id for each in fuse([found], limit=2, max_tokens=3 * texts).neighbours] == ["e1"]


def test_reranking_decides_the_order_before_anything_is_cut() -> None:
    def reverse(evidence: list[Evidence]) -> list[Evidence]:
        return evidence[::-1]

    evidence = [any_evidence(name, score) for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.2))]
    assert names(fuse([result("vector", *evidence)], limit=2, rerank=reverse)) == ["c", "b"]


scores = st.one_of(st.none(), st.floats(-1, 1, width=32))
drawn = st.lists(
    st.builds(
        lambda name, entry, version, vector, full_text, words: any_evidence(
            f"{entry}-{version}-{name}", vector, full_text, entry=entry, version=version, text=" ".join(words)
        ),
        st.sampled_from("abcd"),
        st.sampled_from(["e", "f"]),
        st.sampled_from(["v1", "v2"]),
        scores,
        st.one_of(st.none(), st.floats(0, 50, width=32)),
        st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=9),
    ),
    max_size=12,
    unique_by=lambda each: each.chunk.chunk_id,
)


@given(
    drawn,
    drawn,
    st.integers(1, 8),
    st.floats(0, 1),
    st.integers(0, 2),
    st.floats(0, 1),
    st.sampled_from([0, 5, 50]),
    st.floats(0, 3),
)
def test_every_candidate_is_kept_or_counted_and_kept_in_order(
    left: list[Evidence],
    right: list[Evidence],
    limit: int,
    alpha: float,
    max_per_entry: int,
    diversity: float,
    max_tokens: int,
    weight: float,
) -> None:
    fused = fuse(
        [result("vector", *left), result("full_text", *right)],
        alpha=alpha,
        limit=limit,
        max_per_entry=max_per_entry,
        diversity=diversity,
        max_tokens=max_tokens,
        weights={"vector": weight},
    )
    assert fused.matched == len({each.chunk.chunk_id for each in left + right})
    assert len(fused.evidence) + sum(fused.dropped.values()) == fused.matched
    assert len(fused.evidence) <= limit
    assert len(set(names(fused))) == len(fused.evidence)
    values = [each.scores.fused for each in fused.evidence]
    assert values == sorted(values, reverse=True)
    assert all(0 <= value <= 1 for value in values)
    assert fused.dropped.get(OVER_LIMIT, 0) == 0 or len(fused.evidence) + fused.dropped.get(OVER_TOKENS, 0) == limit
    if max_per_entry:
        taken = Counter(each.chunk.entry_id for each in fused.evidence)
        assert max(taken.values(), default=0) <= max_per_entry
    versions: dict[str, str] = {}
    for each in fused.evidence:
        assert versions.setdefault(each.chunk.entry_id, each.chunk.version) == each.chunk.version


def _one_text_each(evidence: list[Evidence]) -> list[Evidence]:
    """Retrievers read the same rows: a chunk has one text."""
    known: dict[str, Evidence] = {}
    return [each.model_copy(update={"chunk": known.setdefault(each.chunk.chunk_id, each).chunk}) for each in evidence]


@given(drawn, drawn, st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_order_of_results_and_hits_does_not_matter(
    left: list[Evidence], right: list[Evidence], random: object, limit: int
) -> None:
    # Where nothing is measured the order of hits is their rank.
    left, right = ([each for each in side if each.scores.vector is not None] for side in (left, right))
    left, right = (lambda both: (both[: len(left)], both[len(left) :]))(_one_text_each(left + right))
    once = fuse([result("vector", *left), result("full_text", *right)], limit=limit)
    shuffled_left, shuffled_right = list(left), list(right)
    random.shuffle(shuffled_left)  # type: ignore[attr-defined]
    random.shuffle(shuffled_right)  # type: ignore[attr-defined]
    again = fuse([result("full_text", *shuffled_right), result("vector", *shuffled_left)], limit=limit)
    assert once == again


@given(drawn)
def test_a_better_score_never_ranks_lower(evidence: list[Evidence]) -> None:
    full = [each for each in evidence if each.scores.vector is not None and each.scores.full_text is not None]
    ranked = [each.scores for each in fuse([result("vector", *full)], limit=50, near_duplicate=2).evidence]
    for better, worse in itertools.combinations(ranked, 2):
        assert not (worse.vector > better.vector and worse.full_text > better.full_text)  # type: ignore[operator]
