"""Documents that can't be ingested, each with its typed error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import (
    CorruptDocument,
    DecompressionLimit,
    DocumentError,
    DocumentTooLarge,
    DocumentTypeMismatch,
    EmptyDocument,
    EncryptedDocument,
    InvalidEncoding,
    NoTextFound,
    UnsupportedDocumentType,
)
from omnilake.extraction import ExtractionLimits, extract
from tests.unit.extraction.any_document import DOCX, PDF, any_docx, any_zip, blank_pdf, docx_with, encrypted_pdf

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
JUNK = bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.txt", b"", EmptyDocument),
        ("a.txt", b" \n\t\n ", NoTextFound),
        ("a.txt", "\u200b\u200b".encode(), NoTextFound),
        ("a.html", b"<html><script>x()</script></html>", NoTextFound),
        ("a.csv", b",,\n,,\n", NoTextFound),
        ("a.pdf", blank_pdf(), NoTextFound),
        ("a.txt", JUNK, UnsupportedDocumentType),
        ("a.bin", JUNK, UnsupportedDocumentType),
        ("a.pdf", JUNK, UnsupportedDocumentType),
        ("a.png", PNG, UnsupportedDocumentType),
        ("a", PNG, UnsupportedDocumentType),
        ("a.doc", OLE, UnsupportedDocumentType),
        ("a.rtf", b"{\\rtf1 hello}", UnsupportedDocumentType),
        ("a.mbox", b"From a@example.com Sat Nov 21\nFrom: a@example.com\n\nHello", UnsupportedDocumentType),
        ("a.docx", any_zip({"readme.txt": b"hello"}), UnsupportedDocumentType),
        ("a.zip", any_zip({"readme.txt": b"hello"}), UnsupportedDocumentType),
        ("a.txt", PNG, DocumentTypeMismatch),
        ("a.pdf", PNG, DocumentTypeMismatch),
        ("a.pdf", b"just text", DocumentTypeMismatch),
        ("a.docx", b"just text", DocumentTypeMismatch),
        ("a.docx", PDF.read_bytes(), DocumentTypeMismatch),
        ("a.pdf", DOCX.read_bytes(), DocumentTypeMismatch),
        ("a.md", PDF.read_bytes(), DocumentTypeMismatch),
        ("a.docx", any_zip({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), DocumentTypeMismatch),
        ("a.docx", OLE, DocumentTypeMismatch),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), EncryptedDocument),
        ("a.pdf", encrypted_pdf(user_password="secret"), EncryptedDocument),
        ("a.docx", DOCX.read_bytes()[:20_000], CorruptDocument),
        ("a.docx", docx_with("word/document.xml", b"<w:document"), CorruptDocument),
        ("a.html", b"<div>" * 5_000 + b"deep", CorruptDocument),
        ("a.html", b"<p " + b" ".join(b"a%d" % n for n in range(501)) + b">text", CorruptDocument),
        ("a.vtt", b"WEBVTT\n\nwords without any time\n", CorruptDocument),
        ("a.txt", "naïve café".encode()[:-1], InvalidEncoding),
        ("a.txt", "déjà vu, naïve, café".encode() + b"\xff\xfe ok", InvalidEncoding),
        ("a.txt", "L'élève était très fâché à la fenêtre. ".encode("cp1252") * 40, InvalidEncoding),
        ("a.txt", b"\xff\xfeh\x00i\x00\x00", InvalidEncoding),
        ("a.txt", b"\xff\xfeeight characters", InvalidEncoding),
    ],
)
def test_a_bad_document_gets_its_own_error(name: str, data: bytes, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as refused:
        extract(data, name)
    assert type(refused.value) is error


def test_a_mismatch_names_both_kinds() -> None:
    with pytest.raises(DocumentTypeMismatch, match=r"\.pdf \(PDF\).*PNG image"):
        extract(PNG, "scan.pdf")


@settings(max_examples=60)
@given(share=st.floats(min_value=0.01, max_value=0.999))
def test_a_pdf_cut_anywhere_is_corrupt_and_never_half_a_text(share: float) -> None:
    data = PDF.read_bytes()
    with pytest.raises(CorruptDocument, match="cut off"):
        extract(data[: int((len(data) - 8) * share)], "a.pdf")


def test_a_pdf_cut_inside_a_later_revision_is_corrupt() -> None:
    data = PDF.read_bytes()
    with pytest.raises(CorruptDocument, match="cut off"):
        extract(data + b"99 0 obj\n<< /Type /Page", "a.pdf")


def test_a_bomb_is_refused_by_its_declared_size() -> None:
    with pytest.raises(DecompressionLimit):
        extract(
            docx_with("word/media/a.bin", bytes(3_000_000)),
            "a.docx",
            limits=ExtractionLimits(max_unpacked_bytes=2_000_000),
        )


def test_a_bomb_is_refused_by_its_ratio() -> None:
    with pytest.raises(DecompressionLimit, match="fold"):
        extract(docx_with("word/media/a.bin", bytes(8_000_000)), "a.docx")


def test_a_bomb_is_refused_by_the_number_of_its_entries() -> None:
    bomb = any_zip({f"word/{number}.xml": b"" for number in range(60)})
    with pytest.raises(DecompressionLimit, match="entries"):
        extract(bomb, "a.docx", limits=ExtractionLimits(max_archive_entries=50))


def test_an_entry_that_holds_more_than_its_directory_declares_is_corrupt() -> None:
    data = bytearray(docx_with("word/media/a.bin", bytes(range(256)) * 400))
    entry = data.rfind(b"word/media/a.bin") - 46
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    with pytest.raises(CorruptDocument):
        extract(bytes(data), "a.docx")


@pytest.mark.parametrize(
    ("name", "data", "limits"),
    [
        ("a.txt", b"word " * 100, ExtractionLimits(max_characters=100)),
        ("a.csv", b"a,b\n" + b"x,y\n" * 20, ExtractionLimits(max_segments=10)),
        ("a.html", b"<p>text</p>" * 20, ExtractionLimits(max_xml_bytes=50)),
        ("a.pdf", PDF.read_bytes(), ExtractionLimits(max_pages=1)),
    ],
)
def test_what_passes_a_limit_is_too_large(name: str, data: bytes, limits: ExtractionLimits) -> None:
    with pytest.raises(DocumentTooLarge):
        extract(data, name, limits=limits)


def test_errors_hold_no_content_of_the_document() -> None:
    with pytest.raises(CorruptDocument) as refused:
        extract(docx_with("word/document.xml", b"<w:document>TOP SECRET"), "a.docx")
    assert "SECRET" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@settings(max_examples=80)
@given(
    data=st.binary(min_size=1, max_size=400),
    head=st.sampled_from([b"", b"%PDF-1.7\n", b"PK\x03\x04", b"WEBVTT\n"]),
    suffix=st.sampled_from(
        ["txt", "md", "html", "csv", "pdf", "docx", "pptx", "xlsx", "vtt", "json", "eml", "py", "bin"]
    ),
)
def test_any_bytes_are_either_read_or_refused(data: bytes, head: bytes, suffix: str) -> None:
    try:
        document = extract(head + data, f"a.{suffix}")
    except DocumentError:
        return
    assert document.text.strip()


def test_damage_anywhere_in_a_docx_is_a_document_error_or_harmless() -> None:
    good = any_docx("One.", "Two.")
    for position in range(0, len(good), 997):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        try:
            extract(bytes(damaged), "a.docx")
        except DocumentError:
            continue
