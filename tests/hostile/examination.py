"""``python -m hostile.examination``: extraction of hostile files, each in a process of its own.

Reads names of cases, one a line (JSON strings), and answers each with a line of JSON (``Finding``). A case is made in
one child process and extracted in another, so that what making it takes is not taken for what reading it takes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hostile.case import EXPANDS, LANDS, Case

PATIENCE_S = 300
"""Longest that a case may take: far above what the slowest needs, on the slowest machine."""


@dataclass(frozen=True)
class Finding:
    """What became of a case.

    Attributes:
        outcome: COMPLETED, EXPANDED, or the code of the error; "CRASHED" with what it printed, or "HUNG".
        told: the error's message and advice.
        text: what was extracted, its first thousand characters.
        says: whether the text holds what the case says.
        shows: whether it holds what the case hides, or a NUL.
        members: names of what an archive file expanded to.
        printed: all that came out of the process besides.
        peak_mb: most memory that the process had, the interpreter and its libraries included.
    """

    outcome: str
    told: str = ""
    text: str = ""
    says: bool = False
    shows: bool = False
    members: list[str] = field(default_factory=list)
    printed: str = ""
    peak_mb: float = 0.0


def examine(case: Case, data: bytes) -> Finding:
    """Expand or extract, as Extract Text does."""
    from omnilake.errors import DocumentError
    from omnilake.extraction import expand, extract, is_archive

    try:
        if is_archive(data, case.name):
            return Finding(EXPANDS, members=[member.name for member in expand(data, case.name)])
        document = extract(data, case.name)
    except DocumentError as error:
        return Finding(error.code, told=f"{error.message} {error.action} {error.details}")
    text = document.text
    text.encode()
    shows = "\x00" in text or bool(case.hides and case.hides in text)
    return Finding(LANDS, text=text[:1_000], says=case.says in text, shows=shows)


def in_child(work: Callable[[], Any], folder: Path) -> tuple[Any, str, float]:
    """Run in a forked process: the result (None: it crashed or hung), what it printed, and its peak memory in MB."""
    result, printed = folder / "result", folder / "printed"
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE_S)
        output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        status = 1
        try:
            result.write_text(json.dumps(work()))
            status = 0
        except BaseException:  # noqa: BLE001 - the parent tells
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    _, status, usage = os.wait4(child, 0)
    said = printed.read_text(errors="replace")
    if os.WIFSIGNALED(status):
        said += f"\nended by signal {os.WTERMSIG(status)}"
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return json.loads(result.read_text()) if status == 0 else None, said, peak


def finding(case: Case, folder: Path) -> Finding:
    """Make a case and examine it, each in a child process."""
    path = folder / "case"

    def make() -> int:
        return path.write_bytes(case.content())

    made, said, _ = in_child(make, folder)
    if made is None:
        return Finding("NOT MADE", printed=said)
    found, said, peak = in_child(lambda: asdict(examine(case, path.read_bytes())), folder)
    if found is None:
        hung = said.endswith(f"signal {signal.SIGALRM.value}")
        return Finding("HUNG" if hung else "CRASHED", printed=said, peak_mb=peak)
    return Finding(**{**found, "printed": said, "peak_mb": peak})


def main() -> None:
    from hostile.corpus import CASES

    import omnilake.extraction

    del omnilake  # imported so that each child has it already
    cases = {case.name: case for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            found = finding(cases[json.loads(line)], Path(folder))
            print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
