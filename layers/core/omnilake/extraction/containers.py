"""Archive files (ZIP): what is in them, each as a document of its own.

An archive file is looked through before its first member is handed out: one that is refused has no member half landed.
Archives within it are opened too, so that the limits hold for all that one upload unpacks to; their members' names
begin with theirs (``letters.zip/ann.txt``). One of them that is damaged, encrypted or empty is handed out as it is and
fails by itself, beside its neighbours. An export of a Slack workspace becomes one conversation a channel
(``slack_export``).
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from omnilake.errors import (
    CorruptDocument,
    DecompressionLimit,
    EncryptedDocument,
    NoTextFound,
    UnsafeArchive,
    UnsupportedDocumentType,
)
from omnilake.extraction import slack_export
from omnilake.extraction.archive import ZIP_ERRORS, UnpackedBytes, check_directory, open_archive
from omnilake.extraction.detection import is_archive_file
from omnilake.extraction.limits import DEFAULT_LIMITS, ExtractionLimits
from omnilake.extraction.parsers import parser_call

_ZIP_START = (b"PK\x03\x04", b"PK\x05\x06")
_LITTER_FOLDERS = {"__MACOSX"}
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
_UTF8_FLAG = 0x800
_UNIX = 3
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}
_MAX_KEY_BYTES = 1_024 - len("incoming/") - 64
"""An S3 key has 1,024 bytes; the archive's id takes up to 63 and a slash."""


