"""Documents that can't be ingested, made where they are used."""

from __future__ import annotations

import io
import random
import zipfile

from fpdf import FPDF
from pypdf import PdfReader, PdfWriter


def pdf(text: str = "The keeper of the harbour light writes the log book every evening.") -> bytes:
    """A PDF of two pages."""
    document = FPDF()
    for _ in range(2):
        document.add_page()
        document.set_font("Helvetica", size=12)
        document.multi_cell(0, 8, text)
    return bytes(document.output())


def truncated_pdf() -> bytes:
    """A PDF whose transfer broke off in its first object."""
    return pdf()[:120]


def encrypted_pdf() -> bytes:
    """A PDF that opens with a password only."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf())))
    writer.encrypt(user_password="tide", algorithm="AES-256")
    data = io.BytesIO()
    writer.write(data)
    return data.getvalue()


def bomb_docx() -> bytes:
    """A Word document of some hundred kilobytes that unpacks to 300 MB."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(300):
                part.write(b" " * 1_000_000)
    return data.getvalue()


def binary_junk() -> bytes:
    """Bytes of no format."""
    return b"\x00\x01\x02" + random.Random(7).randbytes(20_000)


def invalid_utf8() -> bytes:
    """Text that claims to be UTF-8 by its mark and is not."""
    return b"\xef\xbb\xbfThe keeper writes \xff\xfe\xc3( in the log book every evening at eight.\n" * 20
