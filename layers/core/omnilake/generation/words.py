"""How much of a question's words a text holds, and whether numbers are asked for and given.

English function words, endings and number words; other languages are compared word by word. Needs nothing but the
standard library, so that states without a model can use it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_TOKEN = re.compile(r"[^\W_]+")
_STOP = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have how i if in into is it its may me
    might must my no not of on or our shall should so some such than that the their them then there these they this
    those to up us was we were what when where which while who whom whose why will with would you your
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def tidy(text: str) -> str:
    """Text on one line: runs of white space as one space, without control and format characters."""
    visible = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return " ".join(visible.split())


def terms(text: str) -> list[str]:
    """Lower-case words without function words, plural and verb endings taken off."""
    return [_stem(word) for word in _TOKEN.findall(text.lower()) if word not in _STOP]


def _stem(word: str) -> str:
    """Endings off, no more: enough to match "executions" with "execution" and "named" with "names"."""
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not (ending == "s" and word.endswith("ss")):
            word = word[: -len(ending)] + rest
            break
    return word.removesuffix("e") if len(word) > 3 else word


_ASKS_QUANTITY = re.compile(
    r"\b(?:how (?:long|many|much|often|large|big|old|far|fast|late|soon|high|low)|maximum|minimum|max|min|limits?|"
    r"quotas?|what (?:time|date|year|percentage|number|size|version)|which (?:date|year|number|version))\b"
    r"|(?:^\W*|\b(?:and|or|by|from|since|until)\s+)when\b",  # not "what was said when they met"
    re.I,
)
_QUANTITY = re.compile(
    r"\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|hundred|"
    r"thousand|million|billion|once|twice|half|dozen)\b",
    re.I,
)


def asks_quantity(question: str) -> bool:
    """Whether a number, a size or a time would answer an English question."""
    return _ASKS_QUANTITY.search(question) is not None


def holds_quantity(text: str) -> bool:
    """Whether an English text holds a number, in digits or in words."""
    return _QUANTITY.search(text) is not None


def inverse_document_frequency(documents: Sequence[set[str]]) -> dict[str, float]:
    """Weight of each term: rare among the documents, heavy. Smoothed as in BM25, never negative."""
    counts = Counter(term for document in documents for term in document)
    return {term: math.log(1 + (len(documents) - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def overlap(query: Sequence[str], document: set[str], weights: dict[str, float]) -> float:
    """Share of the query's weight that the document holds, 0 to 1. Terms that no document holds weigh as the rarest."""
    rarest = max(weights.values(), default=1.0)
    asked = {term: weights.get(term, rarest) for term in query}
    total = sum(asked.values())
    return sum(weight for term, weight in asked.items() if term in document) / total if total > 0 else 0.0
