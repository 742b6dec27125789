"""A read-only page for the executions of the embedded cloud, on 127.0.0.1.

Stands in for the Step Functions console. Reads through the same API as any client, changes nothing, and answers only
requests that name this machine as their host, so no page of elsewhere can read it by a name of its own.
"""

from __future__ import annotations

import json
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from omnilake_local import console_pages
from omnilake_local.deployment import client
from omnilake_local.execution_history import tell
from omnilake_local.server_process import HOST, free_port

DEFAULT_PORT = 4580
_EXECUTIONS_SHOWN = 10
_EXECUTIONS_OF_ONE = 200
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Console:
    """Renders pages from what Step Functions answers."""

    def __init__(self, endpoint_url: str) -> None:
        self._states = client("stepfunctions", endpoint_url)

    def render(self, path: str) -> str | None:
        """The page at a path, or None if there is none.

        Raises:
            ClientError: Step Functions does not know what the path names.
        """
        kind, _, arn = unquote(path).strip("/").partition("/")
        if kind == "":
            return self._machines()
        if kind == "machines" and arn:
            return self._machine(arn)
        if kind == "executions" and arn:
            return self._execution(arn)
        return None

    def _machines(self) -> str:
        machines = self._states.list_state_machines()["stateMachines"]
        return console_pages.machines_page(
            (each["name"], each["stateMachineArn"], self._executions(each["stateMachineArn"], _EXECUTIONS_SHOWN))
            for each in sorted(machines, key=lambda each: str(each["name"]))
        )

    def _machine(self, arn: str) -> str:
        name = self._states.describe_state_machine(stateMachineArn=arn)["name"]
        executions = self._executions(arn, _EXECUTIONS_OF_ONE)
        return console_pages.page(name, console_pages.executions_table(executions))

    def _executions(self, machine: str, most: int) -> list[dict[str, Any]]:
        found = self._states.list_executions(stateMachineArn=machine, maxResults=most)["executions"]
        return sorted(found, key=lambda each: each["startDate"], reverse=True)

    def _execution(self, arn: str) -> str:
        execution = self._states.describe_execution(executionArn=arn)
        machine = self._states.describe_state_machine(stateMachineArn=execution["stateMachineArn"])
        pages = self._states.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        return console_pages.execution_page(execution, json.loads(machine["definition"]), events, tell(events))


class _Handler(BaseHTTPRequestHandler):
    server: ConsoleServer

    def do_GET(self) -> None:
        if (self.headers.get("Host") or "").rpartition(":")[0] not in (HOST, "localhost"):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "Not here", "This console answers on 127.0.0.1 only.")
            return
        try:
            document = self.server.console.render(urlsplit(self.path).path)
        except ClientError as error:
            self._answer(HTTPStatus.NOT_FOUND, "Not found", str(error))
        except BotoCoreError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, "The embedded cloud does not answer", str(error))
        else:
            if document is None:
                self._answer(HTTPStatus.NOT_FOUND, "Not found", "There is no such page.")
            else:
                self._send(HTTPStatus.OK, document)

    def _answer(self, status: HTTPStatus, title: str, text: str) -> None:
        self._send(status, console_pages.page(title, f"<p>{escape(text)}</p>"))

    def _send(self, status: HTTPStatus, document: str) -> None:
        body = document.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the terminal shows the address alone."""


class ConsoleServer(ThreadingHTTPServer):
    """The console's HTTP server."""

    daemon_threads = True

    def __init__(self, port: int, endpoint_url: str) -> None:
        self.console = Console(endpoint_url)
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Without the look-up of this machine's name, which takes seconds where no DNS answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])


def make_server(endpoint_url: str, port: int | None = None) -> ConsoleServer:
    """A console for the cloud at this endpoint, bound and not yet serving; port 4580 or the next free one."""
    return ConsoleServer(free_port(port or DEFAULT_PORT), endpoint_url)


def url_of(server: ConsoleServer, execution: str | None = None) -> str:
    """Address of the console, or of one execution's page in it."""
    path = console_pages.execution_path(execution) if execution else "/"
    return f"http://{HOST}:{server.server_address[1]}{path}"
