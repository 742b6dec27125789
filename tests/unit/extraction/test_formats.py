"""What each format becomes."""

from __future__ import annotations

from io import BytesIO

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import DocumentError
from omnilake.extraction import extract
from omnilake.models import ExtractedDocument, Processor, SegmentKind
from tests.unit.extraction.any_document import DOCX, EXAMPLES, PDF, encrypted_pdf


def lines(document: ExtractedDocument, kind: SegmentKind | None = None) -> list[str]:
    return [document.text[s.start : s.end] for s in document.segments if kind in {None, s.kind}]


def assert_covered(document: ExtractedDocument) -> None:
    position = 0
    for segment in document.segments:
        assert position <= segment.start < segment.end <= len(document.text)
        assert not document.text[position : segment.start].strip()
        position = segment.end
    assert not document.text[position:].strip()
    assert "\x00" not in document.text
    assert "\r" not in document.text
    document.text.encode("utf-8")


@pytest.mark.parametrize(
    "example", sorted(path for path in EXAMPLES.iterdir() if path.is_file()), ids=lambda path: path.name
)
def test_every_example_is_read_and_covered(example: object) -> None:
    path = EXAMPLES / str(example)
    document = extract(path.read_bytes(), path.name)
    assert len(document.text.split()) > 250
    assert_covered(document)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
markup = st.sampled_from(
    ["# ", "\n", "\n\n", "- ", "1. ", "```\n", "> ", "---\n", "| a | b |\n|---|---|\n", "<p>", "</p>", "<ol>",
     "<li>", "<td colspan=2 rowspan=3>", "</table>", "<ul>", "<h2>", '"', ",", ";", "\t", "00:01.000 --> 00:02.000\n",
     "<v Ann>", "Ann: ", '{"a": 1}', "[", "]", "{", "}", "def f():\n    ", "class A {", "};", "// c\n", "From: a\n",
     "Content-Type: text/html\n", "[00:01] Bo: ", "\r\n", "\x00", "&amp;", "<br>", "<table><tr><td>"]
)  # fmt: skip


@settings(max_examples=300)
@given(
    pieces=st.lists(st.one_of(words, markup), max_size=40),
    suffix=st.sampled_from(
        ["txt", "md", "html", "csv", "tsv", "vtt", "srt", "json", "jsonl", "eml", "py", "ts", "cpp", "sql"]
    ),
)
def test_segments_are_in_order_and_cover_all_text(pieces: list[str], suffix: str) -> None:
    try:
        document = extract("".join(pieces).encode(), f"a.{suffix}")
    except DocumentError:
        return
    assert_covered(document)


@settings(max_examples=100)
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Cn", "Zl", "Zp"]), min_size=1),
    suffix=st.sampled_from(["txt", "md", "py", "rs", "sql"]),
)
def test_text_markdown_and_code_are_stored_as_they_are(text: str, suffix: str) -> None:
    source = "q" + text
    assert extract(source.encode(), f"a.{suffix}").text == source


