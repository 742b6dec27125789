"""Unpacked function code and layers, one folder per content hash, shared by every worker that needs them."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from pathlib import Path

_EXECUTABLE = 0o111


def digest_of(archive: bytes) -> str:
    """Hexadecimal SHA-256 of a zip archive."""
    return hashlib.sha256(archive).hexdigest()


def digest_from_code_sha256(code_sha256: str) -> str:
    """The hexadecimal form of Lambda's base64 ``CodeSha256``; equals ``digest_of`` of the same archive.

    Raises ``ValueError`` if it is no SHA-256.
    """
    digest = base64.b64decode(code_sha256, validate=True)
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError(f"not a SHA-256: {code_sha256!r}")
    return digest.hex()


class ArtifactStore:
    """Extracts zip archives below ``root``, each exactly once.

    A folder appears under its final name only when it is complete, so a killed server leaves at most a
    stray temporary folder, which the next ``prune`` removes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def folder(self, digest: str, archive: bytes) -> Path:
        """The folder that holds ``archive`` unpacked. Raises ``zipfile.BadZipFile`` if it is none."""
        target = self.root / digest
        if target.is_dir():
            return target
        with self._lock:
            lock = self._locks.setdefault(digest, threading.Lock())
        with lock:
            if not target.is_dir():
                self._extract(archive, target)
        return target

    def prune(self, keep: Iterable[str]) -> list[str]:
        """Remove every folder whose digest is not in ``keep``; returns the names removed."""
        kept = set(keep)
        doomed = [entry for entry in self.root.iterdir() if entry.name not in kept]
        for entry in doomed:
            shutil.rmtree(entry, ignore_errors=True)
        return [entry.name for entry in doomed]

    def _extract(self, archive: bytes, target: Path) -> None:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.root))
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
                for member in bundle.infolist():
                    # extract() drops drive letters, absolute roots and ".." itself
                    path = Path(bundle.extract(member, partial))
                    mode = member.external_attr >> 16
                    if mode & _EXECUTABLE and not member.is_dir():
                        path.chmod(path.stat().st_mode | _EXECUTABLE)
            partial.replace(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
