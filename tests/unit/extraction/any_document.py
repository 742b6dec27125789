"""Makers of small real files for the extraction tests."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PDF = EXAMPLES / "postmortem-nt-2291.pdf"
DOCX = EXAMPLES / "on-call-handbook.docx"


def any_docx(*paragraphs: str) -> bytes:
    """A DOCX file with these paragraphs."""
    document = docx.Document()
    for paragraph in paragraphs or ("Any text.",):
        document.add_paragraph(paragraph)
    packed = BytesIO()
    document.save(packed)
    return packed.getvalue()


def any_pptx(*slides: tuple[str, str]) -> bytes:
    """A PPTX file with a slide for each (title, text)."""
    deck = pptx.Presentation()
    for title, text in slides or (("Any title", "Any text."),):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
    return saved(deck)


def any_xlsx(**sheets: Sequence[Sequence[object]]) -> bytes:
    """An XLSX file with these rows on these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in (sheets or {"Any": [["text"]]}).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(book)


def saved(file: Any) -> bytes:
    """Bytes of what an Office library made."""
    packed = BytesIO()
    file.save(packed)
    return packed.getvalue()


def with_entry(data: bytes, entry: str, content: bytes) -> bytes:
    """A ZIP container in which one more entry lies, or one is replaced."""
    with zipfile.ZipFile(BytesIO(data)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    return any_zip({**entries, entry: content})


def any_zip(entries: dict[str, bytes]) -> bytes:
    """A deflated ZIP archive."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return packed.getvalue()


def docx_with(entry: str, data: bytes) -> bytes:
    """A DOCX file in which one more entry lies, or one is replaced."""
    return with_entry(any_docx(), entry, data)


def scanned_pdf(*, pages: int = 1, text_on: int | None = None) -> bytes:
    """A PDF whose pages are images; one of them (1-based) may hold text beside it."""
    picture = BytesIO()
    Image.new("L", (40, 40), 200).save(picture, "PNG")
    document = FPDF()
    for number in range(1, pages + 1):
        document.add_page()
        document.image(picture, x=10, y=10, w=100)
        if number == text_on:
            document.set_font("Helvetica", size=12)
            document.cell(text="The harbour is open.")
    return bytes(document.output())


def encrypted_pdf(*, user_password: str) -> bytes:
    """The example PDF, encrypted with AES-256."""
    writer = PdfWriter(clone_from=PdfReader(PDF))
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="AES-256")
    packed = BytesIO()
    writer.write(packed)
    return packed.getvalue()


def blank_pdf() -> bytes:
    """A PDF with one empty page."""
    writer = PdfWriter()
    writer.add_blank_page(width=300, height=300)
    packed = BytesIO()
    writer.write(packed)
    return packed.getvalue()
