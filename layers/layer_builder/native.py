"""Leaving out of native libraries what only debuggers read.

A host's ``strip`` handles the host's architecture alone, and it breaks some libraries that were patched when their
wheel was made. This works on the file format instead, for every target: the loader maps what the program headers of
type LOAD name and reads nothing behind it, so symbol tables, debug information and the section table can go.
"""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"  # 64 bit, little endian: x86_64 and aarch64
_LOAD = 1
_SECTION_TABLE_OFFSET = 0x28
_PROGRAM_HEADERS = 0x36
_SECTION_COUNT = 0x3C


def strip_tree(directory: Path) -> None:
    """Strip every ELF file under a directory in place; files of other formats stay as they are."""
    for path in directory.rglob("*.so*"):
        if path.is_file():
            content = path.read_bytes()
            if content.startswith(_MAGIC):
                path.write_bytes(stripped(content))


def stripped(content: bytes) -> bytes:
    """A 64-bit little-endian ELF file without its section table and without what no LOAD segment maps behind the last.

    Layout: System V Application Binary Interface, chapters 4 (section headers) and 5 (program headers).
    """
    (table,) = struct.unpack_from("<Q", content, 0x20)
    entry_size, entries = struct.unpack_from("<HH", content, _PROGRAM_HEADERS)
    end = table + entry_size * entries
    for index in range(entries):
        kind, _flags, offset, _virtual, _physical, file_size = struct.unpack_from(
            "<IIQQQQ", content, table + index * entry_size
        )
        if kind == _LOAD:
            end = max(end, offset + file_size)
    kept = bytearray(content[:end])
    struct.pack_into("<Q", kept, _SECTION_TABLE_OFFSET, 0)
    struct.pack_into("<HH", kept, _SECTION_COUNT, 0, 0)
    return bytes(kept)
