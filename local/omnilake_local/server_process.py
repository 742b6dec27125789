"""The server as an operating system process: start it detached, find it again, stop it.

A process file names the pid. A pid can be another process's after a crash or a reboot, so a process counts as ours only
if its command line is that of a server of this very state directory.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from omnilake_local.errors import LocalCloudError
from omnilake_local.paths import PACKAGE, StateDir

MODULE = "omnilake_local.server"
WORKERS = 2
"""Processes that run one function at a time, at most."""
HOST = "127.0.0.1"
DEFAULT_PORT = 4566
_PORTS_TRIED = 100
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 30.0


@dataclass(frozen=True)
class ServerProcess:
    """A server that was started; ``is_alive`` says whether it still runs."""

    pid: int
    port: int
    data: str
    """The directory it keeps its state in, as given on its command line."""
    started_at: float
    """Seconds since the epoch."""
    fingerprint: str
    """Of the server's code at its start."""

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def is_alive(self) -> bool:
        command = command_line(self.pid)
        return MODULE in command and self.data in command

    @property
    def uptime(self) -> float:
        """Seconds since it started."""
        return max(0.0, time.time() - self.started_at)

    def is_healthy(self) -> bool:
        """Whether it answers its health request."""
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_omnilake/health", timeout=2) as answer:  # noqa: S310
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False


def command_line(pid: int) -> str:
    """Command line of a process, parts joined by a space; empty if there is no such process or it has ended."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.strip()


def recorded_server(state: StateDir) -> ServerProcess | None:
    """The server that the process file names, whether or not it still runs."""
    try:
        return ServerProcess(**json.loads(state.server.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        # Half-written by a crash: tells nothing, and the next start writes it anew.
        return None


def running_server(state: StateDir) -> ServerProcess | None:
    """The server of this state directory if it runs."""
    server = recorded_server(state)
    return server if server is not None and server.is_alive() else None


def free_port(preferred: int) -> int:
    """The preferred port, or the next one that nothing listens on.

    Raises:
        LocalCloudError: none of the next hundred is free.
    """
    for port in range(preferred, min(preferred + _PORTS_TRIED, 65_536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise LocalCloudError(f"No free port from {preferred} on.", action="Name one with --port.")


def start_server(
    state: StateDir, *, python: Path, lambda_python: Path, port: int, fingerprint: str, workers: int = WORKERS
) -> ServerProcess:
    """Start the server in a session of its own and wait until it is healthy.

    Raises:
        LocalCloudError: it ended, or was not healthy within a minute.
    """
    state.logs.mkdir(parents=True, exist_ok=True)
    state.data.mkdir(parents=True, exist_ok=True)
    command = [
        str(python), "-m", MODULE,
        "--port", str(port),
        "--state-dir", str(state.data),
        "--lambda-python", str(lambda_python),
        "--workers-per-function", str(workers),
    ]  # fmt: skip
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
    env["PYTHONPATH"] = str(PACKAGE.parent)
    env["PYTHONUNBUFFERED"] = "1"
    with state.server_log.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        child = subprocess.Popen(
            command,
            env=env,
            cwd=state.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = ServerProcess(child.pid, port, str(state.data), time.time(), fingerprint)
    state.server.write_text(json.dumps(asdict(server)))
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise _did_not_start(state, f"ended with exit code {child.returncode}")
        if server.is_healthy():
            return server
        time.sleep(0.05)
    stop_server(server)
    raise _did_not_start(state, f"was not healthy within {_START_TIMEOUT:.0f} s")


def _did_not_start(state: StateDir, what: str) -> LocalCloudError:
    return LocalCloudError(
        f"The embedded cloud's server {what}.",
        action="Read the log below; if its saved state is damaged, move the state directory away.",
        log=state.server_log,
    )


def stop_server(server: ServerProcess) -> bool:
    """Ask it to save its state and end; end it hard if it does not within half a minute.

    Returns:
        Whether it ended by itself. If not, state other than S3 objects may be that of its last save.
    """
    if not server.is_alive():
        return True
    os.kill(server.pid, signal.SIGTERM)
    if _ended(server, _STOP_TIMEOUT):
        return True
    os.kill(server.pid, signal.SIGKILL)
    _ended(server, 5)
    return False


def _ended(server: ServerProcess, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while server.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
