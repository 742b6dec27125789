"""Peak resident memory of a running process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_HIGH_WATER_MARK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def peak_resident_mb(process_id: int) -> float | None:
    """Peak resident set of the process in MB (2**20 bytes), or None if it is gone.

    Linux keeps the true peak (``VmHWM``, see ``proc_pid_status(5)``). Elsewhere ``ps`` gives only the current
    value; the caller keeps the largest one seen, a lower bound of the peak.
    """
    if sys.platform == "linux":
        try:
            found = _HIGH_WATER_MARK.search(Path(f"/proc/{process_id}/status").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(found[1]) / 1024 if found else None
    answer = subprocess.run(["ps", "-o", "rss=", "-p", str(process_id)], capture_output=True, text=True, check=False)
    return int(answer.stdout) / 1024 if answer.stdout.strip() else None
