"""PDFs that no program would write."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from io import BytesIO

from fpdf import FPDF
from hostile.case import CANARY
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, TextStringObject

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def written(objects: dict[int, bytes], *, root: int = 1, trailer: bytes = b"") -> bytes:
    """A file of raw objects, with a cross-reference table that fits."""
    body = bytearray(b"%PDF-1.7\n")
    offsets: dict[int, int] = {}
    for number, content in objects.items():
        offsets[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(body), max(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        body += b"%010d 00000 %s \n" % (offsets.get(number, 0), b"n" if number in offsets else b"f")
    body += b"trailer\n<< /Size %d /Root %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, root, trailer, start)
    return bytes(body)


def stream(content: bytes, fields: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), fields, content)


def shown(text: str) -> bytes:
    """Page content that shows a line."""
    return stream(b"BT /F1 12 Tf 72 700 Td (%s) Tj ET" % text.encode())


def page(parent: int = 2, content: int = 4, font: int = 5) -> bytes:
    return (
        b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
        b"/Resources << /Font << /F1 %d 0 R >> >> >>" % (parent, content, font)
    )


def one_page(text: str, **replaced: bytes) -> bytes:
    """A PDF of one page: objects 1 catalog, 2 pages, 3 page, 4 content, 5 font; ``o3=…`` replaces one or adds it."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: page(),
        4: shown(text),
        5: FONT,
    }
    return written(objects | {int(number[1:]): content for number, content in replaced.items()})


def text_pdf(text: str = f"The keeper of the harbour light writes the {CANARY} log book.") -> bytes:
    """A sound PDF of two pages."""
    document = FPDF()
    document.set_creation_date(datetime(2026, 3, 5, tzinfo=UTC))
    for _ in range(2):
        document.add_page()
        document.set_font("Helvetica", size=12)
        document.multi_cell(0, 8, text)
    return bytes(document.output())


def _rewritten(data: bytes, **encryption: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    if encryption:
        writer.encrypt(**encryption)  # type: ignore[arg-type]
    packed = BytesIO()
    writer.write(packed)
    return packed.getvalue()


def encrypted() -> bytes:
    return _rewritten(text_pdf(), user_password="tide", algorithm="AES-256")


def only_restricted() -> bytes:
    """It opens without a password; an owner's password restricts printing."""
    return _rewritten(
        one_page("Pier nine may be read and not printed."), user_password="", owner_password="tide", algorithm="AES-128"
    )


def many_pages(count: int = 10_000, told: int | None = None, text: str = "A page like any other.") -> bytes:
    objects = {number: page(2, count + 3, count + 4) for number in range(3, count + 3)}
    kids = b" ".join(b"%d 0 R" % number for number in objects)
    return written(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count if told is None else told, kids),
            **objects,
            count + 3: shown(text),
            count + 4: FONT,
        }
    )


def looping_tree() -> bytes:
    """A page tree whose inner node has the root among its kids."""
    return one_page(
        f"Round and round {CANARY}.",
        o2=b"<< /Type /Pages /Kids [6 0 R] /Count 2 >>",
        o6=b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R 3 0 R] /Count 2 >>",
    )


def tree_of_itself() -> bytes:
    return one_page("Nothing but itself.", o2=b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>")


def looping_references() -> bytes:
    """The page's content is an object that refers to itself."""
    return one_page("never reached", o4=b"4 0 R")


def looping_revisions() -> bytes:
    """The cross-reference table names itself as the one before it."""
    data = one_page("A revision of itself stands at pier four.")
    start = int(data[data.rfind(b"startxref") + 9 :].split()[0])
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def looping_form() -> bytes:
    """A form that draws itself."""
    form = stream(
        b"BT /F1 12 Tf (again) Tj ET /X Do",
        b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> /Font << /F1 5 0 R >> >>",
    )
    return one_page(
        "x",
        o3=b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /XObject << /X 6 0 R >> /Font << /F1 5 0 R >> >> >>",
        o4=stream(b"BT /F1 12 Tf 72 700 Td (The form draws itself.) Tj ET /X Do"),
        o6=form,
    )


def deep_arrays(depth: int = 50_000) -> bytes:
    return one_page("x", o3=b"<< /Type /Page /Parent 2 0 R /Odd " + b"[" * depth + b"]" * depth + b" >>")


def bomb_stream(megabytes: int = 300) -> bytes:
    """A page whose content unpacks to much more than is allowed."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()
    return one_page("x", o4=stream(packed, b"/Filter /FlateDecode"))


def twice_packed_bomb() -> bytes:
    packer = zlib.compressobj(9)
    inner = b"".join(packer.compress(b" " * 1_000_000) for _ in range(300)) + packer.flush()
    return one_page("x", o4=stream(zlib.compress(inner, 9), b"/Filter [/FlateDecode /FlateDecode]"))


def with_script() -> bytes:
    script = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert('hidden-script')")}
    )
    writer = PdfWriter(clone_from=PdfReader(BytesIO(one_page("The script of this page is never run."))))
    writer.root_object[NameObject("/OpenAction")] = writer._add_object(script)
    attachment = DecodedStreamObject()
    attachment.set_data(b"MZ hidden-script")
    writer._add_object(attachment)
    packed = BytesIO()
    writer.write(packed)
    return packed.getvalue()


def wide_character_map() -> bytes:
    """A font whose character map names a million characters."""
    ranges = b"".join(b"<%04x> <%04x> <%04x>\n" % (0, 0xFFFF, 0x4E00) for _ in range(100))
    cmap = (
        b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
        b"100 beginbfrange\n" + ranges + b"endbfrange endcmap end"
    )
    return one_page(
        "x",
        o4=stream(b"BT /F1 12 Tf 72 700 Td <00410042> Tj ET"),
        o5=b"<< /Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /ToUnicode 6 0 R "
        b"/DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Odd >>] >>",
        o6=stream(cmap),
    )
