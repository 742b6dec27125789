"""Which items are read together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.compaction.capacity import claim_tokens
from omnilake.compaction.planning import MAX_GROUPS, document_order, plan_groups, plan_merge

_DOCUMENTS = st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=12), max_size=12)


def _flat(documents: list[list[int]]) -> tuple[list[int], list[str]]:
    return (
        [tokens for document in documents for tokens in document],
        [f"d{number}" for number, document in enumerate(documents) for _ in document],
    )


@given(_DOCUMENTS, st.integers(1, 3_000), st.integers(1, 12))
def test_every_item_is_in_exactly_one_group_and_order_is_kept(
    documents: list[list[int]], context: int, concurrency: int
) -> None:
    counts, ids = _flat(documents)
    groups = plan_groups(counts, ids, context_tokens=context, concurrency=concurrency)
    assert [index for group in groups for index in range(group.start, group.end)] == list(range(len(counts)))
    assert all(group.tokens == sum(counts[group.start : group.end]) for group in groups)
    assert groups == plan_groups(counts, ids, context_tokens=context, concurrency=concurrency)


@given(_DOCUMENTS, st.integers(1, 3_000), st.integers(1, 12))
def test_no_group_exceeds_the_context_unless_one_item_does(
    documents: list[list[int]], context: int, concurrency: int
) -> None:
    counts, ids = _flat(documents)
    for group in plan_groups(counts, ids, context_tokens=context, concurrency=concurrency):
        assert group.tokens <= context or group.end - group.start == 1


@given(_DOCUMENTS, st.integers(400, 3_000), st.integers(1, 12))
def test_there_are_no_more_waves_than_the_context_forces(
    documents: list[list[int]], context: int, concurrency: int
) -> None:
    counts, ids = _flat(documents)
    fewest = len(plan_groups(counts, ids, context_tokens=context, concurrency=1))
    groups = plan_groups(counts, ids, context_tokens=context, concurrency=concurrency)
    assert math.ceil(len(groups) / concurrency) <= math.ceil(fewest / concurrency)


def test_one_wave_uses_the_concurrency_there_is() -> None:
    groups = plan_groups(
        [100] * 100, [f"d{number // 2}" for number in range(100)], context_tokens=8_000, concurrency=10
    )
    assert 9 <= len(groups) <= 10
    assert max(group.tokens for group in groups) <= 1.25 * 1_000


def test_groups_close_on_document_boundaries_where_they_fit() -> None:
    counts, ids = _flat([[300, 300], [300, 300], [300, 300]])
    groups = plan_groups(counts, ids, context_tokens=1_000, concurrency=3)
    assert [(group.start, group.end) for group in groups] == [(0, 2), (2, 4), (4, 6)]


def test_a_call_reads_far_more_than_it_is_told_anyway() -> None:
    counts, ids = _flat([[100]] * 100)
    groups = plan_groups(counts, ids, context_tokens=8_000, concurrency=50, call_tokens=200)
    assert sum(len(groups) * [200]) <= 0.12 * sum(counts)


_LIBRARY = [[40 + (number * 37 + part * 11) % 160 for part in range(1 + number % 19)] for number in range(1_000)]


def _groups(documents: dict[str, list[int]], concurrency: int) -> set[tuple[str, ...]]:
    """Groups by what is read in them; an item is named by its document and its size."""
    items = [(size, name) for name in sorted(documents, key=document_order) for size in documents[name]]
    sizes, names = [size for size, _ in items], [name for _, name in items]
    groups = plan_groups(sizes, names, context_tokens=6_000, concurrency=concurrency)
    return {tuple(f"{name}:{size}" for size, name in items[group.start : group.end]) for group in groups}


@pytest.mark.parametrize("concurrency", [10, 40, 400])
def test_a_document_that_keeps_its_size_changes_the_group_it_is_in_and_no_other(concurrency: int) -> None:
    documents = {f"d{number}": part for number, part in enumerate(_LIBRARY)}
    before = _groups(documents, concurrency)
    for changed in range(3, 1_000, 199):
        sizes = documents[f"d{changed}"]
        renamed = {f"d{changed}": [sizes[0] + 1, *sizes[1:]]}  # one token more: another text of the same size
        assert len(_groups(documents | renamed, concurrency) - before) <= 2  # it may lie in two


@pytest.mark.parametrize("concurrency", [10, 40])
def test_boundaries_after_a_document_that_grew_are_found_again(concurrency: int) -> None:
    documents = {f"d{number}": part for number, part in enumerate(_LIBRARY)}
    before = _groups(documents, concurrency)
    moved = [
        len(_groups(documents | {f"d{changed}": [*documents[f"d{changed}"], 150]}, concurrency) - before)
        for changed in range(3, 1_000, 97)
    ]
    assert len(before) > 150
    assert sorted(moved)[len(moved) // 2] <= 2
    assert max(moved) <= len(before) // 4


def test_groups_are_full_where_the_context_limits_them() -> None:
    counts, ids = _flat(_LIBRARY)
    assert len(plan_groups(counts, ids, context_tokens=6_000, concurrency=10)) <= 1.15 * sum(counts) / 6_000


def test_the_largest_request_stays_within_one_map() -> None:
    groups = plan_groups(
        [500] * MAX_GROUPS, [f"d{number}" for number in range(MAX_GROUPS)], context_tokens=1, concurrency=1
    )
    assert len(groups) == MAX_GROUPS


def test_nothing_needs_no_group() -> None:
    assert plan_groups([], [], context_tokens=100, concurrency=3) == []
    assert plan_merge([], context_tokens=100) == []


@pytest.mark.parametrize(
    ("counts", "ids", "context", "concurrency"),
    [
        ([1], [], 10, 1),
        ([1], ["d"], 0, 1),
        ([1], ["d"], 10, 0),
        ([-1], ["d"], 10, 1),
        ([1] * (MAX_GROUPS + 1), ["d"] * (MAX_GROUPS + 1), 10, 1),
    ],
)
def test_impossible_plans_are_refused(counts: list[int], ids: list[str], context: int, concurrency: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        plan_groups(counts, ids, context_tokens=context, concurrency=concurrency)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=1_000), st.integers(4, 10_000))
def test_rounds_of_merging_end_whatever_the_groups_come_to(sizes: list[int], context: int) -> None:
    cap = claim_tokens(context)
    sizes = [min(size, cap) for size in sizes]
    for _ in range(math.ceil(math.log2(len(sizes))) + 1):
        if sum(sizes) <= context:
            return
        sizes = [min(group.tokens, cap) for group in plan_merge(sizes, context_tokens=context)]
    assert sum(sizes) <= context
