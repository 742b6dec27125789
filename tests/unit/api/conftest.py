"""The API's functions in this process, on the template's tables in moto; other functions are called in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import any_call
import pytest
from any_call import Answered
from any_lambda import any_context
from aws_lambda_powertools.event_handler.api_gateway import Router

from omnilake import calling
from omnilake.api import pagination
from omnilake.api.app import api_handler
from omnilake.settings import settings

Send = Callable[..., Answered]


@pytest.fixture
def api(stack: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Send]:
    """A way to send calls to a router."""
    monkeypatch.setenv("OMNILAKE_OPERATOR_PRINCIPALS", f"iam:{any_call.ROOT}")
    monkeypatch.setenv("OMNILAKE_IDEMPOTENCY_TABLE", "IdempotencyTable")
    monkeypatch.setattr(pagination, "_deployment_key", lambda: b"a key")
    settings.cache_clear()

    def sender(*routers: Router) -> Send:
        handler = api_handler(*routers)

        def send(method: str, path: str, body: Any = None, **options: Any) -> Answered:
            return Answered.of(handler(any_call.any_call(method, path, body, **options), any_context()))

        return send

    return sender


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Functions that were called, by the setting with their ARN; they return the event."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def call(setting: str, event: dict[str, Any]) -> Any:
        seen.append((setting, event))
        return event

    monkeypatch.setattr(calling, "call", call)
    return seen
