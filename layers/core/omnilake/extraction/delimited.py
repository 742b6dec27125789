"""CSV and TSV: a table whose rows stand in lines."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from itertools import islice

from omnilake.errors import CorruptDocument
from omnilake.extraction.tables import Table, find_table

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 64 * 1024
_SAMPLE_ROWS = 50
_MAX_FIELD_CHARACTERS = 16 * 1024 * 1024


def delimited_table(text: str, media_type: str) -> Table:
    """Table of a normalised CSV or TSV text.

    The delimiter is the one that cuts the first rows most evenly (TSV: the tab). The first row names the columns when
    it looks so (``looks_like_header``); lines above it that fill one cell only are title lines. Cells stay what they
    are: nothing is calculated, and what a spreadsheet program would run as a formula is text.

    Raises (also while its rows are read):
        CorruptDocument: a field longer than 16 Mi characters (an open quote).
    """
    delimiter = "\t" if media_type == "text/tab-separated-values" else find_delimiter(text[:_SAMPLE_CHARACTERS])
    return find_table(_rows(text, delimiter))


def find_delimiter(sample: str) -> str:
    """The delimiter that gives the most rows of one width; the comma when none cuts at all.

    ``csv.Sniffer`` takes letters for delimiters in tables with one column, hence the closed choice.
    """

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in islice(_rows(sample, delimiter), _SAMPLE_ROWS) if len(row) > 1)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return count, width

    return max(_DELIMITERS, key=evenness)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    try:
        # strict is off: a quote inside an unquoted field is text.
        for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter):
            if any(map(str.strip, row)):
                yield row
    except csv.Error as error:
        raise CorruptDocument("The rows can't be told apart.", exception=type(error).__name__) from None
