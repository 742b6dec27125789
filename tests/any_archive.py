"""Makers of ZIP files, good and hostile, for tests."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterable
from io import BytesIO
from typing import Any

SYMLINK = 0o120777
DEVICE = 0o060644


def zip_of(*entries: tuple[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    """A ZIP file of entries in order; names may come twice.

    Args:
        modes: Unix file modes of entries by name.
    """
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name, (2026, 3, 5, 8, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def raw_zip(entries: Iterable[tuple[bytes, bytes]], *, flags: int = 0, method: int = 0, share: bool = False) -> bytes:
    """A ZIP file with names and flags that ``zipfile`` would not write.

    Args:
        entries: name and packed data of each; of stored entries the data itself.
        flags: general purpose flags of every entry.
        method: of compression; 8 is deflate.
        share: all entries of the directory point to the first one's data.
    """
    body, directory = bytearray(), bytearray()
    count = first = 0
    for name, packed in entries:
        plain = zlib.decompress(packed, -15) if method == 8 else packed
        fields = (20, flags, method, 0, 0, zlib.crc32(plain), len(packed), len(plain), len(name), 0)
        offset = first if share else len(body)
        if not (share and count):
            first = len(body)
            offset = first
            body += struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name + packed
        directory += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, *fields, 0, 0, 0, 0, offset) + name
        count += 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(body), 0)
    return bytes(body + directory + end)


def slack_export(days: dict[str, list[dict[str, Any]] | bytes], *, root: str = "", **lists: Any) -> bytes:
    """An export of a Slack workspace.

    Args:
        days: path of each day file → its messages, or its bytes.
        root: folder that all of it lies in, with its slash.
        lists: of users, channels, dms, groups …; users and channels are there in any case.
    """
    files = {"users": [], "channels": []} | lists
    return zip_of(
        *((f"{root}{name}.json", json.dumps(content).encode()) for name, content in files.items()),
        *(
            (root + name, messages if isinstance(messages, bytes) else json.dumps(messages).encode())
            for name, messages in days.items()
        ),
    )
