"""Results of build steps, kept by the hash of what they were made from.

They lie in ``$OMNILAKE_CACHE_DIR``, else ``$XDG_CACHE_HOME/omnilake``, else ``~/.cache/omnilake``. A result appears
under its name only when complete, so concurrent builds and killed builds leave nothing half-made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

KEPT_RESULTS = 4
"""Results of one kind that stay: two architectures for the host's Python and for the deployed one."""


def root() -> Path:
    """The directory of all cached results."""
    if named := os.environ.get("OMNILAKE_CACHE_DIR"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "omnilake"


def fingerprint(files: Iterable[Path], *facts: str) -> str:
    """Hash (SHA-256, hex) of the files' names and contents, and of further facts on which a result depends."""
    digest = hashlib.sha256()
    parts = [part for path in sorted(files) for part in (path.name.encode(), path.read_bytes())]
    for part in [*parts, *(fact.encode() for fact in facts)]:
        # The length goes first, so that no two different lists of parts hash the same bytes.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def directory(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The cached directory of a kind and key; made by ``make(empty directory)`` when absent.

    The result is shared: copy it, never write to it.
    """
    parent = root() / kind
    result = parent / key[:32]
    if not result.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=parent))
        try:
            make(draft)
            draft.chmod(0o755)
            _publish(draft, result)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _evict(parent, keep=result)
    os.utime(result)
    return result


def _publish(draft: Path, result: Path) -> None:
    try:
        draft.rename(result)
    except OSError:
        # Another build was faster; its result has the same content.
        if not result.is_dir():
            raise


def _evict(parent: Path, keep: Path) -> None:
    results = [path for path in parent.iterdir() if not path.name.startswith(".") and path != keep]
    for old in sorted(results, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_RESULTS - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
