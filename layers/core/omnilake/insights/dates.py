"""Dates that a text names, as ISO 8601. Only what stands there: nothing is completed from today's date, and what could
be two dates is none (3/4/2026).

Patterns, because the libraries for free text guess: dateparser 1.5 reads "a second" as now and "1" as the first of this
month, and takes 25 ms for a kilobyte; python-dateutil fills what is missing from today.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date

_NAMES = {
    1: "january jan januar jän janvier janv enero ene gennaio gen janeiro januari",
    2: "february feb februar février févr fevrier febrero febbraio fevereiro fev februari",
    3: "march mar märz mrz mars marzo março maart mrt",
    4: "april apr avril avr abril abr aprile",
    5: "may mai mayo maggio mag maio mei",
    6: "june jun juni juin junio giugno giu junho",
    7: "july jul juli juillet juil julio luglio lug julho",
    8: "august aug août aout agosto ago augustus",
    9: "september sept sep septembre septiembre settembre set setembro",
    10: "october oct oktober okt octobre octubre ottobre ott outubro out",
    11: "november nov novembre noviembre novembro",
    12: "december dec dezember dez décembre déc diciembre dic dicembre dezembro",
}
"""English, German, French, Spanish, Italian, Portuguese, Dutch, with their usual short forms."""

_MONTHS = {name: number for number, names in _NAMES.items() for name in names.split()}

NAMES_OF_TIME = frozenset(_MONTHS) | frozenset(
    """monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag
    sonntag lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
"""Months and days of the week: capitalised, and nobody's names."""

_MONTH = "(?P<month>" + "|".join(sorted(map(re.escape, _MONTHS), key=len, reverse=True)) + r")\b\.?"
_YEAR = r"(?P<year>[12]\d{3})(?!\d)"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th|er|º|\.)?"
_GAP = r"\s{1,5}"
_OF = rf"(?:{_GAP}(?:of|de|del|di))?"

_PATTERNS = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"(?<![\d-])" + _YEAR + r"-(?P<number>[01]\d)-(?P<day>[0-3]\d)(?!\d)",
        r"(?<![\d/])" + _YEAR + r"/(?P<number>[01]?\d)/(?P<day>[0-3]?\d)(?![\d/])",
        r"(?<![\d.])(?P<day>[0-3]?\d)\.\s?(?P<number>[01]?\d)\.\s?" + _YEAR + r"(?!\.\d)",
        r"(?<![\d/])(?P<first>[0-3]?\d)/(?P<second>[0-3]?\d)/" + _YEAR + r"(?!/)",
        rf"(?<![\w.,:]){_DAY}{_OF}{_GAP}{_MONTH},?{_OF}{_GAP}{_YEAR}",
        rf"(?<!\w){_MONTH}{_GAP}{_DAY},?{_GAP}{_YEAR}",
        rf"(?<!\w){_MONTH},?{_OF}{_GAP}{_YEAR}",
        _YEAR + r"\s?年\s?(?P<number>[01]?\d)\s?月(?:\s?(?P<day>[0-3]?\d)\s?日)?",
        _YEAR + r"\s?년\s?(?P<number>[01]?\d)\s?월(?:\s?(?P<day>[0-3]?\d)\s?일)?",
    )
)


def find(text: str, limit: int) -> list[str]:
    """The first ``limit`` different dates in the order of the text: ``YYYY-MM-DD``, or ``YYYY-MM`` without a day."""
    folded = unicodedata.normalize("NFKC", text)  # full-width digits
    found: list[tuple[int, int, str]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(folded):
            found += [(match.start(), match.end(), each) for each in _date(match)]
    ordered = dict.fromkeys(each for _, _, each in _longest(found))
    return list(ordered)[:limit]


def _longest(found: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Matches from left to right; of two that overlap the longer one: "March 2026" is in "21 March 2026"."""
    taken = 0
    for start, end, told in sorted(found, key=lambda each: (each[0], -each[1])):
        if start >= taken:
            taken = end
            yield start, end, told


def _date(match: re.Match[str]) -> Iterator[str]:
    parts = match.groupdict()
    year = int(parts["year"])
    month, day = _month(parts), parts.get("day")
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        if first != second and max(first, second) <= 12:
            return  # day and month, or month and day
        month, day = (second, str(first)) if second <= 12 else (first, str(second))
    try:
        told = date(year, month, int(day or 1))
    except ValueError:
        return
    yield told.isoformat() if day else told.isoformat()[:7]


def _month(parts: dict[str, str | None]) -> int:
    if name := parts.get("month"):
        return _MONTHS[name.casefold()]
    return int(parts.get("number") or 0)
