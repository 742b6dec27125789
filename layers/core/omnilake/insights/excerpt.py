"""The part of a document that is read for its insights: all of a short one; of a long one its head and, from each part
of the rest, the sentences nearest to what the whole is about. Every character of it is the document's own.

Centroid-based selection: Radev, Jing, Styś and Tam 2004, "Centroid-based summarization of multiple documents"; without
their weights of a background corpus, for which stop words stand in. Pure Python over words: insights need no model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from omnilake import tokens
from omnilake.generation.sentences import Unit, split
from omnilake.insights.phrases import content_terms, language_of

GAP = "\n[…]\n"
"""Stands where something was left out."""

HEAD_SHARE = 0.5
"""How much of the budget the beginning of the document gets."""

SCANNED_CHARACTERS = 200_000
"""Of a longer text, its head and windows spread over the rest are looked at: linear time, bounded memory."""

_WINDOWS = 30
_PARTS = 12
_CHARACTERS_A_TOKEN = 16
"""No prose has more on average; what does is long whatever its tokens."""


@dataclass(frozen=True)
class Excerpt:
    """What is read of a document.

    Attributes:
        text: the parts, in the document's order, with ``GAP`` between those that are not neighbours.
        spans: where the parts stand in the document, end exclusive.
        characters: of the whole document.
        tokens: of ``text`` (cl100k).
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    characters: int
    tokens: int

    @property
    def characters_read(self) -> int:
        """Of the document; gaps are not counted."""
        return sum(end - start for start, end in self.spans)

    @property
    def whole(self) -> bool:
        """Whether nothing was left out."""
        return self.characters_read == self.characters


def excerpt(text: str, max_tokens: int) -> Excerpt:
    """At most ``max_tokens`` tokens (cl100k) of a text.

    Args:
        text: of a document.
        max_tokens: at least 1.
    """
    if len(text) <= max_tokens * _CHARACTERS_A_TOKEN and (count := tokens.count(text)) <= max_tokens:
        return Excerpt(text, ((0, len(text)),), len(text), count)
    units = [unit for start, end in _scanned(len(text)) for unit in _units(text, start, end)]
    sizes = [tokens.count(text[unit.start : unit.end]) + 1 for unit in units]  # and a line break
    chosen = _chosen(text, units, sizes, max_tokens)
    spans = _joined(text, [units[number] for number in chosen])
    while spans:
        shown = GAP.join(text[start:end] for start, end in spans)
        count = tokens.count(shown)
        if count <= max_tokens:
            return Excerpt(shown, tuple(spans), len(text), count)
        spans.pop()  # gaps have tokens of their own
    return _cut(text, max_tokens)


def _cut(text: str, max_tokens: int) -> Excerpt:
    """The head of a text whose first sentence is longer than all that may be read."""
    length = min(len(text), max_tokens * _CHARACTERS_A_TOKEN)
    while length and tokens.count(text[:length]) > max_tokens:
        length = length * 3 // 4
    return Excerpt(text[:length], ((0, length),), len(text), tokens.count(text[:length]))


def _scanned(length: int) -> list[tuple[int, int]]:
    """Spans that are looked at: everything, or the head and windows at equal distances."""
    if length <= SCANNED_CHARACTERS:
        return [(0, length)]
    head = SCANNED_CHARACTERS // 4
    size = (SCANNED_CHARACTERS - head) // _WINDOWS
    step = (length - head - size) / (_WINDOWS - 1)
    starts = [head + round(number * step) for number in range(_WINDOWS)]
    return [(0, head), *((start, start + size) for start in starts)]


def _units(text: str, start: int, end: int) -> list[Unit]:
    """Sentences and other units of a span; of a span inside the text, not those that its ends may cut."""
    found = [Unit(each.start + start, each.end + start, each.kind) for each in split(text[start:end])]
    first = 1 if start > 0 and len(found) > 2 else 0
    last = len(found) - 1 if end < len(text) and len(found) > 2 else len(found)
    return found[first:last]


def _chosen(text: str, units: Sequence[Unit], sizes: Sequence[int], max_tokens: int) -> list[int]:
    """Numbers of units: the head, and in turn the most central of each later part."""
    left, head = max_tokens, 0
    for size in sizes:
        if left - size < max_tokens * (1 - HEAD_SHARE):
            break
        head, left = head + 1, left - size
    found = list(range(head))
    gap = tokens.count(GAP)
    for number in _by_centrality(text, units, head):
        size = sizes[number] + gap
        if size <= left:
            found.append(number)
            left -= size
    return sorted(found)


def _by_centrality(text: str, units: Sequence[Unit], first: int) -> Iterator[int]:
    """Numbers of the units from a first one on: the best of each part, then the second best of each …"""
    rest = range(first, len(units))
    if not rest:
        return
    language = language_of(text)
    scores = centrality([content_terms(text[units[number].start : units[number].end], language) for number in rest])
    size = -(-len(rest) // _PARTS)
    parts = [
        sorted(rest[start : start + size], key=lambda each: -scores[each - first])
        for start in range(0, len(rest), size)
    ]
    for turn in zip_longest(*parts):
        yield from (number for number in turn if number is not None)


def _joined(text: str, units: Sequence[Unit]) -> list[tuple[int, int]]:
    """Spans of units, neighbours as one: what lies between them is white space."""
    spans: list[tuple[int, int]] = []
    for unit in units:
        if spans and not text[spans[-1][1] : unit.start].strip():
            spans[-1] = (spans[-1][0], unit.end)
        else:
            spans.append((unit.start, unit.end))
    return spans


def centrality(sentences: Sequence[Sequence[str]]) -> list[float]:
    """Cosine of each sentence's terms with those of all sentences together, 0 to 1.

    Args:
        sentences: the terms of each (``phrases.content_terms``).
    """
    whole = Counter(term for each in sentences for term in each)
    length = _length(whole)
    return [_cosine(Counter(each), whole, length) for each in sentences]


def _cosine(own: Counter[str], whole: Counter[str], length: float) -> float:
    size = _length(own)
    return sum(count * whole[term] for term, count in own.items()) / (size * length) if size else 0.0


def _length(terms: Counter[str]) -> float:
    return math.sqrt(sum(count * count for count in terms.values()))
