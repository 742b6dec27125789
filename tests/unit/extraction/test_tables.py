"""Tables: CSV, workbooks and JSON whose values are records."""

from __future__ import annotations

import csv
import datetime
import zipfile
from io import BytesIO, StringIO

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import CorruptDocument, DecompressionLimit, DocumentTooLarge, NoTextFound, UnsupportedDocumentType
from omnilake.extraction import ExtractionLimits, extract, open_document
from omnilake.extraction.columns import TableSummary
from omnilake.extraction.structure import fold, normalise
from omnilake.extraction.tables import unique_names
from omnilake.models import Processor, SegmentKind
from tests.unit.extraction.any_document import any_xlsx, saved, with_entry
from tests.unit.extraction.test_formats import assert_covered, lines

STOCK = b"""sku,warehouse,price,counted
007,Oslo,9.99,2026-01-02
008,Oslo,"1,299.00",2025-12-31
009,Bergen,12,
010,Oslo,0.50,2026-02-01
"""


def summary(rows: list[list[str]], columns: list[str]) -> list[str]:
    told = TableSummary(columns)
    for row in rows:
        told.observe(row)
    return list(told.lines("t"))


def test_a_table_with_named_columns_is_read_by_rows_below_a_summary() -> None:
    document = extract(STOCK, "stock.csv")
    assert document.processor == Processor.ROWS
    assert_covered(document)
    assert lines(document) == [
        "Table stock: 4 rows, 4 columns.",
        "- sku: text; 4 different values, such as 007, 008, 009",
        "- warehouse: text; Oslo (3), Bergen (1)",
        "- price: number from 0.50 to 1,299.00",
        "- counted: date from 2025-12-31 to 2026-02-01; 1 empty",
        "sku: 007; warehouse: Oslo; price: 9.99; counted: 2026-01-02",
        "sku: 008; warehouse: Oslo; price: 1,299.00; counted: 2025-12-31",
        "sku: 009; warehouse: Bergen; price: 12",
        "sku: 010; warehouse: Oslo; price: 0.50; counted: 2026-02-01",
    ]
    assert {s.header for s in document.segments if s.kind == SegmentKind.ROW} == {"sku; warehouse; price; counted"}


def test_a_table_read_as_prose_has_no_summary() -> None:
    document = extract(STOCK, "stock.csv", processor=Processor.PROSE)
    assert document.processor == Processor.PROSE
    assert lines(document)[0] == "sku: 007; warehouse: Oslo; price: 9.99; counted: 2026-01-02"


def test_rows_come_as_they_stand_in_the_file() -> None:
    opened = open_document(STOCK, "stock.csv")
    assert opened.columns == ("sku", "warehouse", "price", "counted")
    rows = list(opened.rows())
    assert rows[1] == {"sku": "008", "warehouse": "Oslo", "price": "1,299.00", "counted": "2025-12-31"}
    assert [row["counted"] for row in rows] == ["2026-01-02", "2025-12-31", "", "2026-02-01"]


def test_rows_of_a_table_without_a_header_are_numbered() -> None:
    opened = open_document(b"1,2\n3,4,5\n", "a.csv")
    assert opened.processor == Processor.PROSE
    assert list(opened.rows()) == [
        {"column 1": "1", "column 2": "2"},
        {"column 1": "3", "column 2": "4", "column 3": "5"},
    ]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "=HYPERLINK(1)"])
def test_what_a_spreadsheet_would_run_stays_text(cell: str) -> None:
    data = f'name,value\nx,"{cell}"\ny,z\n'.encode()
    assert f"name: x; value: {cell}" in lines(extract(data, "a.csv"))
    assert next(open_document(data, "a.csv").rows()) == {"name": "x", "value": cell}


def test_no_other_document_has_rows() -> None:
    assert list(open_document(b"# a,b\n1,2\n", "a.md").rows()) == []


cells = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn"], exclude_characters=";|"), max_size=8)


