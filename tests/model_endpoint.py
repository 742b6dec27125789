"""A local server that answers as models do, by a script: in the documented shapes of Bedrock's Converse (API reference,
Converse, response syntax and errors) and of OpenAI's chat completions (API reference, the chat completion object)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answered:
    """One answer: status, headers, and a JSON body (or bytes as they are)."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[dict[str, Any], int], Answered]
"""What to answer to the JSON of a request, and to which in order (from 0)."""


def always(*answers: Answered) -> Script:
    """The answers in order, the last one for ever."""
    return lambda _, number: answers[min(number, len(answers) - 1)]


class Endpoint:
    """A server on the loopback interface.

    Attributes:
        requests: JSON of each request, in order.
        paths: of each.
        headers: of each, names in lower case.
    """

    def __init__(self, script: Script) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._script = script
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint._lock:
                    number = len(endpoint.requests)
                    endpoint.requests.append(request)
                    endpoint.paths.append(self.path)
                    endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = endpoint._script(request, number)
                data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: tests look at what was asked."""

        return Handler


@contextmanager
def serving(script: Script) -> Iterator[Endpoint]:
    """A server that answers by a script until the context ends."""
    endpoint = Endpoint(script)
    endpoint._thread.start()
    try:
        yield endpoint
    finally:
        endpoint._server.shutdown()
        endpoint._server.server_close()


def completion(content: Any, *, finish_reason: str = "stop", refusal: str | None = None) -> Answered:
    """A chat completion; ``content`` that is no string is sent as its JSON."""
    told = content if isinstance(content, str) or content is None else json.dumps(content)
    return Answered(
        {
            "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
            "object": "chat.completion",
            "created": 1741569952,
            "model": "gpt-4.1-mini-2025-04-14",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": told, "refusal": refusal, "annotations": []},
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 120,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            "service_tier": "default",
        }
    )


TOOL = "record_insights"


def converse(*content: dict[str, Any], stop_reason: str = "tool_use") -> Answered:
    """Bedrock's answer with these content blocks."""
    return Answered(
        {
            "output": {"message": {"role": "assistant", "content": list(content)}},
            "stopReason": stop_reason,
            "usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120},
            "metrics": {"latencyMs": 551},
        }
    )


def tool_use(arguments: Any, *, name: str = TOOL, number: int = 0) -> dict[str, Any]:
    """A content block that calls a tool."""
    return {"toolUse": {"toolUseId": f"tooluse_kZJMlvQmRJ6eAyJE5GIl{number}", "name": name, "input": arguments}}


def bedrock_error(code: str, status: int) -> Answered:
    """An error as the service sends it; its message quotes what it was sent."""
    return Answered({"message": "The value SECRET-TEXT is not valid."}, status, {"x-amzn-ErrorType": code})
