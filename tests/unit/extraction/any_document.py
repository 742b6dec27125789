"""Makers of small real files for the extraction tests."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import docx
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


def any_zip(entries: dict[str, bytes]) -> bytes:
    """A deflated ZIP archive."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return packed.getvalue()


def docx_with(entry: str, data: bytes) -> bytes:
    """A DOCX file in which one more entry lies, or one is replaced."""
    with zipfile.ZipFile(BytesIO(any_docx())) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    return any_zip({**entries, entry: data})


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
