"""Which items are read together by one generation call.

Let W be the tokens of all items, K how many groups run at a time, T the largest item and B the context. One wave of K
calls is the shortest critical path there is, so a group aims at b = clamp(W / K, T, B) tokens, and not below ten times
what every call reads anyway, since more calls would cost more than they save.

Boundaries are content-defined, as in content-defined chunking (Muthitacharoen et al. 2001): every place between two
items has a cost by a hash of the document's id and the place in it, lower where a document ends, and the cheapest way
through all places is taken (a shortest path, found in one pass). Some documents, by their hash, always begin a group.
Documents stand in an order of their own, not in that of a ranking, and b moves in steps. So a document that keeps its
size changes the group that it is in and no other; one that grows or shrinks moves the boundaries after it as far as the
next cheap place, at most to the next document that always begins a group.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

MAX_GROUPS = 10_000
"""Most groups of a round; as many as a request may have chunks."""

FEWEST = 0.5
"""A group has at least this share of its room, except where items are too large for that."""

FILLED = 0.86
"""Share of its room that a group has on average, at least."""

CALL_SHARE = 10
"""A group has at least so many times the tokens that every call reads besides it."""

_STEP = 1.1  # between sizes that groups may aim at: small changes of the whole seldom move it
_SMALLEST = 64
_EMPTY = 2.0  # cost of a group's room that is left empty, where a place costs 0 to 1
_INSIDE = 0.5  # what a place inside of a document costs besides
_SHORT = 10.0  # what a group costs that is shorter than it should be
_STRETCH = 8  # groups between documents that always begin one, about


class Group(NamedTuple):
    """Items ``[start, end)`` of the reading order, and their tokens."""

    start: int
    end: int
    tokens: int


def document_order(document_id: str) -> str:
    """What documents are sorted by: spread evenly, and the same whatever else is read."""
    return hashlib.sha256(document_id.encode()).hexdigest()


def plan_groups(
    token_counts: Sequence[int],
    document_ids: Sequence[str],
    *,
    context_tokens: int,
    concurrency: int,
    call_tokens: int = 0,
) -> list[Group]:
    """Groups of the map: items in order, as few waves as the context allows, as short as those waves allow.

    Args:
        token_counts: tokens of each item, in order.
        document_ids: the document of each item; those of one document stand together.
        context_tokens: B, most tokens of a group. An item that is larger makes a group by itself.
        concurrency: K.
        call_tokens: what every call reads besides its group.

    Returns:
        Groups that cover every item once, in order. The same arguments give the same groups.

    Raises:
        ValueError: the lists differ in length, hold more than ``MAX_GROUPS`` items, or a size is not positive.
    """
    _check(token_counts, document_ids, context_tokens, concurrency)
    if not token_counts:
        return []
    items = _Items(token_counts, document_ids)
    fewest = items.pack(context_tokens)
    if len(fewest) >= concurrency:
        return fewest
    wanted = math.ceil(items.tokens / concurrency / FILLED)
    size = _step_at(max(wanted, CALL_SHARE * call_tokens, min(max(token_counts), context_tokens)))
    while size < context_tokens:
        groups = items.pack(size)
        if len(groups) <= concurrency:
            return groups
        size = _step_at(size + 1)
    return fewest


def plan_merge(token_counts: Sequence[int], *, context_tokens: int) -> list[Group]:
    """Groups of the reduce: as many results of the round before as one context holds, by tokens.

    Raises:
        ValueError: as :func:`plan_groups`.
    """
    numbers = [str(each) for each in range(len(token_counts))]
    _check(token_counts, numbers, context_tokens, 1)
    return _Items(token_counts, numbers).pack(context_tokens) if token_counts else []


def _check(token_counts: Sequence[int], document_ids: Sequence[str], context_tokens: int, concurrency: int) -> None:
    if len(token_counts) != len(document_ids):
        raise ValueError(f"{len(token_counts)} token counts do not go with {len(document_ids)} document ids")
    if len(token_counts) > MAX_GROUPS:
        raise ValueError(f"{len(token_counts)} items are more than one round takes ({MAX_GROUPS})")
    if context_tokens <= 0 or concurrency <= 0 or any(count < 0 for count in token_counts):
        raise ValueError("sizes must be positive")


def _step_at(tokens: int) -> int:
    """The smallest of the sizes that groups aim at which is not below ``tokens``."""
    if tokens <= _SMALLEST:
        return _SMALLEST
    exponent = math.ceil(math.log(tokens / _SMALLEST, _STEP))
    found = math.ceil(_SMALLEST * _STEP**exponent)
    return found if found >= tokens else math.ceil(_SMALLEST * _STEP ** (exponent + 1))


class _Items:
    def __init__(self, token_counts: Sequence[int], document_ids: Sequence[str]) -> None:
        self._before = [0, *accumulate(token_counts)]  # tokens before each item, and of all at the end
        self._costs: list[float] = []  # of ending a group before each item, and at the end
        self._heads: list[tuple[float, int]] = []  # hash of each document and where it begins
        begin = 0
        for place, document in enumerate(document_ids):
            if place == 0 or document != document_ids[place - 1]:
                begin = place
                self._heads.append((_cost(f"{document}/head"), place))
                self._costs.append(_cost(document))
            else:
                self._costs.append(_INSIDE + _cost(f"{document}/{place - begin}"))
        self._costs.append(0.0)

    @property
    def tokens(self) -> int:
        return self._before[-1]

    def pack(self, size: int) -> list[Group]:
        """Groups of at most ``size`` tokens; an item that is larger makes one by itself.

        The cheapest way to each place goes through the cheapest of the places where a group that ends there may begin.
        These are a window that only moves on, so a queue of its minima finds each in constant time.
        """
        before, costs = self._before, self._costs
        stops = self._stops(size)
        best = [0.0] * len(before)  # cost of the cheapest way to each place, from the start
        came = [0] * len(before)
        minima: deque[int] = deque()  # starts in the window, later ones cost more

        def start_cost(start: int) -> float:
            return best[start] + _EMPTY * before[start] / size

        shortest = math.ceil(size * FEWEST)
        entering = fits = 0  # the next start to enter the window; the first from which a group still fits
        for end in range(1, len(before)):
            if end - 1 in stops:
                fits = entering = end - 1
                minima.clear()
            while before[end] - before[fits] > size and fits < end - 1:
                fits += 1
            while entering < end and before[end] - before[entering] >= shortest:
                while minima and start_cost(minima[-1]) > start_cost(entering):
                    minima.pop()
                minima.append(entering)
                entering += 1
            while minima and minima[0] < fits:
                minima.popleft()
            start, penalty = (minima[0], 0.0) if minima else (fits, _SHORT)
            came[end] = start
            best[end] = start_cost(start) + penalty + costs[end] + _EMPTY * (1 - before[end] / size)
        return self._groups(came)

    def _stops(self, size: int) -> set[int]:
        """Places where a group begins whatever the rest is: before documents whose hash is among the smallest."""
        share = self.tokens / size / _STRETCH / len(self._heads)
        if share * len(self._heads) < 2:
            return set()
        # A power of two, so that it seldom moves.
        rare = 2.0 ** math.floor(math.log2(share))
        return {place for head, place in self._heads if head < rare and place}

    def _groups(self, came: Sequence[int]) -> list[Group]:
        ends = [len(came) - 1]
        while ends[-1]:
            ends.append(came[ends[-1]])
        ends.reverse()
        return [Group(start, end, self._before[end] - self._before[start]) for start, end in pairwise(ends)]


def _cost(address: str) -> float:
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:6]) / 2**48
