"""Which items are read together by one generation call.

Let W be the tokens of all items, K how many groups run at a time, T the largest item and B the context. One wave of K
calls is the shortest critical path there is, so a group aims at b = clamp(W / K, T, B) tokens. Groups close on document
boundaries where that is possible, which leaves some of them short; b then grows until the groups make no further wave.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

MAX_GROUPS = 1_000
"""Most iterations of an inline Map. A group has at least one item, so as many items always fit."""

_GROWTH = 1.04  # a step of b; finer ones shorten no call by more than this


class Group(NamedTuple):
    """Items ``[start, end)`` of the reading order, and their tokens."""

    start: int
    end: int
    tokens: int


def plan_groups(
    token_counts: Sequence[int], document_ids: Sequence[str], *, context_tokens: int, concurrency: int
) -> list[Group]:
    """Groups of the map: items in reading order, as few waves as the context allows, as short as those waves allow.

    Args:
        token_counts: tokens of each item, in reading order.
        document_ids: the document of each item; those of one document stand together.
        context_tokens: B, most tokens of a group. An item that is larger makes a group by itself.
        concurrency: K.

    Returns:
        Groups that cover every item once, in order. The same arguments give the same groups.

    Raises:
        ValueError: the lists differ in length, hold more than ``MAX_GROUPS`` items, or a size is not positive.
    """
    _check(token_counts, document_ids, context_tokens, concurrency)
    if not token_counts:
        return []
    documents = _documents(token_counts, document_ids)
    waves = math.ceil(len(_pack(documents, context_tokens)) / concurrency)
    target = waves * concurrency
    size = max(min(math.ceil(sum(token_counts) / target), context_tokens), min(max(token_counts), context_tokens))
    while size < context_tokens:
        groups = _pack(documents, size)
        if len(groups) <= target:
            return groups
        size = min(math.ceil(size * _GROWTH), context_tokens)
    return _pack(documents, context_tokens)


def plan_merge(token_counts: Sequence[int], *, context_tokens: int) -> list[Group]:
    """Groups of the reduce: as many results of the round before as one context holds, by tokens.

    Raises:
        ValueError: a size is not positive, or there are more than ``MAX_GROUPS`` items.
    """
    _check(token_counts, [""] * len(token_counts), context_tokens, 1)
    return _pack(_documents(token_counts, [str(each) for each in range(len(token_counts))]), context_tokens)


def _check(token_counts: Sequence[int], document_ids: Sequence[str], context_tokens: int, concurrency: int) -> None:
    if len(token_counts) != len(document_ids):
        raise ValueError(f"{len(token_counts)} token counts do not go with {len(document_ids)} document ids")
    if len(token_counts) > MAX_GROUPS:
        raise ValueError(f"{len(token_counts)} items are more than one Map takes ({MAX_GROUPS})")
    if context_tokens <= 0 or concurrency <= 0 or any(count < 0 for count in token_counts):
        raise ValueError("sizes must be positive")


def _documents(token_counts: Sequence[int], document_ids: Sequence[str]) -> list[list[int]]:
    return [
        [token_counts[index] for index in indices]
        for _, indices in groupby(range(len(token_counts)), key=lambda index: document_ids[index])
    ]


def _pack(documents: list[list[int]], size: int) -> list[Group]:
    """Next fit: a document that fits a group is not cut; a larger one fills groups item by item."""
    groups: list[Group] = []
    start = end = tokens = 0
    for document in documents:
        whole = sum(document)
        if tokens + whole > size >= whole and end > start:
            groups.append(Group(start, end, tokens))
            start, tokens = end, 0
        for count in document:
            if end > start and tokens + count > size:
                groups.append(Group(start, end, tokens))
                start, tokens = end, 0
            end += 1
            tokens += count
    if end > start:
        groups.append(Group(start, end, tokens))
    return groups
