"""Workers by function: who runs next, how many at a time, and what each function has used so far."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from omnilake_local.server.functions.environment import FunctionVersion
from omnilake_local.server.functions.runtime_api import Invocation
from omnilake_local.server.functions.worker import InvocationOutcome, Worker

IDLE_SECONDS = 600.0
"""A worker that has had nothing to do for so long is ended."""

QUEUE_LIMIT_SECONDS = 900.0
"""Longest wait for a free worker: Lambda's own longest run. Then the invocation is throttled."""

_REAP_EVERY_SECONDS = 30.0
T = TypeVar("T")


class NoWorkerFreeError(Exception):
    """No worker of the function came free within ``QUEUE_LIMIT_SECONDS``."""


@dataclass
class FunctionUsage:
    """Counters of one function since the server started. ``peak_rss_mb`` is its hungriest worker's."""

    memory_size_mb: int = 0
    peak_rss_mb: float = 0.0
    invocations: int = 0
    cold_starts: int = 0


@dataclass
class _FunctionPool:
    """All workers of one version of one function."""

    idle: list[Worker] = field(default_factory=list)
    busy: set[Worker] = field(default_factory=set)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    taken: int = 0


class FunctionRuntime:
    """Runs functions on an event loop in a thread of its own.

    ``invoke``, ``begin``, ``has_run`` and ``discard`` may be called from any thread; everything else stays on the loop.
    """

    def __init__(self, *, python: Path, endpoint_url: str, scratch_dir: Path, workers_per_function: int) -> None:
        self._python = python
        self._endpoint_url = endpoint_url
        self._scratch_dir = scratch_dir
        self._limit = workers_per_function
        self._pools: dict[str, _FunctionPool] = {}
        self._usage: dict[str, FunctionUsage] = {}
        self._suspended = False
        self._loop = asyncio.new_event_loop()  # uvloop forks the whole server for a new process; this one need not
        self._thread = threading.Thread(target=self._run_loop, daemon=True, name="lambda-runtime")

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()
        self._submit(self._begin_reaping)

    def invoke(self, version: FunctionVersion, request: Callable[[], Invocation]) -> InvocationOutcome:
        """Run one invocation and wait for its outcome.

        ``request`` is called when a worker is free, so that the deadline it carries begins then. Raises
        ``NoWorkerFreeError`` when none comes free in time.
        """
        return self.begin(version, request).result()

    def begin(self, version: FunctionVersion, request: Callable[[], Invocation]) -> Future[InvocationOutcome]:
        """As ``invoke``, without waiting."""
        return asyncio.run_coroutine_threadsafe(self._invoke(version, request), self._loop)

    def has_run(self, arn: str, version: str) -> bool:
        """Whether a version of a function was invoked since it last changed."""
        return _key(arn, version) in self._pools

    def discard(self, belongs: Callable[[FunctionVersion], bool]) -> None:
        """End the workers of every version that ``belongs``; those at work finish their invocation first."""
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._discard(belongs)))

    def suspend(self) -> None:
        """Start no further invocation: whoever asks for one waits until the process ends."""
        self._suspended = True

    def stop(self) -> None:
        """Kill every worker and end the loop."""
        self._suspended = True
        self._submit(self._stop_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def usage(self) -> list[dict[str, Any]]:
        """One record a function: name, memory sizes in MB, counters, and the process ids of its living workers.

        ``busy_pids`` are those of ``worker_pids`` that start or run an invocation at this moment.
        """

        async def collect() -> list[dict[str, Any]]:
            workers: dict[str, list[int]] = {}
            busy: dict[str, list[int]] = {}
            for pool in self._pools.values():
                for worker in [*pool.idle, *pool.busy]:
                    if worker.process_id is not None and worker.usable:
                        workers.setdefault(worker.version.name, []).append(worker.process_id)
                        if worker in pool.busy:
                            busy.setdefault(worker.version.name, []).append(worker.process_id)
            return [
                {
                    "function": name,
                    "memory_size_mb": usage.memory_size_mb,
                    "peak_rss_mb": round(usage.peak_rss_mb, 1),
                    "invocations": usage.invocations,
                    "cold_starts": usage.cold_starts,
                    "workers": len(workers.get(name, [])),
                    "worker_pids": workers.get(name, []),
                    "busy_pids": busy.get(name, []),
                }
                for name in sorted({*self._usage, *workers})
                for usage in [self._usage.get(name) or FunctionUsage()]
            ]

        return self._submit(collect)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _submit(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result()

    async def _begin_reaping(self) -> None:
        self._reaper = asyncio.create_task(self._reap_forever())

    async def _invoke(self, version: FunctionVersion, request: Callable[[], Invocation]) -> InvocationOutcome:
        if self._suspended:
            await asyncio.Event().wait()
        key = _key(version.arn, version.version)
        pool = self._pools.setdefault(key, _FunctionPool())
        await self._take_turn(pool)
        worker: Worker | None = None
        try:
            worker, init_ms = await self._lease(pool, version)
            outcome = await worker.invoke(request(), init_ms)
            self._count(version, outcome)
            return outcome
        finally:
            try:
                if worker is not None:
                    await self._give_back(key, pool, worker)
            finally:
                self._end_turn(pool)

    async def _take_turn(self, pool: _FunctionPool) -> None:
        if pool.taken < self._limit and not pool.waiting:
            pool.taken += 1
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        pool.waiting.append(turn)
        try:
            await asyncio.wait_for(turn, QUEUE_LIMIT_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ValueError):
                pool.waiting.remove(turn)
            raise NoWorkerFreeError from None

    @staticmethod
    def _end_turn(pool: _FunctionPool) -> None:
        while pool.waiting:
            turn = pool.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        pool.taken -= 1

    async def _lease(self, pool: _FunctionPool, version: FunctionVersion) -> tuple[Worker, float | None]:
        while pool.idle:
            worker = pool.idle.pop()
            if worker.usable and worker.version == version:
                pool.busy.add(worker)
                return worker, None
            await worker.stop()
        worker = Worker(
            version,
            python=self._python,
            endpoint_url=self._endpoint_url,
            scratch_dir=self._scratch_dir,
            log_stream=_log_stream(version),
        )
        pool.busy.add(worker)
        try:
            return worker, await worker.start()
        except BaseException:
            pool.busy.discard(worker)
            await worker.stop()
            raise

    async def _give_back(self, key: str, pool: _FunctionPool, worker: Worker) -> None:
        pool.busy.discard(worker)
        if worker.usable and self._pools.get(key) is pool and not self._suspended:
            pool.idle.append(worker)
        else:
            await worker.stop()

    def _count(self, version: FunctionVersion, outcome: InvocationOutcome) -> None:
        usage = self._usage.setdefault(version.name, FunctionUsage())
        usage.memory_size_mb = version.memory_mb
        usage.invocations += 1
        usage.cold_starts += outcome.init_ms is not None
        usage.peak_rss_mb = max(usage.peak_rss_mb, outcome.peak_memory_mb)

    async def _discard(self, belongs: Callable[[FunctionVersion], bool]) -> None:
        for key, pool in list(self._pools.items()):
            members = [*pool.idle, *pool.busy]
            if members and belongs(members[0].version):
                del self._pools[key]
                idle, pool.idle = pool.idle, []
                for worker in idle:
                    await worker.stop()

    async def _reap_forever(self) -> None:
        while True:
            await asyncio.sleep(_REAP_EVERY_SECONDS)
            oldest = time.monotonic() - IDLE_SECONDS
            for key, pool in list(self._pools.items()):
                for worker in [worker for worker in pool.idle if worker.last_used < oldest]:
                    pool.idle.remove(worker)
                    await worker.stop()
                if not pool.idle and not pool.taken and self._pools.get(key) is pool:
                    del self._pools[key]  # ``discard`` would not know whose it was

    async def _stop_all(self) -> None:
        for pool in list(self._pools.values()):
            for worker in [*pool.idle, *pool.busy]:
                await worker.stop()
        self._pools.clear()
        self._reaper.cancel()
        await asyncio.sleep(0)  # lets the cancelled connections end before the loop does


def _key(arn: str, version: str) -> str:
    return f"{arn}:{version}"


def _log_stream(version: FunctionVersion) -> str:
    """Name of a new process's stream; in a log group of several functions it begins with the function's name.

    Source: "Configuring CloudWatch log groups", https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html
    """
    name = "" if version.log_group == f"/aws/lambda/{version.name}" else version.name
    return f"{datetime.now(UTC):%Y/%m/%d}/{name}[{version.version}]{uuid.uuid4().hex}"
