"""Running the tools: output to a log file, the last line to whoever watches, failure as an error with that log."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from omnilake_local.errors import LocalCloudError

Watch = Callable[[str], None]


def run_logged(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    action: str,
    watch: Watch | None = None,
) -> None:
    """Run a command to its end; append what it prints to ``log``.

    Args:
        watch: called with each line as it comes.
        action: what a person should do when it fails.

    Raises:
        LocalCloudError: it could not start, or did not exit with 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        try:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise LocalCloudError(f"{command[0]} does not start: {error}", action=action, log=log) from error
        with process:
            assert process.stdout is not None  # noqa: S101 - stdout=PIPE
            for line in process.stdout:
                out.write(line)
                out.flush()
                if watch and line.strip():
                    watch(line.strip())
        if process.returncode != 0:
            name = " ".join(Path(part).name if i == 0 else part for i, part in enumerate(command[:2]))
            raise LocalCloudError(f"`{name}` failed with exit code {process.returncode}.", action=action, log=log)


def tail(path: Path, lines: int = 40) -> list[str]:
    """The last lines of a text file; an empty list if there is no such file.

    Reads at most the last 64 KiB, however long the file.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 65_536))
        return file.read().decode("utf-8", "replace").splitlines()[-lines:]
