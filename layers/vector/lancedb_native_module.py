"""Stands for LanceDB's native module, which the layer carries compressed; the layer has it as ``lancedb/_lancedb.py``.

The module's 175 MiB alone are most of what Lambda allows a function with its layers, 250 MiB unzipped. The first
import in a sandbox unpacks it into the temporary directory (0.3 to 0.5 s); this module then loads it and puts it in
its own place, so that ``import lancedb`` works as ever. Later processes of the same user find the unpacked file.

The unpacked file is named by its SHA-256 and appears when complete. Its directory must belong to this user and be
closed to others, since what lies there is run: if somebody else made it, a fresh private directory is used.
"""

from __future__ import annotations

import fcntl
import importlib.machinery
import importlib.util
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pyarrow

_PACKED = Path(__file__).with_name("_lancedb.abi3.so.zst")
_FACTS = Path(__file__).with_name("_lancedb.json")
_BLOCK = 1 << 20


def unpacked(packed: Path, size: int, sha256: str) -> Path:
    """Path of the unpacked native module, unpacking it when this user's temporary directory does not have it.

    Args:
        packed: the zstd frame, which carries a checksum of the content.
        size: bytes of the content.
        sha256: of the content, hex; names the file.

    Raises:
        OSError: the temporary directory is full, or the frame is damaged.
    """
    directory = _private_directory()
    path = directory / f"lancedb-{sha256[:32]}.abi3.so"
    if not _is_complete(path, size):
        with (directory / f"{path.name}.lock").open("w") as lock:
            # Processes that start together wait for the first one instead of each writing its own copy.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_complete(path, size):
                _unpack(packed, size, path)
    return path


def _is_complete(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _unpack(packed: Path, size: int, path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with pyarrow.input_stream(str(packed), compression="zstd") as source, draft.open("wb") as file:
            while block := source.read(_BLOCK):
                file.write(block)
        if not _is_complete(draft, size):
            raise OSError(f"{packed} unpacks to {draft.stat().st_size} bytes, not {size}.")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _private_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"omnilake-native-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return directory
    return Path(tempfile.mkdtemp(prefix="omnilake-native-"))


def _load(name: str) -> ModuleType:
    facts = json.loads(_FACTS.read_text())
    path = str(unpacked(_PACKED, facts["size"], facts["sha256"]))
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise ImportError(f"{path} is not a module that this Python can load.", name=name, path=path)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


if __name__ == "lancedb._lancedb":
    # Import machinery returns what sys.modules holds under the name after this module has run.
    sys.modules[__name__] = _load(__name__)
