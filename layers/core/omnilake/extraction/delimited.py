"""CSV and TSV: one line a row, ``column: value; column: value``."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from itertools import chain, islice

from omnilake.errors import CorruptDocument
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.structure import TextRecorder, fold
from omnilake.extraction.tables import header_line, looks_like_header, render_row
from omnilake.models import ExtractedDocument, SegmentKind

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 64 * 1024
_SAMPLE_ROWS = 50
_MAX_FIELD_CHARACTERS = 16 * 1024 * 1024


def read_delimited(text: str, title: str, media_type: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a normalised CSV or TSV text.

    The delimiter is the one that cuts the first rows most evenly (TSV: the tab). The first row names the columns when
    it looks so (``looks_like_header``); lines above it that fill one cell only are titles and become paragraphs.

    Raises:
        CorruptDocument: a field longer than 16 Mi characters (an open quote).
        NoTextFound: no cell holds text.
        DocumentTooLarge: more text or rows than the limits allow.
    """
    delimiter = "\t" if media_type == "text/tab-separated-values" else find_delimiter(text[:_SAMPLE_CHARACTERS])
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    recorder = TextRecorder(limits)
    try:
        rows = _rows(text, delimiter)
        preamble, head = _split_preamble(list(islice(rows, _SAMPLE_ROWS)))
        for line in preamble:
            recorder.add(render_row(line, None))
        names: list[str] | None = None
        header: str | None = None
        if looks_like_header(head):
            names, header = [fold(cell) for cell in head[0]], header_line(head[0])
            head = head[1:]
        for row in chain(head, rows):
            recorder.add(render_row(row, names), SegmentKind.ROW, header=header)
    except csv.Error as error:
        raise CorruptDocument("The rows can't be told apart.", exception=type(error).__name__) from None
    return recorder.finish(media_type, title)


def find_delimiter(sample: str) -> str:
    """The delimiter that gives the most rows of one width; the comma when none cuts at all.

    ``csv.Sniffer`` takes letters for delimiters in tables with one column, hence the closed choice.
    """

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in islice(_rows(sample, delimiter), _SAMPLE_ROWS) if len(row) > 1)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
        return count, width

    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    return max(_DELIMITERS, key=evenness)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    # strict is off: a quote inside an unquoted field is text.
    return (row for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row)))


def _split_preamble(rows: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Title lines above a table: leading rows with one filled cell where the table has two columns or more."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    if max(filled, default=0) < 2:
        return [], rows
    first = next(number for number, count in enumerate(filled) if count > 1)
    return rows[:first], rows[first:]