def test_markdown_keeps_headings_lists_code_and_table_rows() -> None:
    source = (
        "# Top\n\nIntro.\n\n## Part *two*\n\n- one\n- two\n\n```py\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    document = extract(source.encode(), "a.md")
    assert document.title == "Top"
    assert [segment.kind.value for segment in document.segments] == [
        "heading", "paragraph", "heading", "list", "list", "code", "row", "row"
    ]  # fmt: skip
    assert document.segments[3].section == "Top > Part two"
    assert document.segments[-1].header == "| a | b |"


def test_front_matter_gives_the_title_and_is_no_heading() -> None:
    document = extract(b"---\ntitle: The plan\n---\n\nText.\n", "a.md")
    assert document.title == "The plan"
    assert not lines(document, SegmentKind.HEADING)


def test_html_leaves_out_what_is_not_read() -> None:
    source = (
        "<title>T</title><nav>Home</nav><script>bad()</script><style>b{}</style><h1>Head</h1><p hidden>no</p>"
        "<p>One <b>bold</b><br>line &amp; more</p><div style='display:none'>no</div>after"
    )
    document = extract(source.encode(), "a.html")
    assert document.title == "T"
    assert lines(document) == ["Head", "One bold line & more", "after"]


def test_html_lists_are_numbered_and_nested() -> None:
    document = extract(b"<ol start=3><li>c<ul><li>x</ul><li>d</ol>", "a.html")
    assert lines(document, SegmentKind.LIST) == ["3. c", "- x", "4. d"]


def test_html_tables_become_rows_that_name_their_columns() -> None:
    head = "<tr><th>Port<th>Level<th>Time</tr>"
    source = f"<table>{head}<tr><td rowspan=2>Oslo<td>4<td>09:00</tr><tr><td>5<td>10:00</tr></table>"
    document = extract(source.encode(), "a.html")
    assert lines(document, SegmentKind.ROW) == [
        "Port: Oslo; Level: 4; Time: 09:00",
        "Port: Oslo; Level: 5; Time: 10:00",
    ]
    assert document.segments[0].header == "Port; Level; Time"


def test_layout_tables_are_read_as_blocks() -> None:
    document = extract(b"<table><tr><td><h2>A</h2><p>one</td><td><table><tr><td>x<td>y</table></td></table>", "a.html")
    assert lines(document) == ["A", "one", "x | y"]


def test_html_in_its_declared_encoding_is_read() -> None:
    source = "<meta charset=iso-8859-1><p>L'été à Paris — 5 €".encode("cp1252")
    assert lines(extract(source, "a.html")) == ["L'été à Paris — 5 €"]


def test_csv_rows_name_their_columns() -> None:
    document = extract(b'name;size;note\r\n"a;b";5;\r\nc;6;"two\nlines"\r\n', "a.csv", processor=Processor.PROSE)
    assert lines(document) == ["name: a;b; size: 5", "name: c; size: 6; note: two lines"]
    assert {segment.header for segment in document.segments} == {"name; size; note"}


def test_a_csv_without_a_header_keeps_its_first_row() -> None:
    assert lines(extract(b"1,2\n3,4\n", "a.csv")) == ["1 | 2", "3 | 4"]


def test_a_title_line_above_a_csv_table_is_a_paragraph() -> None:
    document = extract(b"Cups,,\nTeam,City,Wins\nLeafs,Toronto,13\n", "a.csv")
    assert lines(document)[:2] == ["Cups", "Table a: 1 row, 3 columns."]
    assert lines(document, SegmentKind.ROW) == ["Team: Leafs; City: Toronto; Wins: 13"]


def test_vtt_cues_become_turns_with_speaker_and_time() -> None:
    source = (
        "WEBVTT - Weekly\n\nNOTE not this\n\n1\n00:00:01.500 --> 00:00:02.000\n<v Ann Lee>Hello <i>all</i>.\n\n"
        "00:03.000 --> 00:04.000\n<v Ann Lee>We start.\n\n01:00:05.000 --> 01:00:06.000\nBo: Yes &amp; no.\n"
    )
    document = extract(source.encode(), "a.vtt")
    assert document.title == "Weekly"
    assert lines(document) == ["Ann Lee: Hello all. We start.", "Bo: Yes & no."]
    assert [(s.speaker, s.time_s) for s in document.segments] == [("Ann Lee", 1.5), ("Bo", 3605.0)]


def test_srt_is_read_with_its_comma_times() -> None:
    document = extract(b"1\n00:00:01,250 --> 00:00:02,000\nHello.\n", "a.srt")
    assert document.segments[0].time_s == 1.25


def test_a_plain_transcript_stays_as_it_is_and_has_turns() -> None:
    source = (
        "Notes\n[00:01:02] Ann: Hello.\nStill me.\n[00:01:09] Bo Lee: Hi.\n(01:15) Ann: So.\n00:01:20 Bo Lee: Bye.\n"
    )
    document = extract(source.encode(), "call.txt")
    assert document.text == source
    assert [(s.speaker, s.time_s) for s in document.segments if s.kind == SegmentKind.TURN] == [
        ("Ann", 62.0), ("Bo Lee", 69.0), ("Ann", 75.0), ("Bo Lee", 80.0)
    ]  # fmt: skip


def test_a_list_of_settings_is_no_transcript() -> None:
    document = extract(b"Name: tide\nOwner: Ann\nRegion: north\nTier: one\nCost: low\n", "a.txt")
    assert not lines(document, SegmentKind.TURN)


def test_pdf_segments_have_pages_and_sections_of_the_bookmarks() -> None:
    document = extract(PDF.read_bytes(), PDF.name)
    assert document.title == "Post-mortem of incident NT-2291"
    assert {segment.page for segment in document.segments} == {1, 2}
    assert "Timeline (UTC)" in lines(document, SegmentKind.HEADING)
    caused = next(s for s in document.segments if "was caused by" in document.text[s.start : s.end])
    assert (caused.section, caused.page) == ("Summary", 1)


def test_a_pdf_that_only_restricts_printing_is_read() -> None:
    assert "NT-2291" in extract(encrypted_pdf(user_password=""), "a.pdf").text


def test_a_pdf_behind_a_line_of_a_mail_gateway_is_read() -> None:
    assert "NT-2291" in extract(b"X-Scanned: yes\r\n" + PDF.read_bytes(), "a.pdf").text


def test_docx_keeps_headings_and_tables_in_document_order() -> None:
    document = extract(DOCX.read_bytes(), DOCX.name)
    kinds = [segment.kind for segment in document.segments]
    first_row, last_heading = kinds.index(SegmentKind.ROW), len(kinds) - 1 - kinds[::-1].index(SegmentKind.HEADING)
    assert first_row < last_heading
    row = document.segments[first_row]
    assert row.section == "On-call handbook > When you are paged > Severities"
    assert document.text[row.start : row.end].startswith("Severity: 1; Means: More than 10 ports")


def test_docx_text_in_revisions_and_content_controls_is_read() -> None:
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    source = docx.Document()
    body = source.element.body
    body.insert(
        0,
        parse_xml(
            f"<w:p {nsdecls('w')}><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r>"
            "<w:delText>old</w:delText></w:r></w:del></w:p>"
        ),
    )
    body.insert(
        1,
        parse_xml(f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>held</w:t></w:r></w:p></w:sdtContent></w:sdt>"),
    )
    packed = BytesIO()
    source.save(packed)
    assert lines(extract(packed.getvalue(), "a.docx")) == ["new", "held"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_text_is_read_in_every_form(encoding: str) -> None:
    text = "The harbour of Tromsø has a naïve café. " * 3
    assert extract(text.encode(encoding), "a.txt").text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Все люди рождаются свободными и равными в своем достоинстве и правах. "),
        ("cp1253", "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. "),
        ("cp1252", "Die Prüfung der Lösungen wäre für Schüler möglich, fünf Jäger übten früh im Grünen. "),
        ("shift_jis", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"),
    ],
)
def test_a_legacy_encoding_beyond_doubt_is_read(encoding: str, text: str) -> None:
    assert extract((text * 4).encode(encoding), "a.txt").text == text * 4


def test_line_ends_and_control_characters_are_normalised() -> None:
    assert extract(b"one\r\ntwo\rthree\x00four" + b" more" * 20, "a.txt").text == "one\ntwo\nthreefour" + " more" * 20
