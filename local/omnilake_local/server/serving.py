"""The life of the server: install the parts, listen, and on SIGTERM save everything and leave no process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import uvicorn
import uvloop

from omnilake_local.server.functions.integration import PythonFunctions
from omnilake_local.server.pages import Application
from omnilake_local.server.services import install_corrections
from omnilake_local.server.settings import HOST, ServerSettings
from omnilake_local.server.stepfunctions import install_step_functions

_LOG = logging.getLogger("omnilake_local.server")
_DEEPEST_RECURSION = 20_000
"""moto's inline Map calls itself once an item; Python's default of 1,000 would end a Map of 900."""

_SWITCH_SECONDS = 0.001
"""A call of the API passes two event loops' threads; with Python's default of 5 ms a hand-over may wait that long."""


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT; raises ``SystemExit`` if the port is taken."""
    sys.setrecursionlimit(_DEEPEST_RECURSION)
    sys.setswitchinterval(_SWITCH_SECONDS)
    _raise_descriptor_limit()
    # A failed state is no failure of this server, and its history tells it; moto would dump its whole parse tree.
    logging.getLogger("moto.stepfunctions.parser.asl.component.eval_component").setLevel(logging.CRITICAL)
    with socket.socket() as probe:
        if probe.connect_ex((HOST, settings.port)) == 0:
            raise SystemExit(f"port {settings.port} is already in use")
    functions = PythonFunctions(settings)
    functions.install()
    background = install_corrections(settings)
    machines = install_step_functions(settings)
    started = time.time()

    def health() -> dict[str, Any]:
        return {
            "status": "running",
            "uptime_seconds": round(time.time() - started, 1),
            "endpoint_url": settings.endpoint_url,
            "state_dir": str(settings.state_dir),
            "versions": {name: version(name) for name in ("ministack", "moto", "jsonata-python", "awslambdaric")},
        }

    def when_started() -> None:
        functions.prune_artifacts()
        machines.report_interrupted()
        gc.collect()
        gc.freeze()  # modules and restored state stay: no full collection, up to 0.2 s of silence, looks at them again
        for each in background:
            each.start()

    def before_saving() -> None:
        for each in background:
            each.suspend()
        machines.suspend()
        functions.runtime.suspend()

    application = Application({"health": health, "lambda": functions.runtime.usage}, when_started)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_listen(settings, application, before_saving))
    finally:
        functions.runtime.stop()


async def _listen(settings: ServerSettings, application: Application, before_saving: Callable[[], None]) -> None:
    """Serve with parsers and an event loop in C: this process answers every call of every function."""
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=HOST,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            date_header=False,  # ministack sends both
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
    # Signals are ours: uvicorn would end this process by the one that it got, before the workers are stopped.
    server.capture_signals = contextlib.nullcontext

    def begin_stopping() -> None:
        before_saving()
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, begin_stopping)
    await server.serve()


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        with contextlib.suppress(ValueError):  # macOS has a lower limit of its own; then the old one stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