@settings(max_examples=150)
@given(rows=st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=12))
def test_every_cell_of_a_csv_is_in_its_rows_and_in_its_text(rows: list[list[str]]) -> None:
    written = StringIO()
    csv.writer(written).writerows([["a", "b", "c", "d"], ["w", "x", "y", "z"], *rows])
    opened = open_document(written.getvalue().encode(), "a.csv")
    text = opened.read().text
    kept = [cells for row in rows if any(cells := [cell for cell in row if cell.strip()])]
    assert [[cell for cell in row.values() if cell.strip()] for row in opened.rows()][1:] == [
        [normalise(cell) for cell in row] for row in kept
    ]
    for cell in (cell for row in kept for cell in row):
        assert fold(cell) in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["3", "10", "-2"], "whole number from -2 to 10"),
        (["3.5", "10"], "number from 3.5 to 10"),
        (["1.234,50", "7,25"], "number from 7,25 to 1.234,50"),
        (["45 %", "7 %"], "number from 7 % to 45 %"),
        (["$5", "$1,000"], "number from $5 to $1,000"),
        (["2026-01-02", "2025-01-01 10:00"], "time from 2025-01-01 10:00 to 2026-01-02"),
        (["yes", "No", "yes"], "yes or no; yes (2), No (1)"),
        (["007", "008"], "text; 2 different values, such as 007, 008"),
        (["x", "x"], "always x"),
        (["", " "], "empty"),
        (["a", "b", "a", "b", ""], "text; a (2), b (2); 1 empty"),
        (["3", "about 4"], "text; 2 different values, such as 3, about 4"),
        (["2026-02-31", "2026-13-01"], "text; 2 different values, such as 2026-02-31, 2026-13-01"),
        (["w" * 100, "w" * 100], f"always {'w' * 59}…"),
    ],
)
def test_a_column_is_summed_up_by_what_all_its_cells_are(values: list[str], told: str) -> None:
    assert summary([[value, "-"] for value in values], ["v", "w"])[1] == f"- v: {told}"


def test_a_summary_stays_short_whatever_the_table() -> None:
    rows = [[f"{row}-{column}" for column in range(300)] for row in range(1_200)]
    told = summary(rows, [f"c{column}" for column in range(300)])
    assert told[0] == "Table t: 1200 rows, 300 columns."
    assert len(told) == 201
    assert told[1] == "- c0: text; more than 1000 different values, such as 0-0, 1-0, 2-0"


