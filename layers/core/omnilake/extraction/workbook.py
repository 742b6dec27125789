"""XLSX by openpyxl, row by row: each sheet is a table.

openpyxl fills the gaps between rows and cells with empty ones. A sheet may name row 1,048,576 and column XFD in a few
bytes, so the cells that come out are counted (``ExtractionLimits.max_cells``).
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

from omnilake.errors import DecompressionLimit, DocumentTooLarge, UnsupportedDocumentType
from omnilake.extraction.archive import ZIP_ERRORS, check_archive, open_archive
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.parsers import parser_call
from omnilake.extraction.structure import fold, normalise
from omnilake.extraction.tables import Table, find_table

_MAX_ROW = 1_048_576
_SHEETS = "xl/worksheets/"


class Workbook:
    """An XLSX file that is open for reading; formulas stand as the values that they had when it was saved.

    Args:
        data: the file.
        limits: most sheets (``max_pages``) and cells.
    Raises (here and while its tables are read):
        DecompressionLimit: a bomb (see ``archive``), or more cells than allowed.
        EncryptedDocument: an entry needs a password.
        UnsupportedDocumentType: a binary workbook (XLSB).
        CorruptDocument: not readable.
        DocumentTooLarge: more sheets than allowed.
    """

    def __init__(self, data: bytes, limits: ExtractionLimits) -> None:
        with parser_call("Excel workbook", corrupt=ZIP_ERRORS), open_archive(data, limits) as archive:
            check_archive(archive, limits, streamed=_SHEETS)
            names = archive.namelist()
            if "xl/workbook.bin" in names:
                raise UnsupportedDocumentType("The content is of a kind that is not read: binary Excel workbook.")
        from openpyxl import load_workbook

        # Its warnings quote cells, and document content belongs in no log.
        warnings.filterwarnings("ignore", module=r"openpyxl\.")
        self._max_cells = limits.max_cells
        with _reading():
            self._book: Any = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
            if len(self._book.worksheets) > limits.max_pages:
                raise DocumentTooLarge(f"The workbook has more than {limits.max_pages} sheets.")
        # openpyxl makes properties up for a file without them.
        properties = self._book.properties if "docProps/core.xml" in names else None
        self.title = fold(normalise(properties.title or "")) if properties else ""
        self.metadata = _told(properties) if properties else {}

    def tables(self) -> Iterator[Table]:
        """The sheets in their order, hidden ones too, empty ones without rows; each is read before the next."""
        for sheet in self._book.worksheets:
            sheet.reset_dimensions()  # what the sheet says of its size is padded to, and need not be true
            yield find_table(self._rows(sheet), fold(normalise(sheet.title)) or "sheet")

    def _rows(self, sheet: Any) -> Iterator[list[str]]:
        cells = rows = 0
        with _reading():
            for row in sheet.iter_rows(values_only=True):
                rows += 1
                cells += len(row)
                if cells > self._max_cells or rows > _MAX_ROW:
                    raise DecompressionLimit("A sheet of the workbook has more cells than are allowed.")
                if row:
                    yield [_text(value) for value in row]


def _told(properties: Any) -> dict[str, str]:
    told = {"author": properties.creator, "subject": properties.subject, "created": properties.created}
    texts = {name: fold(_text(value)) for name, value in told.items()}
    return {name: text for name, text in texts.items() if text}


def _text(value: object) -> str:
    """A cell as text: figures without a needless fraction, dates and times by ISO 8601."""
    match value:
        case None:
            return ""
        case str():
            return normalise(value)
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


def _reading() -> AbstractContextManager[None]:
    """The fence around openpyxl's calls."""
    from lxml import etree
    from openpyxl.utils.exceptions import InvalidFileException

    corrupt = (InvalidFileException, etree.LxmlError, SyntaxError, KeyError, ValueError, TypeError, *ZIP_ERRORS)
    return parser_call("Excel workbook", corrupt=corrupt)