@dataclass(frozen=True, slots=True)
class Member:
    """A document in an archive file: its path there, and its bytes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Container:
    """What is handed out of one archive."""

    members: list[tuple[str, zipfile.ZipInfo, _Container | None]]  # path within, entry, and its own if it is opened too
    export: slack_export.Layout | None
    left_out: int

    @property
    def documents(self) -> int:
        inside = sum(inner.documents if inner else 1 for _, _, inner in self.members)
        return inside + (len(self.export.channels) if self.export else 0)

    @property
    def all_left_out(self) -> int:
        return self.left_out + sum(inner.all_left_out for _, _, inner in self.members if inner)


class Expansion(Iterator[Member]):
    """The members of an archive file, unpacked one at a time as they are asked for.

    Attributes:
        documents: how many members come, unless an export's file can't be read (see ``slack_export``).
        left_out: directories, and what operating systems and exports put beside documents.
    """

    def __init__(self, data: bytes, container: _Container, limits: ExtractionLimits) -> None:
        self.documents = container.documents
        self.left_out = container.all_left_out
        self._members = _unpack(data, container, "", limits)

    def __next__(self) -> Member:
        return next(self._members)


def is_archive(data: bytes, name: str, limits: ExtractionLimits = DEFAULT_LIMITS) -> bool:
    """Whether a document is an archive file to be expanded. Office files, books and programs, which are ZIP files too,
    are not; nor is what can't be opened or has the name of something else: ``extract`` says why.

    Args:
        data: of the document; only the directory at its end is read.
        name: its file name or path.
        limits: most entries.
    """
    return data.startswith(_ZIP_START) and is_archive_file(data, name, _for_exports(limits))


def expand(data: bytes, name: str, limits: ExtractionLimits = DEFAULT_LIMITS) -> Expansion:
    """The members of an archive file.

    Memory: the archive, the archive within it that is at hand, and one member (of an export, one channel).

    Args:
        data: for which ``is_archive`` holds.
        name: of the archive; together with a member's it becomes an S3 key.
        limits: bounds on entries, documents, depth and bytes, for all archives within together.
    Raises:
        DecompressionLimit: more entries, documents or bytes than allowed, or entries that share packed bytes.
        EncryptedDocument: a member needs a password.
        UnsupportedDocumentType: packed by another method than deflate.
        UnsafeArchive: members that point outside of it, are no plain files, share a name, have names that can't be
            stored, or are archives within ``max_archive_depth`` archives; says how many.
        CorruptDocument: it can't be read, or a checksum is wrong.
        NoTextFound: it holds no document.
    """
    container = _Examination(limits, name).examine(data, 1)
    if not container.documents:
        raise NoTextFound("The archive holds no document.", action="Upload an archive with documents in it.")
    if container.documents > limits.max_archive_entries:
        raise DecompressionLimit(f"The archive holds more than {limits.max_archive_entries} documents.")
    return Expansion(data, container, limits)


def _for_exports(limits: ExtractionLimits) -> ExtractionLimits:
    return replace(limits, max_archive_entries=limits.max_export_entries)


@dataclass(slots=True)
class _Examination:
    """Looks through an archive and those within it, and counts for all of them together."""

    limits: ExtractionLimits
    name: str
    unpacked: UnpackedBytes = field(init=False)
    entries: int = 0

    def __post_init__(self) -> None:
        self.unpacked = UnpackedBytes(self.limits)

    def examine(self, data: bytes, depth: int, path: str = "") -> _Container:
        with (
            parser_call("ZIP archive", corrupt=ZIP_ERRORS),
            open_archive(data, _for_exports(self.limits)) as archive,
        ):
            entries = archive.infolist()
            self.entries += len(entries)
            if self.entries > self.limits.max_export_entries:
                raise DecompressionLimit(f"The archive has more than {self.limits.max_export_entries} entries.")
            check_directory(archive, self.limits)
            documents = [(_name(entry), entry) for entry in entries if not _is_left_out(entry)]
            if complaint := _complaint(documents, f"{self.name}/{path}"):
                raise UnsafeArchive(complaint)
            layout = slack_export.layout([member for member, _ in documents])
            members: list[tuple[str, zipfile.ZipInfo, _Container | None]] = []
            for member, entry in documents:
                if layout is None or member in layout.documents:
                    members.append((member, entry, self._inner(archive, member, entry, depth, path)))
                else:
                    self.unpacked.count(archive, entry, self.limits.max_unpacked_bytes)
            left_out = sum(map(_is_left_out, entries)) + (layout.left_out if layout else 0)
            return _Container(members, layout, left_out)

    def _inner(
        self, archive: zipfile.ZipFile, member: str, entry: zipfile.ZipInfo, depth: int, path: str
    ) -> _Container | None:
        """A member that is an archive itself, None for any other; counts its bytes."""
        head = self.unpacked.count(archive, entry, self.limits.max_unpacked_bytes)
        if head not in _ZIP_START or not is_archive(data := archive.read(entry), member, self.limits):
            return None
        if depth >= self.limits.max_archive_depth:
            raise UnsafeArchive(f"The archive nests archives more than {self.limits.max_archive_depth} deep.")
        try:
            inner = self.examine(data, depth + 1, f"{path}{member}/")
        except (CorruptDocument, EncryptedDocument, UnsupportedDocumentType):
            return None
        return inner if inner.documents else None


def _unpack(data: bytes, container: _Container, path: str, limits: ExtractionLimits) -> Iterator[Member]:
    with parser_call("ZIP archive", corrupt=ZIP_ERRORS):
        archive = open_archive(data, _for_exports(limits))
    with archive:
        for member, entry, inner in container.members:
            with parser_call("ZIP archive", corrupt=ZIP_ERRORS):
                unpacked = archive.read(entry)
            if inner is None:
                yield Member(path + member, unpacked)
            else:
                yield from _unpack(unpacked, inner, f"{path}{member}/", limits)
        if container.export is not None:
            entries = {_name(entry): entry for entry in archive.infolist()}

            def read(member: str) -> bytes:
                entry = entries[member]
                with parser_call("ZIP archive", corrupt=ZIP_ERRORS):
                    return archive.read(entry)

            for member, unpacked in slack_export.members(container.export, read):
                yield Member(path + member, unpacked)


def _is_left_out(entry: zipfile.ZipInfo) -> bool:
    """Directories, and what operating systems put beside documents."""
    if entry.is_dir() and not entry.file_size:
        return True
    path = PurePosixPath(_name(entry))
    return path.name in _LITTER or not _LITTER_FOLDERS.isdisjoint(path.parts[:-1])


def _name(entry: zipfile.ZipInfo) -> str:
    """Path of an entry. Without the mark of UTF-8 it is code page 437 (APPNOTE, appendix D), but macOS does not set the
    mark, and other bytes than UTF-8's make no valid UTF-8."""
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8_FLAG and not name.isascii():
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


def _complaint(documents: list[tuple[str, zipfile.ZipInfo]], prefix: str) -> str:
    """What is wrong with members, with the number of each; empty when nothing is."""
    wrong: Counter[str] = Counter()
    for name, entry in documents:
        mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            wrong["no plain files (links, devices)"] += 1
        elif name.startswith("/") or _DRIVE.match(name) or "\\" in name or ".." in name.split("/"):
            wrong["outside of it"] += 1
        elif (
            any(unicodedata.category(character) in _CONTROL for character in name)
            or not {"", "."}.isdisjoint(name.split("/"))
            or len(f"{prefix}{name}".encode("utf-8", "surrogatepass")) > _MAX_KEY_BYTES
        ):
            wrong["with names that can't be stored"] += 1
    wrong["with the name of another"] = len(documents) - len({name for name, _ in documents})
    told = ", ".join(f"{count} {what}" for what, count in wrong.items() if count)
    return f"The archive has unsafe members: {told}." if told else ""
