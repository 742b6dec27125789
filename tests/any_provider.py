"""A provider of embeddings on a local socket: it speaks each API's documented shapes, and fails as it is told to.

The vector of a text is decided by its content, so order and identity can be checked whatever batch a text came in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import served


@dataclass(frozen=True)
class Call:
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What goes back: JSON, or bytes as they are."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs_s: float = 0.0


Respond = Callable[[Call], Answer]


class Provider:
    """The server; ``script`` answers the next calls, ``usual`` all others."""

    def __init__(self, usual: Respond) -> None:
        self.usual = usual
        self.script: deque[Answer | Respond] = deque()
        self.calls: list[Call] = []
        self.url = ""
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def take(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
            scripted = self.script.popleft() if self.script else self.usual
        return scripted if isinstance(scripted, Answer) else scripted(call)

    def texts(self) -> list[list[str]]:
        """Texts of each call, in the order of arrival."""
        return [texts_of(call) for call in self.calls]


@contextmanager
def serving(usual: Respond) -> Iterator[Provider]:
    """A provider on a free port of the loopback interface."""
    provider = Provider(usual)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            answer = provider.take(Call(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(data)))
            if answer.hangs_s:
                provider.stopping.wait(answer.hangs_s)
                self.close_connection = True
                return
            told = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    with served.serving(server):
        try:
            yield provider
        finally:
            provider.stopping.set()


def texts_of(call: Call) -> list[str]:
    """The texts that a call asks to embed, in any of the formats."""
    for name in ("input", "texts", "inputs"):
        if name in call.body:
            return list(call.body[name])
    return [call.body["inputText"]]


def vector(text: str, dimensions: int) -> list[float]:
    """Of length 1, decided by the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    drawn = np.random.default_rng(seed).normal(size=dimensions)
    return [float(value) for value in (drawn / np.linalg.norm(drawn)).astype(np.float32)]


def packed(values: list[float]) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(np.array(values, dtype="<f4").tobytes()).decode()


# --- the providers' shapes, by their documentation (cited in omnilake.embedding.wires) ------------------------------


def openai(call: Call) -> Answer:
    """``POST /v1/embeddings``. The list comes back to front: its order is given by ``index``."""
    texts, dimensions = texts_of(call), call.body.get("dimensions", 1536)
    data = [
        {"object": "embedding", "index": index, "embedding": packed(vector(text, dimensions))}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Answer(body={"object": "list", "data": data[::-1], "model": call.body["model"], "usage": usage})


def voyage(call: Call) -> Answer:
    """``POST /v1/embeddings``."""
    texts, dimensions = texts_of(call), call.body["output_dimension"]
    data = [
        {"object": "embedding", "embedding": packed(vector(text, dimensions)), "index": index}
        for index, text in enumerate(texts)
    ]
    usage = {"total_tokens": sum(len(text.split()) for text in texts)}
    return Answer(body={"object": "list", "data": data, "model": call.body["model"], "usage": usage})


def cohere(call: Call) -> Answer:
    """``POST /v2/embed``."""
    texts, dimensions = texts_of(call), call.body.get("output_dimension", 1024)
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(len(t.split()) for t in texts)}}
    floats = [[3 * value for value in vector(text, dimensions)] for text in texts]
    return Answer(body={"id": "da6e531f", "embeddings": {"float": floats}, "texts": texts, "meta": meta})


def huggingface(call: Call) -> Answer:
    """Feature extraction: a list of vectors."""
    dimensions = 1024 if "large" in call.path else 384
    return Answer(body=[[2 * value for value in vector(text, dimensions)] for text in texts_of(call)])


def bedrock(call: Call) -> Answer:
    """``InvokeModel`` of Titan V2 and Cohere's models."""
    texts = texts_of(call)
    tokens = sum(len(text.split()) for text in texts)
    if "titan" in call.path:
        values = vector(texts[0], call.body["dimensions"])
        body = {"embedding": values, "embeddingsByType": {"float": values}, "inputTextTokenCount": tokens}
        return Answer(body=body)
    floats = [vector(text, call.body.get("output_dimension", 1024)) for text in texts]
    told = {"id": "i", "response_type": "embeddings_by_type", "embeddings": {"float": floats}, "texts": texts}
    return Answer(body=told, headers={"X-Amzn-Bedrock-Input-Token-Count": str(tokens)})


RESPONSES: dict[str, Respond] = {
    "openai": openai, "voyage": voyage, "cohere": cohere, "huggingface": huggingface, "bedrock": bedrock,
}  # fmt: skip
