"""A local server that answers as models do, by a script: in the documented shapes of Bedrock's Converse (API reference,
Converse, response syntax and errors) and of OpenAI's chat completions (API reference, the chat completion object)."""

from __future__ import annotations

import json
import re
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

    def close(self) -> None:
        """Listen no more. May be repeated."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

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
        endpoint.close()


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


# --- models that understand what they are asked -------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A call, whichever way it came.

    Attributes:
        system: what the model is told to do.
        user: question and passages.
        tool: name of the tool or schema that it must answer by.
        schema: of the answer.
        bedrock: by the Converse API; else by chat completions.
        repair: whether an answer of its is handed back.
    """

    system: str
    user: str
    tool: str
    schema: dict[str, Any]
    bedrock: bool
    repair: bool

    @classmethod
    def of(cls, request: dict[str, Any]) -> Asked:
        """Out of the JSON of a request."""
        if "toolConfig" in request:
            (tool,) = request["toolConfig"]["tools"]
            told = request["messages"][0]["content"][0]["text"]
            named, schema = tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"]
            return cls(request["system"][0]["text"], told, named, schema, True, len(request["messages"]) > 1)
        wanted = request["response_format"]["json_schema"]
        system, user, *more = (message["content"] for message in request["messages"])
        return cls(system, user, wanted["name"], wanted["schema"], False, bool(more))

    @property
    def passages(self) -> dict[str, str]:
        """Text between the lines of the boundary, by label."""
        boundary = re.search(r"^<(data-[0-9]{15}) p1>$", self.user, re.MULTILINE)
        if boundary is None:
            return {}
        between = rf"^<{boundary[1]} (p\d+)>\n(.*?)\n</{boundary[1]} \1>$"
        return dict(re.findall(between, self.user, re.MULTILINE | re.DOTALL))

    def reply(self, value: Any, *, tool: str = "") -> Answered:
        """An answer in the format that was asked for; by chat completions a string is sent as it is."""
        return converse(tool_use(value, name=tool or self.tool)) if self.bedrock else completion(value)


def honest(asked: Asked) -> Any:
    """What a model that does as it is told answers: the first line of each passage, all claims as one, no doubt."""
    if asked.tool == "record_verdicts":
        return {"verdicts": [{"claim": label, "verdict": "supported"} for label in asked.passages]}
    if asked.tool == "merge_claims":
        first = next(iter(asked.passages.values())).partition("\n")[0].removeprefix("claim: ")
        return {"claims": [{"text": first, "claims": [*asked.passages], "conflict": ""}]}
    lines = {label: text.partition("\n\n")[2].strip().partition("\n")[0] for label, text in asked.passages.items()}
    return {
        "claims": [
            {"text": f"It is written: {line}", "quotes": [{"passage": label, "text": line}], "conflict": ""}
            for label, line in lines.items()
        ]
    }


def understanding(answer: Callable[[Asked, int], Any]) -> Script:
    """A script of a model that understands what it is asked: the value it gives, or what it answers as it is."""

    def script(request: dict[str, Any], number: int) -> Answered:
        asked = Asked.of(request)
        value = answer(asked, number)
        return value if isinstance(value, Answered) else asked.reply(value)

    return script
