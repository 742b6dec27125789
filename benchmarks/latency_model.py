"""A model that takes its time: chat completions on the loopback interface, answered after
``first_token_s + output tokens / output_tokens_per_s``, as a configuration says of its models.

It answers what it is asked by what it is shown: claims that quote passages, or that are made of claims. It counts what
it reads (messages and schema) and writes in cl100k tokens, and logs when each call began and ended.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_MOST = re.compile(r"at most (\d+)")
_BOUNDARY = re.compile(r"^<(\S+) p1>$", re.MULTILINE)
_QUOTED_WORDS, _SAID_WORDS = 25, 15


class Speed(NamedTuple):
    """How a model answers."""

    first_token_s: float
    output_tokens_per_s: float


class Call(NamedTuple):
    """One answered call; times by the monotonic clock."""

    begin: float
    end: float
    model: str
    tool: str
    input_tokens: int
    output_tokens: int

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class LatencyModel(ThreadingHTTPServer):
    """The server.

    Attributes:
        calls: answered so far, in the order in which they ended.
    """

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, speeds: Mapping[str, Speed]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[Call] = []
        self._speeds = dict(speeds)

    @property
    def url(self) -> str:
        """Base address of the API."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def answer(self, request: dict[str, Any], begin: float) -> dict[str, Any]:
        """The chat completion of a request, in its time."""
        from omnilake import tokens

        messages, wanted = [each["content"] for each in request["messages"]], request["response_format"]["json_schema"]
        written = json.dumps(claims(wanted["name"], messages[0], messages[1]))
        given = sum(map(tokens.count, messages)) + tokens.count(json.dumps(wanted["schema"]))
        taken = tokens.count(written)
        speed = self._speeds[request["model"]]
        time.sleep(max(0.0, begin + speed.first_token_s + taken / speed.output_tokens_per_s - time.monotonic()))
        self.calls.append(Call(begin, time.monotonic(), request["model"], wanted["name"], given, taken))
        return {
            "choices": [{"message": {"role": "assistant", "content": written}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": given, "completion_tokens": taken},
        }


class _Handler(BaseHTTPRequestHandler):
    server: LatencyModel

    def do_POST(self) -> None:
        begin = time.monotonic()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = json.dumps(self.server.answer(request, begin)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: calls are logged otherwise."""


@contextmanager
def serving(speeds: Mapping[str, Speed]) -> Iterator[LatencyModel]:
    """A latency model until the context ends.

    Args:
        speeds: of each model id.
    """
    with LatencyModel(speeds) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def claims(tool: str, system: str, user: str) -> dict[str, Any]:
    """As many claims as are asked for, of passages (or claims) evenly spread over those that are shown."""
    shown = passages(user)
    most = _MOST.search(system)
    chosen = spread(list(shown), int(most[1]) if most else 1)
    if tool == "merge_claims":
        said = [shown[label].partition("\n")[0].removeprefix("claim: ") for label in chosen]
        return {"claims": [_told(text, claims=[label]) for text, label in zip(said, chosen, strict=True)]}
    told = []
    for label in chosen:
        words = shown[label].partition("\n\n")[2].split()
        quote = {"passage": label, "text": " ".join(words[:_QUOTED_WORDS])}
        told.append(_told(f"One source says: {' '.join(words[:_SAID_WORDS])}", quotes=[quote]))
    return {"claims": told}


def _told(text: str, **carried: Any) -> dict[str, Any]:
    return {"text": text, **carried, "conflict": ""}


def passages(user: str) -> dict[str, str]:
    """Text between the lines of the boundary, by label."""
    boundary = _BOUNDARY.search(user)
    if boundary is None:
        return {}
    between = rf"^<{re.escape(boundary[1])} (p\d+)>\n(.*?)\n</{re.escape(boundary[1])} \1>$"
    return dict(re.findall(between, user, re.MULTILINE | re.DOTALL))


def spread(labels: Sequence[str], most: int) -> list[str]:
    """At most so many, evenly spread."""
    if len(labels) <= most:
        return list(labels)
    return [labels[number * len(labels) // most] for number in range(most)]


def critical_path_s(calls: Sequence[Call]) -> float:
    """Seconds of the longest chain of calls each of which began when the one before had ended.

    What lies between calls (this machine's own work) does not count.
    """
    ended: list[tuple[float, float]] = []  # end, and the longest chain that ends by then; both grow
    for call in sorted(calls, key=lambda each: each.end):
        before = max((chain for end, chain in ended if end <= call.begin), default=0.0)
        chain = before + call.seconds
        if not ended or chain > ended[-1][1]:
            ended.append((call.end, chain))
    return ended[-1][1] if ended else 0.0


def most_at_a_time(calls: Sequence[Call]) -> int:
    """Most calls that were under way at one moment."""
    moments = sorted([(call.begin, 1) for call in calls] + [(call.end, -1) for call in calls])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most