@given(names=st.lists(st.sampled_from(["", "a", "a (2)", "column 1"]), max_size=6))
def test_names_of_columns_become_different_keys(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    assert all(unique)


# --- workbooks ---------------------------------------------------------------------------------------------------


def test_each_sheet_of_a_workbook_is_a_section_with_its_own_table() -> None:
    data = any_xlsx(
        Fees=[["Fees 2026"], [], ["Port", "Fee"], ["Oslo", 12.5], ["Bergen", 8]],
        Staff=[["Name", "Since"], ["Ann", datetime.date(2020, 5, 1)], ["Bo", datetime.datetime(2021, 1, 1, 9, 30)]],
        Empty=[],
    )
    document = extract(data, "harbour.xlsx")
    assert_covered(document)
    assert lines(document, SegmentKind.HEADING) == ["Fees", "Staff"]
    assert lines(document, SegmentKind.ROW) == [
        "Port: Oslo; Fee: 12.5", "Port: Bergen; Fee: 8", "Name: Ann; Since: 2020-05-01",
        "Name: Bo; Since: 2021-01-01 09:30:00",
    ]  # fmt: skip
    assert "Table Staff: 2 rows, 2 columns." in lines(document)
    assert {s.section for s in document.segments} == {"Fees", "Staff"}
    assert document.processor == Processor.ROWS


def test_rows_of_a_workbook_name_their_sheet() -> None:
    opened = open_document(any_xlsx(A=[["sheet", "n"], ["x", 1]], B=[["m", "k"], ["y", True]]), "a.xlsx")
    assert opened.columns == ("sheet", "n", "m", "k")
    assert list(opened.rows()) == [
        {"sheet (2)": "A", "sheet": "x", "n": "1"},
        {"sheet": "B", "m": "y", "k": "TRUE"},
    ]


def test_a_table_that_begins_in_a_later_column_has_its_header() -> None:
    data = any_xlsx(S=[[None, "Port", "Fee"], [None, "Oslo", 1], [None, "Moss", 2]])
    assert lines(extract(data, "a.xlsx"), SegmentKind.ROW) == ["Port: Oslo; Fee: 1", "Port: Moss; Fee: 2"]


def test_formulas_of_a_workbook_stand_as_text_where_no_value_was_kept() -> None:
    data = any_xlsx(S=[["a", "b"], ["x", "=1+1"], ["y", "z"]])
    assert "=" not in extract(data, "a.xlsx").text


def test_a_workbook_says_who_made_it() -> None:
    book = openpyxl.Workbook()
    book.active.append(["text"])
    book.properties.creator, book.properties.title = "Ann", "Fees"
    book.properties.created = datetime.datetime(2026, 1, 2, 3, 4, 5)
    document = extract(saved(book), "a.xlsx")
    assert document.title == "Fees"
    assert document.metadata == {"author": "Ann", "created": "2026-01-02 03:04:05"}


def test_a_workbook_without_properties_has_no_invented_ones() -> None:
    book = openpyxl.Workbook()
    book.active.append(["text"])
    data = saved(book)
    bare = _without(data, "docProps/core.xml")
    assert extract(bare, "a.xlsx").metadata == {}


def _without(data: bytes, entry: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            if name != entry:
                target.writestr(name, source.read(name))
    return packed.getvalue()


SHEET = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/>'
    b"<sheetData>%s</sheetData></worksheet>"
)


def sheet(rows: bytes) -> bytes:
    return with_entry(any_xlsx(S=[["text"]]), "xl/worksheets/sheet1.xml", SHEET % rows)


def cell(place: str) -> bytes:
    return f'<c r="{place}" t="inlineStr"><is><t>far</t></is></c>'.encode()


def test_a_cell_at_the_end_of_a_sheet_does_not_fill_it_with_empty_ones() -> None:
    document = extract(sheet(b'<row r="1048576">' + cell("XFD1048576") + b"</row>"), "a.xlsx")
    assert lines(document) == ["S", "far"]


@pytest.mark.parametrize(
    "rows",
    [
        b"".join(b'<row r="%d">%s</row>' % (row, cell(f"XFD{row}")) for row in range(1, 40)),
        b'<row r="2000000000">' + cell("A2000000000") + b"</row>",
    ],
)
def test_a_sheet_of_nothing_but_gaps_is_refused(rows: bytes) -> None:
    with pytest.raises(DecompressionLimit):
        extract(sheet(rows), "a.xlsx", limits=ExtractionLimits(max_cells=500_000))


def test_a_binary_workbook_is_told_apart() -> None:
    with pytest.raises(UnsupportedDocumentType, match="binary Excel"):
        extract(with_entry(any_xlsx(), "xl/workbook.bin", b"x"), "a.xlsx")


def test_a_workbook_with_a_broken_sheet_is_corrupt_and_quotes_nothing() -> None:
    with pytest.raises(CorruptDocument) as refused:
        extract(with_entry(any_xlsx(), "xl/worksheets/sheet1.xml", b"<worksheet>TOP SECRET"), "a.xlsx")
    assert "SECRET" not in str(refused.value)


def test_a_workbook_of_pictures_has_no_text() -> None:
    with pytest.raises(NoTextFound):
        extract(any_xlsx(S=[], T=[[None]]), "a.xlsx")


def test_more_rows_than_allowed_are_refused_before_they_are_gathered() -> None:
    data = b"a,b\n" + b"x,y\n" * 5_000
    with pytest.raises(DocumentTooLarge):
        extract(data, "a.csv", limits=ExtractionLimits(max_segments=100))
    with pytest.raises(DocumentTooLarge):
        extract(data, "a.csv", limits=ExtractionLimits(max_characters=100))


# --- JSON --------------------------------------------------------------------------------------------------------


def test_records_of_json_lines_are_rows_with_all_their_columns() -> None:
    data = b'{"id": 1, "port": {"name": "Oslo"}, "tags": ["a", "b"]}\n\n{"id": 2, "fee": 1.50, "open": null}\n'
    opened = open_document(data, "a.jsonl")
    assert opened.processor == Processor.ROWS
    assert list(opened.rows()) == [
        {"id": "1", "port.name": "Oslo", "tags": "a; b", "fee": "", "open": ""},
        {"id": "2", "port.name": "", "tags": "", "fee": "1.50", "open": ""},
    ]
    assert lines(opened.read(), SegmentKind.ROW) == ["id: 1; port.name: Oslo; tags: a; b", "id: 2; fee: 1.50"]


def test_a_json_list_of_flat_objects_is_a_table() -> None:
    document = extract(b'[{"a": "x", "b": true}, {"a": "y", "b": false}]', "a.json")
    assert document.media_type == "application/json"
    assert lines(document, SegmentKind.ROW) == ["a: x; b: true", "a: y; b: false"]


def test_json_lines_under_the_name_of_json_are_read_as_lines() -> None:
    assert extract(b'{"a": 1}\n{"a": 2}\n', "a.json").media_type == "application/jsonl"


def test_a_bad_line_is_named_and_not_quoted() -> None:
    with pytest.raises(CorruptDocument, match="Line 4 of") as refused:
        extract(b'{"a": 1}\n\n{"a": 2}\n{"a": SECRET}\n', "a.jsonl")
    assert "SECRET" not in str(refused.value)
