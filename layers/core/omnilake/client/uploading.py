"""Sending files straight to S3."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import httpx2

from omnilake.errors import DocumentTooLarge, OmniLakeError, StageFailed

MULTIPART_BYTES = 100_000_000
"""Larger files go in parts."""

_CODE = re.compile(rb"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Upload:
    """A local file and the name it gets in the archive.

    Attributes:
        metadata: user metadata of the object: free names, or ``omnilake-source`` (where it comes from: all versions of
            one source are one entry) and ``omnilake-effective-on`` (ISO 8601: from when its content holds).
    """

    path: Path
    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Part(NamedTuple):
    """One part of a large upload."""

    number: int
    url: str
    data: bytes


class Counted(io.RawIOBase):
    """A file that tells how many bytes were read of it.

    Args:
        file: at its beginning.
        told: is called with the count of each read.
    """

    def __init__(self, file: IO[bytes], told: Callable[[int], object] | None) -> None:
        super().__init__()
        self._file = file
        self._told = told or (lambda count: None)
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count += len(data)
        self._told(len(data))
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def rewind(self) -> None:
        """Back to the beginning: what was told is taken back."""
        self._told(-self._count)
        self._count = 0
        self._file.seek(0)


@contextmanager
def opened(content: Path | bytes) -> Iterator[IO[bytes]]:
    """A file, or bytes as one."""
    if isinstance(content, bytes):
        yield io.BytesIO(content)
        return
    with content.open("rb") as file:
        yield file


def checked(answer: httpx2.Response) -> OmniLakeError:
    """What S3's refusal of a file means."""
    found = _CODE.search(answer.content)
    code = found[1].decode() if found else str(answer.status_code)
    if code == "EntityTooLarge":
        return DocumentTooLarge("S3 refuses the file: it is larger than was said.", status=answer.status_code)
    return StageFailed(
        f"S3 refuses the file: {code}.",
        action="Ask for the upload again: its address may have expired.",
        status=answer.status_code,
    )
