"""The API as the client sees it: answers are told in advance, calls are kept. Nothing leaves the process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from omnilake.client.client import AsyncOmniLake, OmniLake
from omnilake.client.retrying import Retries

ENDPOINT = "https://abc123.execute-api.eu-central-1.amazonaws.com"
PROBLEM = "application/problem+json"

Reply = httpx2.Response | Exception | Callable[[httpx2.Request], httpx2.Response]


def reply(body: Any = None, status: int = 200, **headers: str) -> httpx2.Response:
    """An answer with a JSON body. ``retry_after="1"`` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=body, headers=named) if body is not None else httpx2.Response(status)


def problem(status: int, code: str, detail: str = "It is wrong.", **told: Any) -> httpx2.Response:
    """A problem document."""
    headers = {"content-type": PROBLEM} | told.pop("headers", {})
    body = {"type": "about:blank", "title": "Refused.", "status": status, "detail": detail, "code": code, **told}
    return httpx2.Response(status, content=json.dumps(body).encode(), headers=headers)


@dataclass
class Wire:
    """Gives its answers one after the other, or those of a route again and again."""

    replies: list[Reply] = field(default_factory=list)
    routes: dict[str, Reply] = field(default_factory=dict)
    calls: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.calls.append(request)
        told = self.routes.get(f"{request.method} {request.url.path}")
        told = self.replies.pop(0) if told is None else told
        if isinstance(told, Exception):
            raise told
        return told(request) if callable(told) else told

    def client(self, **options: Any) -> OmniLake:
        """A client whose network this is, with a token."""
        told: dict[str, Any] = {"endpoint": ENDPOINT, "token": "any", "retries": Retries(most=3, base_s=0.0)} | options
        return OmniLake(transport=httpx2.MockTransport(self), **told)

    def async_client(self, **options: Any) -> AsyncOmniLake:
        """The same, asynchronous."""
        told: dict[str, Any] = {"endpoint": ENDPOINT, "token": "any", "retries": Retries(most=3, base_s=0.0)} | options
        return AsyncOmniLake(transport=httpx2.MockTransport(self), **told)

    def bodies(self) -> list[Any]:
        """What was sent, as JSON; None of calls without a body."""
        return [json.loads(call.content) if call.content else None for call in self.calls]

    def paths(self) -> list[str]:
        """``GET /v1/jobs`` of each call, percent-encoded as sent."""
        return [f"{call.method} {call.url.raw_path.decode()}" for call in self.calls]


def any_job(job_id: str = "job-1", **fields: Any) -> dict[str, Any]:
    """A job as the API tells of it."""
    return {
        "job_id": job_id,
        "kind": "answer_request",
        "status": "COMPLETED",
        "archive_id": "docs",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:01Z",
        **fields,
    }


def any_archive(archive_id: str = "docs", **fields: Any) -> dict[str, Any]:
    """An archive as the API tells of it."""
    return {
        "archive_id": archive_id,
        "space": {"provider": "local", "model": "m", "dimensions": 384, "normalised": True, "revision": "r"},
        "store_id": "docs-1",
        "created_at": "2026-01-01T00:00:00Z",
        **fields,
    }
