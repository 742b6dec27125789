"""Office files that no program would write."""

from __future__ import annotations

import zipfile
from io import BytesIO

import docx
from any_archive import zip_of
from hostile.case import CANARY

_XML = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_RELATIONS = b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">%s</Relationships>'
_OFFICE = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET_SPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

LAUGHS = (
    b"<!DOCTYPE x [<!ENTITY a0 'quokkacanary'>"
    + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b"]>"
)
"""Nine entities, each ten of the one before: a thousand million words."""

SPY = b"<!DOCTYPE x [<!ENTITY spy SYSTEM 'file:///etc/passwd'>]>"


def package(data: bytes, **parts: bytes) -> bytes:
    """An Office file packed anew, so that its bytes do not depend on the clock, with parts replaced or added."""
    with zipfile.ZipFile(BytesIO(data)) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    return zip_of(*(entries | parts).items())


def word(*paragraphs: str) -> bytes:
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    packed = BytesIO()
    document.save(packed)
    return package(packed.getvalue())


def word_of(body: bytes, prolog: bytes = b"") -> bytes:
    space = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = _XML + prolog + b'<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>' % (space, body)
    return package(word("x"), **{"word/document.xml": document})


def many_attributes(count: int = 200_000) -> bytes:
    """A paragraph of so many attributes."""
    attributes = b" ".join(b'a%d="1"' % n for n in range(count))
    return word_of(b"<w:p %s><w:r><w:t>Many attributes at pier eleven.</w:t></w:r></w:p>" % attributes)


def word_paragraph(text: bytes) -> bytes:
    return b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>" % text


def deep_tables(depth: int = 20_000) -> bytes:
    opened, closed = b"<w:tbl><w:tr><w:tc>", b"</w:tc></w:tr></w:tbl>"
    return word_of(opened * depth + word_paragraph(b"deep " + CANARY.encode()) + closed * depth)


def looping_styles() -> bytes:
    """Two styles, each based on the other."""
    data = word("Pier ten stands on styles that stand on each other.")
    with zipfile.ZipFile(BytesIO(data)) as source:
        styles = source.read("word/styles.xml")
    loop = b"".join(
        b'<w:style w:type="paragraph" w:styleId="%s"><w:name w:val="%s"/><w:basedOn w:val="%s"/></w:style>' % each
        for each in ((b"LoopA", b"Loop A", b"LoopB"), (b"LoopB", b"Loop B", b"LoopA"))
    )
    return package(data, **{"word/styles.xml": styles.replace(b"</w:styles>", loop + b"</w:styles>")})


def encrypted_office(of: str) -> bytes:
    """What Office makes of any document with a password: an OLE file with the stream EncryptedPackage."""
    return _OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(480) + of.encode() + bytes(600)


def legacy_office(of: str) -> bytes:
    return _OLE + bytes(1_000) + of.encode()


