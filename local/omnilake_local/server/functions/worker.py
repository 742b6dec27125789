"""One Lambda execution environment: a process, its Runtime API, its output and its peak memory.

Everything here runs on the event loop of ``FunctionRuntime``. That loop lives in one thread for the server's
whole life, which matters twice: the kernel's parent-death signal follows the *thread* that started a process,
and with the output pipe and the Runtime API read by the same loop, all that a handler printed before it
answered is known to be collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omnilake_local.server.functions.environment import FunctionVersion, worker_environment
from omnilake_local.server.functions.memory import peak_resident_mb
from omnilake_local.server.functions.runtime_api import Invocation, RuntimeApi, RuntimeReport

INIT_LIMIT_SECONDS = 60.0
"""How long a cold start may take. AWS grants 10 s and then begins again; a busy laptop needs more."""

MAX_OUTPUT_BYTES = 1024 * 1024
"""Output kept of one invocation; the rest is dropped with a note."""

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True)
class InvocationOutcome:
    """What came of one invocation. Durations are in milliseconds, memory in MB."""

    payload: bytes
    failed: bool
    output: str
    duration_ms: float
    init_ms: float | None
    peak_memory_mb: int
    log_stream: str


def platform_error(error_type: str, request_id: str, message: str) -> bytes:
    """An error payload as the Lambda service itself makes it."""
    error = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return json.dumps(error).encode()


def exit_message(return_code: int) -> str:
    """Lambda's words for a process that ended with this code (negative: the signal that ended it)."""
    if return_code == 0:
        return "Runtime exited without providing a reason"
    if return_code > 0:
        return f"Runtime exited with error: exit status {return_code}"
    return f"Runtime exited with error: signal: {signal.strsignal(-return_code) or -return_code}".lower().replace(
        "runtime", "Runtime", 1
    )


