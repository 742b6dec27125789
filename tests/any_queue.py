"""A queue of moto as a Lambda event source: messages are received, handed over, deleted, or come back."""

from __future__ import annotations

import itertools
import json
from typing import Any

import moto.sqs.models
import pytest

from omnilake import aws

_numbers = itertools.count()


class Queue:
    """One queue and its time, which a test can put forward.

    Args:
        url: of the queue.
        monkeypatch: of the test, to move moto's clock.
    """

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self._monkeypatch = monkeypatch
        self._passed_ms = 0.0
        self._clock = moto.sqs.models.unix_time_millis

    def send(self, message: dict[str, Any] | str) -> None:
        """Put a message in; each is a group of its own (moto mixes up a group's messages when several come back)."""
        fifo = (
            {"MessageGroupId": f"group-{next(_numbers)}", "MessageDeduplicationId": str(next(_numbers))}
            if self.url.endswith(".fifo")
            else {}
        )
        body = message if isinstance(message, str) else json.dumps(message)
        aws.client("sqs").send_message(QueueUrl=self.url, MessageBody=body, **fifo)

    def receive(self) -> list[dict[str, Any]]:
        """What a poll gets, as Lambda hands it over. What it gets is hidden for the template's 720 s."""
        answer = aws.client("sqs").receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=720,
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in answer.get("Messages", [])
        ]

    def delete(self, records: list[dict[str, Any]]) -> None:
        """What Lambda does with messages that were not reported as failed."""
        for record in records:
            aws.client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])

    def pass_time(self, seconds: float) -> None:
        """Put the queue's clock forward."""
        self._passed_ms += 1_000 * seconds
        self._monkeypatch.setattr(moto.sqs.models, "unix_time_millis", lambda: self._clock() + self._passed_ms)

    def count(self, state: str = "") -> int:
        """Messages in the queue: visible ones, or with ``NotVisible`` those that were received."""
        name = f"ApproximateNumberOfMessages{state}"
        answer = aws.client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(answer["Attributes"][name])