def workbook(rows: bytes, *, shared: bytes = b"", prolog: bytes = b"", dimension: bytes = b"A1:B2") -> bytes:
    """An XLSX file of one sheet, as small as it can be."""
    kinds = b"application/vnd.openxmlformats-officedocument.spreadsheetml."
    overrides = b"".join(
        b'<Override PartName="/xl/%s" ContentType="%s%s+xml"/>' % (part, kinds, kind)
        for part, kind in (
            (b"workbook.xml", b"sheet.main"),
            (b"worksheets/sheet1.xml", b"worksheet"),
            (b"sharedStrings.xml", b"sharedStrings"),
        )
    )
    sheet = _XML + b'<worksheet xmlns="%s"><dimension ref="%s"/><sheetData>%s</sheetData></worksheet>' % (
        _SHEET_SPACE,
        dimension,
        rows,
    )
    return zip_of(
        (
            "[Content_Types].xml",
            _XML + b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            b'<Default Extension="xml" ContentType="application/xml"/>' + overrides + b"</Types>",
        ),
        (
            "_rels/.rels",
            _XML
            + _RELATIONS % (b'<Relationship Id="r1" Type="%s/officeDocument" Target="xl/workbook.xml"/>' % _OFFICE),
        ),
        (
            "xl/workbook.xml",
            _XML + b'<workbook xmlns="%s" xmlns:r="%s"><sheets><sheet name="Tides" sheetId="1" r:id="r1"/></sheets>'
            b"</workbook>" % (_SHEET_SPACE, _OFFICE),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            _XML
            + _RELATIONS
            % (
                b'<Relationship Id="r1" Type="%s/worksheet" Target="worksheets/sheet1.xml"/>'
                b'<Relationship Id="r2" Type="%s/sharedStrings" Target="sharedStrings.xml"/>' % (_OFFICE, _OFFICE)
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", _XML + prolog + b'<sst xmlns="%s">%s</sst>' % (_SHEET_SPACE, shared)),
    )


def cell(place: str, text: str) -> bytes:
    return b'<c r="%s" t="inlineStr"><is><t>%s</t></is></c>' % (place.encode(), text.encode())


def row(number: int, *texts: str) -> bytes:
    cells = b"".join(cell(f"{chr(65 + column)}{number}", text) for column, text in enumerate(texts))
    return b'<row r="%d">%s</row>' % (number, cells)


def empty_rows(count: int = 1_048_576) -> bytes:
    """All the rows that a sheet can have, and all of them empty."""
    return workbook(b"".join(b'<row r="%d"/>' % n for n in range(1, count + 1)), dimension=b"A1:XFD1048576")


def far_cells() -> bytes:
    """A cell in each corner of the largest sheet: seventeen thousand million empty cells between them."""
    corners = row(1, "gauge", "level") + b'<row r="1048576">%s</row>' % cell("XFD1048576", f"far away {CANARY}")
    return workbook(corners + b'<row r="1048575">%s</row>' % cell("XFD1048575", "x"), dimension=b"A1:XFD1048576")


def wide_rows(count: int = 5_000) -> bytes:
    """Rows of one cell each, in the last column: each is filled up with sixteen thousand empty cells."""
    rows = b"".join(b'<row r="%d">%s</row>' % (n, cell(f"XFD{n}", f"w{n}")) for n in range(1, count + 1))
    return workbook(rows, dimension=b"A1:XFD%d" % count)


def presentation() -> bytes:
    import pptx

    packed = BytesIO()
    pptx.Presentation().save(packed)
    return package(packed.getvalue())


def slides(*texts: str) -> bytes:
    import pptx
    from pptx.util import Inches

    made = pptx.Presentation()
    for text in texts:
        slide = made.slides.add_slide(made.slide_layouts[6])
        slide.shapes.add_textbox(Inches(1), Inches(1), Inches(5), Inches(1)).text_frame.text = text
    packed = BytesIO()
    made.save(packed)
    return package(packed.getvalue())


def slide_with(prolog: bytes, text: bytes) -> bytes:
    """A presentation of one slide whose XML begins with a prolog and shows a text as it stands."""
    data = slides("PLACE")
    with zipfile.ZipFile(BytesIO(data)) as source:
        slide = source.read("ppt/slides/slide1.xml")
    declaration, _, rest = slide.partition(b"?>")
    return package(data, **{"ppt/slides/slide1.xml": declaration + b"?>" + prolog + rest.replace(b"PLACE", text)})


def deep_groups(depth: int = 5_000) -> bytes:
    """Groups of shapes, each within the one before."""
    data = slides(f"deep {CANARY}")
    with zipfile.ZipFile(BytesIO(data)) as source:
        slide = source.read("ppt/slides/slide1.xml")
    begin, end = slide.index(b"<p:sp>"), slide.rindex(b"</p:sp>") + len(b"</p:sp>")
    grouped = b"<p:grpSp><p:nvGrpSpPr/><p:grpSpPr/>" * depth + slide[begin:end] + b"</p:grpSp>" * depth
    return package(data, **{"ppt/slides/slide1.xml": slide[:begin] + grouped + slide[end:]})


def bomb(part: str, megabytes: int = 300) -> bytes:
    """A package with a part that unpacks to much more than is allowed."""
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("[Content_Types].xml"), "<Types/>")
        entry = zipfile.ZipInfo(part)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w") as opened:
            for _ in range(megabytes):
                opened.write(b" " * 1_000_000)
    return data.getvalue()
