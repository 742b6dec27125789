"""The console's way to the API: a server on 127.0.0.1 that signs what the page asks for.

Whoever could use it would use the API in the user's name. So it answers only

- at its own address: another ``Host`` (a name of elsewhere that was pointed at 127.0.0.1) is refused;
- below a path that is made up for the run, with a cookie that is made up for the run and bound to that path. All ports
  of a host share their cookies, so without the path other servers of this machine would be sent it;
- to pages of its own: ``Sec-Fetch-Site`` and ``Origin`` name no other.

The cookie is given once, to who opens the address that the command prints. Forwarded are the console's own paths
(``/``, ``/console/…``, ``/v1/…``) with the headers that the API reads; the redirects of the API are not followed.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from botocore.exceptions import BotoCoreError

from omnilake.errors import OmniLakeError

HOST = "127.0.0.1"
COOKIE = "omnilake_console"
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Largest body that is forwarded, as of the API. Documents go to S3 without it."""

_TIMEOUT_S = 35.0
"""An HTTP API answers within 30 s."""

_FORWARDED_PATHS = ("/console/", "/v1/")
_TO_API = ("accept", "content-type", "prefer", "idempotency-key", "if-match", "if-none-match")
_TO_BROWSER = (
    "content-type",
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cache-control",
    "etag",
    "retry-after",
    "preference-applied",
)
_CLOSED = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class ConsoleProxy(ThreadingHTTPServer):
    """Bound when it is made; serves with ``serve_forever``.

    Args:
        endpoint: address of the API.
        auth: signs each request.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, endpoint: str, auth: httpx2.Auth, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.host = f"{HOST}:{self.server_address[1]}"
        self.origin = f"http://{self.host}"
        self.root = f"/{secrets.token_urlsafe(16)}"
        self.cookie = secrets.token_urlsafe(32)
        self._opening = secrets.token_urlsafe(32)
        self._opened = False
        self._endpoint = endpoint.rstrip("/")
        self._api = httpx2.Client(auth=auth, timeout=_TIMEOUT_S, follow_redirects=False)

    def server_bind(self) -> None:
        """Without the look-up of this machine's name, which takes seconds where no DNS answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves a page drops its connections: that is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def opening_url(self) -> str:
        """Address that gives the cookie to the first browser that opens it, and leads to the page."""
        return f"{self.origin}{self.root}/?open={self._opening}"

    def opens(self, key: str) -> bool:
        """Whether this is the first use of the opening address."""
        if self._opened or not hmac.compare_digest(key.encode(), self._opening.encode()):
            return False
        self._opened = True
        return True

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx2.Response:
        """What the API answers; where that is a link to an object, which is signed already, the object.

        Raises:
            httpx2.TransportError: it can't be reached.
            BotoCoreError: the credentials can't be renewed.
            OmniLakeError: there are none.
        """
        answer = self._api.request(method, self._endpoint + path, headers=headers, content=body)
        if answer.status_code == HTTPStatus.SEE_OTHER:
            return self._api.get(answer.headers["location"], auth=None)
        return answer

    def server_close(self) -> None:
        super().server_close()
        self._api.close()


class _Handler(BaseHTTPRequestHandler):
    server: ConsoleProxy
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (names of http.server)

    def _serve(self) -> None:
        body = self._read()
        if body is None:
            return
        if self.headers.get("Host") != self.server.host:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, f"The console is at {self.server.origin}.")
            return
        path = self.path.removeprefix(self.server.root)
        if path == self.path or not path.startswith("/"):
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
            return
        if path.startswith("/?open="):
            self._open(path)
        elif not self._has_cookie():
            self._refuse(
                HTTPStatus.FORBIDDEN, "This browser has no part in the run. Start `omnilake console` again to open it."
            )
        elif not self._same_origin():
            self._refuse(HTTPStatus.FORBIDDEN, "Another site asked for this.")
        elif path == "/" or path.startswith(_FORWARDED_PATHS):
            self._forward(path, body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _read(self) -> bytes | None:
        """The body; None when it was refused. A body of unknown end can't be followed by another request."""
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Say how long the body is.")
            return None
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {MAX_BODY_BYTES:,} bytes.")
            return None
        return self.rfile.read(int(length))

    def _open(self, path: str) -> None:
        key = parse_qs(urlsplit(path).query).get("open", [""])[0]
        fresh = self.command == "GET" and self.server.opens(key)
        if not fresh and not self._has_cookie():
            self._refuse(HTTPStatus.FORBIDDEN, "This address opens once. Start `omnilake console` again.")
            return
        headers = {"Location": f"{self.server.root}/"}
        if fresh:
            scope = f"Path={self.server.root}/; HttpOnly; SameSite=Strict"
            headers["Set-Cookie"] = f"{COOKIE}={self.server.cookie}; {scope}"
        self._send(HTTPStatus.SEE_OTHER, headers | _CLOSED, b"")

    def _has_cookie(self) -> bool:
        try:
            given = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return given is not None and hmac.compare_digest(given.value.encode(), self.server.cookie.encode())

    def _same_origin(self) -> bool:
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = self.headers.get("Origin")  # browsers send it with all but GET
        return origin == self.server.origin or (origin is None and self.command == "GET")

    def _forward(self, path: str, body: bytes) -> None:
        headers = {name: self.headers[name] for name in _TO_API if name in self.headers}
        try:
            answer = self.server.forward(self.command, path, headers, body)
        except (httpx2.TransportError, BotoCoreError) as error:
            self._problem(f"The call ended with {type(error).__name__}. Is this machine online, and are you signed in?")
            return
        except OmniLakeError as error:  # there are no credentials
            self._problem(f"{error.message} {error.action}")
            return
        kept = {name.title(): answer.headers[name] for name in _TO_BROWSER if name in answer.headers}
        if not answer.headers.get("content-type", "").startswith("text/html"):
            kept.setdefault("Content-Security-Policy", _CLOSED["Content-Security-Policy"])
        self._send(answer.status_code, kept, answer.content)

    def _problem(self, detail: str) -> None:
        told = {
            "type": "about:blank",
            "title": "The API can't be asked.",
            "status": HTTPStatus.BAD_GATEWAY,
            "detail": detail,
            "code": "API_UNREACHABLE",
        }
        headers = {"Content-Type": "application/problem+json"} | _CLOSED
        self._send(HTTPStatus.BAD_GATEWAY, headers, json.dumps(told).encode())

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(status, {"Content-Type": "text/plain; charset=utf-8"} | _CLOSED, text.encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: addresses hold the run's secret."""
