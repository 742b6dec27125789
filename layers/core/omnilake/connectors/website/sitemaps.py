"""Sitemaps (sitemaps.org, protocol 0.9): XML, an index of others, or plain text; with gzip or without."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass, field

MAX_SITEMAP_BYTES = 50 * 1024 * 1024
"""The protocol's own limit, unpacked."""

_GZIP = b"\x1f\x8b"
_MAX_LISTED = 20


@dataclass
class Sitemap:
    """What one file lists.

    Attributes:
        pages: (address, lastmod) as they stand there; lastmod is empty when it is not told.
        sitemaps: addresses of further sitemaps (the file is an index).
        malformed: entries that are none, as "entry 12"; at most 20 of them.
        malformed_entries: how many there are.
        broken: the file could only be read in part, or not at all.
    """

    pages: list[tuple[str, str]] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    malformed_entries: int = 0
    broken: bool = False


def read_sitemap(data: bytes, most: int) -> Sitemap:
    """Entries of a sitemap file; never fails, see :attr:`Sitemap.broken`.

    Args:
        data: of the file, gzip-compressed or not.
        most: entries that are read; those beyond are left.
    """
    sitemap = Sitemap()
    text = _unpacked(data, sitemap)
    if b"<" in text[:4096]:
        _read_xml(text, most, sitemap)
    else:
        _read_lines(text, most, sitemap)
    return sitemap


def _unpacked(data: bytes, sitemap: Sitemap) -> bytes:
    """The file itself; of a broken or overlong archive what could be unpacked."""
    if not data.startswith(_GZIP):
        return data
    unpacker = zlib.decompressobj(31)
    body = bytearray()
    waiting = data
    try:
        while waiting and not unpacker.eof and len(body) <= MAX_SITEMAP_BYTES:
            body += unpacker.decompress(waiting, 1024 * 1024)
            waiting = unpacker.unconsumed_tail
    except zlib.error:
        sitemap.broken = True
    if not unpacker.eof:
        sitemap.broken = True
    return bytes(body[:MAX_SITEMAP_BYTES])


def _read_xml(data: bytes, most: int, sitemap: Sitemap) -> None:
    from lxml import etree

    # Entities and the network stay off; a broken file is read as far as it makes sense (recover).
    events = etree.iterparse(
        io.BytesIO(data.lstrip()),
        events=("end",),
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    number = 0
    try:
        for _, element in events:
            kind = _local(element.tag)
            if kind not in {"url", "sitemap"}:
                continue
            number += 1
            address, changed = _text_of(element, "loc"), _text_of(element, "lastmod")
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
            if not address:
                _malformed(sitemap, number)
            elif kind == "url":
                sitemap.pages.append((address, changed))
            else:
                sitemap.sitemaps.append(address)
            if len(sitemap.pages) + len(sitemap.sitemaps) >= most:
                return
    except (etree.LxmlError, ValueError):
        sitemap.broken = True
    if events.error_log:
        sitemap.broken = True


def _malformed(sitemap: Sitemap, number: int) -> None:
    sitemap.malformed_entries += 1
    if len(sitemap.malformed) < _MAX_LISTED:
        sitemap.malformed.append(f"entry {number}")


def _local(tag: object) -> str:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else ""


def _text_of(element: object, name: str) -> str:
    for child in element:  # type: ignore[attr-defined]
        if _local(child.tag) == name:
            return "".join(child.itertext()).strip()
    return ""


def _read_lines(data: bytes, most: int, sitemap: Sitemap) -> None:
    """A text sitemap: an address on each line, UTF-8."""
    for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
        address = line.strip().removeprefix("\ufeff")
        if not address:
            continue
        if re.match(r"https?://\S+$", address, re.I):
            sitemap.pages.append((address, ""))
        else:
            _malformed(sitemap, number)
        if len(sitemap.pages) >= most:
            return
