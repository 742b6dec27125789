"""Presentations: slides as pages."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from omnilake.errors import CorruptDocument, DecompressionLimit, DocumentTooLarge, NoTextFound, UnsupportedDocumentType
from omnilake.extraction import ExtractionLimits, extract
from omnilake.models import Processor, SegmentKind
from tests.unit.extraction.any_document import any_pptx, saved, with_entry
from tests.unit.extraction.test_formats import assert_covered, lines

BOX = (Inches(1), Inches(2), Inches(5), Inches(2))


def test_slides_are_pages_below_their_titles() -> None:
    document = extract(any_pptx(("Tides", "High at noon.\nLow at six."), ("Fees", "None.")), "deck.pptx")
    assert_covered(document)
    assert document.title == "Tides"
    assert document.processor == Processor.PROSE
    assert [(s.kind, s.page, s.section) for s in document.segments] == [
        (SegmentKind.HEADING, 1, "Tides"), (SegmentKind.PARAGRAPH, 1, "Tides"),
        (SegmentKind.HEADING, 2, "Fees"), (SegmentKind.PARAGRAPH, 2, "Fees"),
    ]  # fmt: skip
    assert lines(document) == ["Tides", "High at noon.\nLow at six.", "Fees", "None."]


def test_tables_charts_groups_and_notes_of_a_slide_are_read() -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Ports"
    table = slide.shapes.add_table(2, 2, *BOX).table
    for place, text in enumerate(("Port", "Fee", "Oslo", "12")):
        table.cell(place // 2, place % 2).text = text
    data = CategoryChartData()
    data.categories = ["2024", "2025"]
    data.add_series("Ships", (3, 4.5))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *BOX, data)
    group = slide.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(*BOX).text_frame.text = "In a group."
    slide.notes_slide.notes_text_frame.text = "Say this aloud."
    document = extract(saved(deck), "deck.pptx")
    assert_covered(document)
    assert lines(document) == [
        "Ports", "Port: Oslo; Fee: 12", "Category: 2024; Ships: 3", "Category: 2025; Ships: 4.5", "In a group.",
        "Notes: Say this aloud.",
    ]  # fmt: skip
    assert document.segments[1].header == "Port; Fee"


def test_a_slide_without_a_title_is_not_in_the_section_of_the_slide_before() -> None:
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "One"
    deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_textbox(*BOX).text_frame.text = "Alone."
    document = extract(saved(deck), "deck.pptx")
    assert [(s.section, s.page) for s in document.segments] == [("One", 1), ("", 2)]


def test_a_presentation_says_who_made_it() -> None:
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "One"
    deck.core_properties.author, deck.core_properties.title = "Ann", "Deck of Ann"
    document = extract(saved(deck), "deck.pptx")
    assert document.title == "Deck of Ann"
    assert document.metadata["author"] == "Ann"


def test_a_slide_show_is_told_apart() -> None:
    data = any_pptx()
    types = _entry(data, "[Content_Types].xml").replace(b"presentation.main+xml", b"slideshow.main+xml")
    with pytest.raises(UnsupportedDocumentType, match="slide show"):
        extract(with_entry(data, "[Content_Types].xml", types), "deck.pptx")


def _entry(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return archive.read(name)


def test_a_broken_slide_is_corrupt_and_quotes_nothing() -> None:
    with pytest.raises(CorruptDocument) as refused:
        extract(with_entry(any_pptx(), "ppt/slides/slide1.xml", b"<p:sld>TOP SECRET"), "deck.pptx")
    assert "SECRET" not in str(refused.value)


def test_a_presentation_without_text_is_refused() -> None:
    with pytest.raises(NoTextFound):
        extract(saved(pptx.Presentation()), "deck.pptx")


def test_bounds_hold_for_presentations() -> None:
    with pytest.raises(DocumentTooLarge):
        extract(any_pptx(("a", "b"), ("c", "d")), "deck.pptx", limits=ExtractionLimits(max_pages=1))
    with pytest.raises(DecompressionLimit):
        extract(with_entry(any_pptx(), "ppt/media/a.bin", bytes(8_000_000)), "deck.pptx")