class Worker:
    """A process that serves one function version, one invocation at a time."""

    def __init__(
        self,
        version: FunctionVersion,
        *,
        python: Path,
        endpoint_url: str,
        scratch_dir: Path,
        log_stream: str,
    ) -> None:
        self.version = version
        self.log_stream = log_stream
        self.last_used = time.monotonic()
        self.peak_memory_mb = 0.0
        self.invocations = 0
        self._python = python
        self._endpoint_url = endpoint_url
        self._scratch_dir = scratch_dir
        self._inbox: asyncio.Queue[Invocation] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._report: asyncio.Future[RuntimeReport] | None = None
        self._init_error: bytes | None = None
        self._api = RuntimeApi(self._take_invocation, self._receive)
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[int] | None = None
        self._output_fd: int | None = None
        self._lifeline_fd: int | None = None
        self._output: list[bytes] = []
        self._output_bytes = 0

    @property
    def process_id(self) -> int | None:
        """The process's id, or None before it starts."""
        return self._process.pid if self._process else None

    @property
    def usable(self) -> bool:
        """Whether the process runs and can take another invocation."""
        return self._exit is not None and not self._exit.done() and not self._has_just_ended()

    def _has_just_ended(self) -> bool:
        """Whether the process has ended though the event loop has not been told yet, as after a kill."""
        if self._process is None or not hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            return False
        try:
            # WNOWAIT leaves the exit code to the event loop
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    async def start(self) -> float:
        """Start the process and wait until it asks for work or ends; returns the milliseconds it took."""
        began = time.perf_counter()
        await self._api.start()
        lifeline_read, self._lifeline_fd = os.pipe()
        self._output_fd, output_write = os.pipe()
        os.set_blocking(self._output_fd, False)
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(self._python),
                str(_BOOTSTRAP),
                str(lifeline_read),
                self.version.handler,
                cwd=self.version.task_root,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(lifeline_read,),
                process_group=0,
            )
        finally:
            os.close(lifeline_read)
            os.close(output_write)
        asyncio.get_running_loop().add_reader(self._output_fd, self._read_output)
        self._exit = asyncio.create_task(self._process.wait())
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({waiting, self._exit}, timeout=INIT_LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self._measure_memory()
        return (time.perf_counter() - began) * 1000

    async def invoke(self, request: Invocation, init_ms: float | None) -> InvocationOutcome:
        """Run one invocation; a worker whose ``usable`` is false afterwards must be discarded."""
        assert self._exit is not None  # noqa: S101 - start() comes first, by construction
        self.invocations += 1
        began = time.perf_counter()
        failed = True
        if self._init_error is not None:
            payload = self._init_error
            await self.stop()
        elif self._exit.done():
            payload = platform_error("Runtime.ExitError", request.request_id, exit_message(self._exit.result()))
        elif not self._ready.is_set():
            payload = self._timed_out(request, INIT_LIMIT_SECONDS)
            await self.stop()
        else:
            payload, failed = await self._run(request)
        duration_ms = (time.perf_counter() - began) * 1000
        self._measure_memory()
        output = self._take_output()
        self.last_used = time.monotonic()
        return InvocationOutcome(
            payload, failed, output, duration_ms, init_ms, round(self.peak_memory_mb), self.log_stream
        )

    async def stop(self) -> None:
        """Kill the process and whatever it started, and release its descriptors."""
        if self._process is not None and self._exit is not None:
            self._measure_memory()
            if not self._exit.done():
                # the group is the worker's own, so this reaches a handler's subprocesses too
                with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS denies to signal the dead
                    os.killpg(self._process.pid, signal.SIGKILL)
            await self._exit
        self._read_output()
        self._api.close()
        if self._output_fd is not None:
            asyncio.get_running_loop().remove_reader(self._output_fd)
            os.close(self._output_fd)
            self._output_fd = None
        if self._lifeline_fd is not None:
            os.close(self._lifeline_fd)
            self._lifeline_fd = None

    def _environment(self) -> Mapping[str, str]:
        return worker_environment(
            self.version,
            endpoint_url=self._endpoint_url,
            runtime_api=self._api.address,
            log_stream=self.log_stream,
            scratch_dir=self._scratch_dir,
        )

    async def _run(self, request: Invocation) -> tuple[bytes, bool]:
        assert self._exit is not None  # noqa: S101 - only called by invoke()
        self._report = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(request)
        await asyncio.wait(
            (self._report, self._exit),
            timeout=self.version.timeout_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self._report.done():
            report = self._report.result()
            return report.body, report.kind != "response"
        if self._exit.done():
            code = self._exit.result()
            await self.stop()
            return platform_error("Runtime.ExitError", request.request_id, exit_message(code)), True
        await self.stop()
        return self._timed_out(request, self.version.timeout_seconds), True

    @staticmethod
    def _timed_out(request: Invocation, seconds: float) -> bytes:
        message = f"Task timed out after {seconds:.2f} seconds"
        return platform_error("Sandbox.Timedout", request.request_id, message)

    async def _take_invocation(self) -> Invocation:
        self._ready.set()
        return await self._inbox.get()

    def _receive(self, report: RuntimeReport) -> None:
        self._read_output()
        if report.kind == "init_error":
            self._init_error = report.body
            self._ready.set()
        elif self._report is not None and not self._report.done():
            self._report.set_result(report)

    def _read_output(self) -> None:
        if self._output_fd is None:
            return
        while True:
            try:
                chunk = os.read(self._output_fd, 65536)
            except BlockingIOError:
                return
            if not chunk:
                asyncio.get_running_loop().remove_reader(self._output_fd)
                return
            if self._output_bytes < MAX_OUTPUT_BYTES:
                self._output.append(chunk)
            self._output_bytes += len(chunk)

    def _take_output(self) -> str:
        self._read_output()
        text = b"".join(self._output).decode("utf-8", "replace")
        if self._output_bytes > MAX_OUTPUT_BYTES:
            text += f"\n[output over {MAX_OUTPUT_BYTES} bytes dropped]\n"
        self._output, self._output_bytes = [], 0
        return text

    def _measure_memory(self) -> None:
        if self._process is not None:
            peak = peak_resident_mb(self._process.pid)
            if peak is not None:
                self.peak_memory_mb = max(self.peak_memory_mb, peak)
