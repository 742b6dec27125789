"""Make the synchronous client out of the asynchronous one: ``make client``.

A test compares what is committed with what this would write.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "layers" / "core" / "omnilake" / "client"
SOURCE, TARGET = CLIENT / "asynchronous.py", CLIENT / "synchronous.py"

NAMES = """
Answers Archives BaseTransport Client Collections Configuration Entries HTTPTransport JobHandle Jobs OmniLake Pages
Requests SourceTypes Sources
"""
REPLACEMENTS = {
    **{f"Async{name}": name for name in NAMES.split()},
    "aclose": "close",
    "async_call": "call",
    "async_pause": "pause_for",
    "asyncio": "threading",
}


def made() -> str:
    """The synchronous client's source."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "in"), Path(folder, "out")
        before.mkdir()
        copy = before / SOURCE.name
        copy.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
        rule = unasync.Rule(str(before), str(after), additional_replacements=REPLACEMENTS)
        unasync.unasync_files([str(copy)], [rule])
        text = (after / SOURCE.name).read_text(encoding="utf-8")
    ruff = str(Path(sys.executable).with_name("ruff"))
    shorter = ["check", "--quiet", "--fix-only", "--unsafe-fixes", "--extend-select", "UP028,C416"]
    for command in (shorter, ["format", "--quiet"]):
        call = [ruff, *command, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(call, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


if __name__ == "__main__":
    TARGET.write_text(made(), encoding="utf-8")
