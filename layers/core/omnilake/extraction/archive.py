"""Opening ZIP containers without being blown up by them.

A bomb shows in four ways: entries beyond count, entries that share their packed bytes (D. Fifield, "A better zip bomb",
WOOT 2019), sizes that the directory declares, and sizes that come out when entries are inflated (a directory may lie).
All are checked before any parser sees the data.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO

from omnilake.errors import DecompressionLimit, EncryptedDocument, UnsupportedDocumentType
from omnilake.extraction.limits import ExtractionLimits

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    EOFError,
    zlib.error,
)
"""What ``zipfile`` raises on damaged containers (RuntimeError: encrypted, NotImplementedError: unknown method)."""

_DIRECTORY_END = re.compile(b"(?=PK\x05\x06.{8}(.{4}))", re.S)
_DIRECTORY_END_64 = re.compile(b"(?=PK\x06\x06.{36}(.{8}))", re.S)
_DIRECTORY_ENTRY = b"PK\x01\x02"
_END_BYTES = 65_535 + 22 + 20 + 56  # comment, end record, and locator and end record of ZIP64
_SIZE_IN_64 = 0xFFFFFFFF
_FALSE_ENTRIES = _END_BYTES // 46
"""Most entry marks that stand in what is no directory but may be taken for one."""

_RATIO_FLOOR = 1024 * 1024
_READ_BYTES = 256 * 1024
_LOCAL_HEADER_BYTES = 30
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The other methods are inflated by ``zipfile`` a whole read at a time, whatever that grows to."""
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000  # by password, strongly, with a masked directory (APPNOTE 4.4.4)


def open_archive(data: bytes, limits: ExtractionLimits) -> zipfile.ZipFile:
    """The container with its directory read.

    Raises:
        DecompressionLimit: more entries than ``max_archive_entries``. They are counted before the directory is read:
            each costs half a kilobyte of memory.
        ZIP_ERRORS: it is damaged.
    """
    too_many = DecompressionLimit(f"The archive has more than {limits.max_archive_entries} entries.")
    start = max(0, len(data) - _END_BYTES - _directory_bytes(data))
    if data.count(_DIRECTORY_ENTRY, start) > limits.max_archive_entries + _FALSE_ENTRIES:
        raise too_many
    archive = zipfile.ZipFile(BytesIO(data))
    if len(archive.infolist()) > limits.max_archive_entries:
        archive.close()
        raise too_many
    return archive


def _directory_bytes(data: bytes) -> int:
    """Most bytes that any record at the end of the file says that the directory has."""
    end = data[-_END_BYTES:]
    sizes = [int.from_bytes(found[1], "little") for found in _DIRECTORY_END.finditer(end)]
    sizes += [int.from_bytes(found[1], "little") for found in _DIRECTORY_END_64.finditer(end)]
    return max((size for size in sizes if size != _SIZE_IN_64), default=0)


def is_encrypted(archive: zipfile.ZipFile) -> bool:
    """Whether an entry needs a password."""
    return any(entry.flag_bits & _ENCRYPTED_FLAGS for entry in archive.infolist())


@dataclass(slots=True)
class UnpackedBytes:
    """Counts what comes out of one or more containers.

    Args:
        limits: the counted bytes may not be more than ``max_unpacked_bytes``.
    """

    limits: ExtractionLimits
    total: int = 0

    def count(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, bound: int) -> bytes:
        """Inflate an entry, count its bytes, and keep its first ones.

        Args:
            bound: most bytes of this entry.
        Returns:
            The first four bytes.
        Raises:
            DecompressionLimit: sizes or a ratio beyond the limits.
            ZIP_ERRORS: it is damaged (its checksum is compared).
        """
        limits = self.limits
        size, head = 0, b""
        with archive.open(entry) as stream:
            while block := stream.read(_READ_BYTES):
                head = head or block[:4]
                size += len(block)
                self.total += len(block)
                if size > bound or self.total > limits.max_unpacked_bytes:
                    raise DecompressionLimit("An entry of the archive unpacks to more than is allowed.")
                if size > _RATIO_FLOOR and size > limits.max_compression_ratio * max(entry.compress_size, 1):
                    raise DecompressionLimit(
                        f"An entry of the archive unfolds more than {limits.max_compression_ratio}-fold."
                    )
        return head


def check_directory(archive: zipfile.ZipFile, limits: ExtractionLimits) -> None:
    """What the directory gives away before anything is inflated.

    Raises:
        DecompressionLimit: its sizes are beyond the limits, or entries share packed bytes.
        EncryptedDocument: an entry needs a password.
        UnsupportedDocumentType: an entry is packed by another method than deflate.
    """
    entries = archive.infolist()
    if is_encrypted(archive):
        raise EncryptedDocument("The archive needs a password.")
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise UnsupportedDocumentType(
            "Entries of the archive are packed by another method than deflate.", action="Pack it anew as a plain ZIP."
        )
    if sum(entry.file_size for entry in entries) > limits.max_unpacked_bytes:
        raise DecompressionLimit(f"The archive unpacks to more than {limits.max_unpacked_bytes} bytes.")
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise DecompressionLimit("Entries of the archive share their packed bytes.")
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size


def check_archive(archive: zipfile.ZipFile, limits: ExtractionLimits, *, streamed: str = "") -> None:
    """Inflate every entry once, counting, and keep nothing.

    Args:
        streamed: prefix of the names of XML parts that are read as a stream: only the total bounds their size.
    Raises:
        DecompressionLimit: declared or real sizes, or a ratio, beyond the limits, or entries that overlap.
        EncryptedDocument, UnsupportedDocumentType: see ``check_directory``.
        ZIP_ERRORS: an entry is damaged (its checksum is compared).
    """
    check_directory(archive, limits)
    unpacked = UnpackedBytes(limits)
    for entry in archive.infolist():
        tree = entry.filename.endswith((".xml", ".rels")) and not (streamed and entry.filename.startswith(streamed))
        unpacked.count(archive, entry, limits.max_xml_bytes if tree else limits.max_unpacked_bytes)
