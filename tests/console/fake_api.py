"""A stand-in of the API that a test fills: for states that are hard to bring a deployed one into."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from console.told import Json

from omnilake.api.console import PAGE, asset, security_headers


class Answered:
    """A response: status, JSON, headers."""

    def __init__(self, status: int, body: Json | None = None, **headers: str) -> None:
        self.status, self.body, self.headers = status, body, headers


def problem(status: int, code: str, detail: str, **headers: str) -> Answered:
    return Answered(
        status, {"title": code.title(), "status": status, "detail": detail, "code": code, "instance": "r-1"}, **headers
    )


class Asked:
    """A request."""

    def __init__(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> None:
        self.method, self.path, self.query, self.headers, self.body = method, path, query, headers, body


Told: TypeAlias = Json | Answered | Callable[[Asked], Json | Answered]


class FakeApi(ThreadingHTTPServer):
    """``routes``: "GET /v1/archives" → what it answers. It stands for S3 as well, below ``/s3``."""

    daemon_threads = True

    def __init__(self) -> None:
        self.routes: dict[str, Told] = {}
        self.asked: list[Asked] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The proxy drops what its browser does not wait for."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, route: str) -> list[Asked]:
        """Requests of a route, in their order."""
        return [each for each in self.asked if f"{each.method} {each.path}" == route]


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = {"/": PAGE}.get(url.path, url.path.removeprefix("/console/"))
        found = asset(name)
        if found and not url.path.startswith("/v1/"):
            self._send(
                200, found.body.encode(), {"Content-Type": found.media_type} | security_headers([self.server.address])
            )
            return
        body = json.loads(raw) if self.headers.get("Content-Type", "") == "application/json" and raw else raw
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        asked = Asked(
            self.command, unquote(url.path), query, {name.lower(): value for name, value in self.headers.items()}, body
        )
        self.server.asked.append(asked)
        told = self.server.routes.get(f"{asked.method} {asked.path}", problem(404, "NOT_THERE", asked.path))
        answer = told(asked) if callable(told) else told
        if not isinstance(answer, Answered):
            answer = Answered(200, answer)
        kind = "application/problem+json" if answer.status >= 400 else "application/json"
        headers = {name.replace("_", "-"): value for name, value in answer.headers.items()}
        self._send(answer.status, json.dumps(answer.body).encode(), {"Content-Type": kind} | headers)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (names of http.server)

    def do_OPTIONS(self) -> None:
        self._send(204, b"", {"Access-Control-Allow-Methods": "POST, PUT", "Access-Control-Allow-Headers": "*"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        if self.path.startswith("/s3"):
            headers |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag"}
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""
