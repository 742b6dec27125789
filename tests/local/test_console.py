"""What the console makes of an execution's history."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnilake_local.console import make_server
from omnilake_local.console_pages import execution_page, execution_path
from omnilake_local.execution_history import tell

START = datetime(2026, 1, 1, tzinfo=UTC)
NESTED = "arn:aws:states:us-east-1:000000000000:execution:inner:one"
MACHINE: dict[str, Any] = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "Work", "States": {"Work": {"Type": "Task", "End": True}}},
            "Next": "After",
        },
        "After": {"Type": "Pass", "End": True},
    },
}


def event(number: int, kind: str, before: int, **details: Any) -> dict[str, Any]:
    at = START + timedelta(seconds=number)
    return {"id": number, "type": kind, "previousEventId": before, "timestamp": at, "someEventDetails": details}


INTERLEAVED = [
    event(1, "ExecutionStarted", 0),
    event(2, "MapStateEntered", 1, name="Each", input="{}"),
    event(3, "MapIterationStarted", 2, name="Each", index=0),
    event(4, "MapIterationStarted", 2, name="Each", index=1),
    event(5, "TaskStateEntered", 3, name="Work", input='"first"'),
    event(6, "TaskStateEntered", 4, name="Work", input='"second"'),
    event(7, "TaskFailed", 6, error="Throttled", cause="<script>alert(1)</script>"),
    event(8, "TaskSubmitted", 5, output=f'{{"ExecutionArn": "{NESTED}"}}'),
    event(9, "TaskStateExited", 8, name="Work", output='"first done"'),
    event(10, "MapIterationSucceeded", 9, name="Each", index=0),
    event(11, "MapIterationFailed", 7, name="Each", index=1),
    event(12, "ExecutionFailed", 11, error="Throttled"),
]
EXECUTION = {
    "executionArn": "arn:aws:states:us-east-1:000000000000:execution:outer:two",
    "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:outer",
    "name": "two",
    "status": "FAILED",
    "startDate": START,
    "stopDate": START + timedelta(seconds=12),
    "input": '{"text": "<b>&"}',
}


def test_events_of_interleaved_iterations_go_to_their_own_visit() -> None:
    first, second = tell(INTERLEAVED).of("Work")
    assert (first.output, first.errors, first.seconds) == ('"first done"', [], 4.0)
    assert (second.exited, second.errors[0][0]) == (None, "Throttled")


def test_iterations_are_counted() -> None:
    count = tell(INTERLEAVED).iterations["Each"]
    assert (count.started, count.succeeded, count.failed) == (2, 1, 1)


def test_a_state_left_open_failed_unless_the_execution_still_runs() -> None:
    story = tell(INTERLEAVED)
    assert story.status("Work", "FAILED") == "failed"
    assert story.status("Work", "RUNNING") == "running"
    assert story.status("After", "FAILED") == "not entered"


def test_the_page_escapes_content_and_links_nested_executions() -> None:
    document = execution_page(EXECUTION, MACHINE, INTERLEAVED, tell(INTERLEAVED))
    assert "<script" not in document
    assert "&lt;script&gt;" in document
    assert "&lt;b&gt;&amp;" in document
    assert f'href="{execution_path(NESTED)}"' in document
    assert "1/2 iterations, 1 failed" in document


def test_the_console_starts_where_no_name_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def unanswered(name: str = "") -> str:
        raise AssertionError("this machine's name was looked up")

    monkeypatch.setattr(socket, "getfqdn", unanswered)
    with make_server("http://127.0.0.1:1") as server:
        assert (server.server_name, server.server_port) == server.server_address
