"""Messages that go back to their queue come back soon, and later each time."""

from __future__ import annotations

import io
from typing import Any

import pytest
from any_queue import Queue
from botocore.exceptions import EndpointConnectionError

from omnilake import aws
from omnilake.queues import redeliver_soon


@pytest.mark.parametrize(
    ("receives", "pause"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 120), (7, 120), (1_000, 120)]
)
def test_the_pause_doubles_with_each_receive_up_to_two_minutes(upload_queue: Queue, receives: int, pause: int) -> None:
    upload_queue.send("any")
    (record,) = upload_queue.receive()
    record["attributes"]["ApproximateReceiveCount"] = str(receives)
    redeliver_soon(upload_queue.url, [record])
    upload_queue.pass_time(pause - 1)
    assert upload_queue.receive() == []
    upload_queue.pass_time(2)
    assert [each["body"] for each in upload_queue.receive()] == ["any"]


def test_the_count_of_receives_is_the_queues_own(upload_queue: Queue) -> None:
    upload_queue.send("any")
    for pause in (5, 10, 20):
        records = upload_queue.receive()
        assert len(records) == 1
        redeliver_soon(upload_queue.url, records)
        upload_queue.pass_time(pause - 1)
        assert upload_queue.receive() == []
        upload_queue.pass_time(2)


def test_messages_that_are_not_named_stay_hidden(upload_queue: Queue) -> None:
    for body in ("back", "kept"):
        upload_queue.send(body)
    back, _ = upload_queue.receive()
    redeliver_soon(upload_queue.url, [back])
    upload_queue.pass_time(100)
    assert [each["body"] for each in upload_queue.receive()] == ["back"]


def test_a_message_that_can_not_be_brought_forward_holds_up_no_other(upload_queue: Queue, log: io.StringIO) -> None:
    for body in ("first", "second"):
        upload_queue.send(body)
    first, second = upload_queue.receive()
    redeliver_soon(upload_queue.url, [{**first, "receiptHandle": "expired"}, second])
    assert "ReceiptHandleIsInvalid" in log.getvalue()
    upload_queue.pass_time(6)
    assert [each["body"] for each in upload_queue.receive()] == ["second"]


def test_a_queue_that_is_out_of_reach_is_only_logged(
    stack: None, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    class OutOfReach:
        def change_message_visibility(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setattr(aws, "client", lambda _: OutOfReach())
    redeliver_soon("any", [{"messageId": "m", "receiptHandle": "r", "attributes": {"ApproximateReceiveCount": "1"}}])
    assert "EndpointConnectionError" in log.getvalue()
