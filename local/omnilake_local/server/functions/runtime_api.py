"""The Lambda Runtime API (version 2018-06-01) for one worker, as an asyncio server on a loopback port of its own.

Each worker gets its own port, because that is the only thing by which the runtime client says who it is.
Reference: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from omnilake_local.server.settings import HOST

_MAX_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Invocation:
    """One event on its way to a worker. ``deadline_ms`` is Unix time."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str | None = None
    client_context: str | None = None

    def headers(self) -> dict[str, str]:
        """Headers of the answer to ``GET …/invocation/next``."""
        head = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
        }
        if self.trace_id:
            head["Lambda-Runtime-Trace-Id"] = self.trace_id
        if self.client_context:
            head["Lambda-Runtime-Client-Context"] = self.client_context
        return head


@dataclass(frozen=True)
class RuntimeReport:
    """What the runtime client posted: ``kind`` is ``response``, ``error`` or ``init_error``."""

    kind: str
    request_id: str | None
    body: bytes


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes


class RuntimeApi:
    """Serves ``next_invocation()`` to the client and hands what it posts to ``on_report``."""

    def __init__(
        self,
        next_invocation: Callable[[], Awaitable[Invocation]],
        on_report: Callable[[RuntimeReport], None],
    ) -> None:
        self._next_invocation = next_invocation
        self._on_report = on_report
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.address = ""

    async def start(self) -> None:
        """Listen on a free loopback port; ``address`` is then ``host:port``."""
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=_MAX_HEAD_BYTES)
        self.address = f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Stop listening and drop open connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None  # noqa: S101 - asyncio runs this as a task
        self._connections.add(connection)
        try:
            while (request := await _read_request(reader)) is not None:
                status, headers, body = await self._answer(request)
                head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
                head += [f"{name}: {value}" for name, value in headers.items()]
                writer.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the worker ended; its exit is noticed by whoever started it
        except asyncio.CancelledError:
            pass  # close() was called, and asyncio would report the cancellation as an error
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _answer(self, request: _Request) -> tuple[str, dict[str, str], bytes]:
        parts = request.path.rstrip("/").split("/")
        if request.method == "GET" and parts[-2:] == ["invocation", "next"]:
            invocation = await self._next_invocation()
            return "200 OK", invocation.headers(), invocation.payload
        if request.method == "POST" and parts[-2:] == ["init", "error"]:
            self._on_report(RuntimeReport("init_error", None, request.body))
        elif request.method == "POST" and parts[-1] in ("response", "error"):
            self._on_report(RuntimeReport(parts[-1], parts[-2], request.body))
        else:
            return "404 Not Found", {}, b""
        return "202 Accepted", {"Content-Type": "application/json"}, b'{"status":"OK"}'


async def _read_request(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if not end.partial:
            return None
        raise
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = request_line.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _Request(method, path, await _read_chunks(reader))
    return _Request(method, path, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(chunks)
