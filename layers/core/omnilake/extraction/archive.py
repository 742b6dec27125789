"""Opening ZIP containers without being blown up by them.

A bomb shows in three ways: entries beyond count, sizes that the directory declares, and sizes that come out when
entries are inflated (a directory may lie). All three are checked before any parser sees the data. See D. Fifield,
"A better zip bomb", WOOT 2019, for overlapping entries: their declared sizes add up like those of any other.
"""

from __future__ import annotations

import zipfile
from io import BytesIO

from omnilake.errors import DecompressionLimit, EncryptedDocument
from omnilake.extraction.limits import ExtractionLimits

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    EOFError,
)
"""What ``zipfile`` raises on damaged containers (RuntimeError: encrypted, NotImplementedError: unknown method)."""

_DIRECTORY_RECORD = b"PK\x05\x06"
_MAX_DIRECTORY_BYTES_PER_ENTRY = 1024
_RATIO_FLOOR = 1024 * 1024
_READ_BYTES = 256 * 1024
_ENCRYPTED_FLAG = 0x1


def open_archive(data: bytes, limits: ExtractionLimits) -> zipfile.ZipFile:
    """The container with its directory read.

    Raises:
        DecompressionLimit: more entries than allowed, also when only the size of the directory gives them away (each
            entry costs half a kilobyte of memory before it can be counted).
        ZIP_ERRORS: it is damaged.
    """
    record = data.rfind(_DIRECTORY_RECORD)
    directory_bytes = int.from_bytes(data[record + 12 : record + 16], "little") if record >= 0 else 0
    if directory_bytes > limits.max_archive_entries * _MAX_DIRECTORY_BYTES_PER_ENTRY:
        raise DecompressionLimit("The archive's directory is larger than is allowed.")
    archive = zipfile.ZipFile(BytesIO(data))
    if len(archive.infolist()) > limits.max_archive_entries:
        archive.close()
        raise DecompressionLimit(f"The archive has more than {limits.max_archive_entries} entries.")
    return archive


def check_archive(archive: zipfile.ZipFile, limits: ExtractionLimits) -> None:
    """Inflate every entry once, counting, and keep nothing.

    Raises:
        DecompressionLimit: declared or real sizes, or a ratio, beyond the limits.
        EncryptedDocument: an entry needs a password.
        ZIP_ERRORS: an entry is damaged (its checksum is compared).
    """
    entries = archive.infolist()
    if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
        raise EncryptedDocument("The archive needs a password.")
    if sum(entry.file_size for entry in entries) > limits.max_unpacked_bytes:
        raise DecompressionLimit(f"The archive unpacks to more than {limits.max_unpacked_bytes} bytes.")
    total = 0
    for entry in entries:
        bound = limits.max_xml_bytes if entry.filename.endswith((".xml", ".rels")) else limits.max_unpacked_bytes
        size = 0
        with archive.open(entry) as stream:
            while block := stream.read(_READ_BYTES):
                size += len(block)
                total += len(block)
                if size > bound or total > limits.max_unpacked_bytes:
                    raise DecompressionLimit("An entry of the archive unpacks to more than is allowed.")
                if size > _RATIO_FLOOR and size > limits.max_compression_ratio * max(entry.compress_size, 1):
                    raise DecompressionLimit(
                        f"An entry of the archive unfolds more than {limits.max_compression_ratio}-fold."
                    )
