"""Compress LanceDB's native module and put the module that loads it in its place.

Run by the layer's build: ``python pack_native_module.py <directory of the installed package lancedb>``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import zstandard

LEVEL = 9
"""53 MiB in 2 s; level 15 gives 52 in 12 s. Unpacking takes the same time at every level."""


def pack(package: Path) -> None:
    """Replace ``_lancedb.abi3.so`` by its zstd frame (with checksum), a file of its size and hash, and the loader."""
    native = package / "_lancedb.abi3.so"
    content = native.read_bytes()
    # One thread a core: the frame has the same bytes for any number of threads but zero.
    compressor = zstandard.ZstdCompressor(level=LEVEL, threads=-1, write_checksum=True)
    (package / "_lancedb.abi3.so.zst").write_bytes(compressor.compress(content))
    facts = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (package / "_lancedb.json").write_text(json.dumps(facts) + "\n")
    shutil.copyfile(Path(__file__).with_name("lancedb_native_module.py"), package / "_lancedb.py")
    native.unlink()


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
