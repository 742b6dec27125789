"""Lambda event source mappings for SQS queues.

ministack's poller has one batch of a FIFO queue in flight, ignores MaximumBatchingWindowInSeconds, sleeps 50 ms
after a wake that found nothing and stops a mapping for a second after each failed batch. Here a batch is
dispatched as soon as a message can be received, message groups run beside each other, and a mapping sleeps
exactly until its next message becomes visible. ministack doing these would make this module unnecessary;
mappings of Kinesis and DynamoDB streams stay with it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.concurrency import esm_wake, spawn_background
from ministack.core.responses import _request_account_id, _request_region, get_account_id, get_region
from ministack.services import lambda_svc, sqs

from omnilake_local.server.services import message_queues

LONGEST_SLEEP_SECONDS = 1.0
"""The poller looks at every mapping at least so often."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Progress:
    """What the poller knows of one mapping between two looks."""

    in_flight: int = 0
    window_began: float | None = None


@dataclass(frozen=True)
class _Source:
    """A mapping that is enabled and whose queue and function exist."""

    mapping: dict[str, Any]
    queue: dict[str, Any]
    function: dict[str, Any]
    concurrency: int

    @property
    def batch_size(self) -> int:
        size = int(self.mapping.get("BatchSize", 10))
        return min(size, 10) if self.queue.get("is_fifo") else size

    @property
    def window_seconds(self) -> float:
        return float(self.mapping.get("MaximumBatchingWindowInSeconds") or 0)


def sqs_record(message: dict[str, Any], source_arn: str, account: str, region: str) -> dict[str, Any]:
    """A received message as it stands in a Lambda event."""
    attributes = {
        "ApproximateReceiveCount": str(message.get("receive_count", 1)),
        "SentTimestamp": str(int(message["sent_at"] * 1000)),
        "SenderId": account,
        "ApproximateFirstReceiveTimestamp": str(int((message.get("first_receive_at") or time.time()) * 1000)),
    }
    optional = {
        "AWSTraceHeader": (message.get("sys") or {}).get("AWSTraceHeader"),
        "DeadLetterQueueSourceArn": (message.get("sys") or {}).get("DeadLetterQueueSourceArn"),
        "MessageGroupId": message.get("group_id"),
        "MessageDeduplicationId": message.get("dedup_id"),
        "SequenceNumber": message.get("seq"),
    }
    attributes.update({name: str(value) for name, value in optional.items() if value})
    return {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": attributes,
        "messageAttributes": lambda_svc._sqs_message_attributes_to_camel_case(message.get("message_attributes", {})),
        "md5OfBody": message.get("md5_body") or "",
        "eventSource": "aws:sqs",
        "eventSourceARN": source_arn,
        "awsRegion": region,
    }


def failed_messages(answer: Any, sent: set[str]) -> set[str]:
    """Message ids that a partial batch response reports as failed.

    As Lambda does, an answer it cannot read, or one that names a message not in the batch, fails all of it
    (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html).
    """
    if answer is None or answer == "":
        return set()
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError:
            return sent
    if not isinstance(answer, dict):
        return sent
    failures = answer.get("batchItemFailures") or []
    if not isinstance(failures, list):
        return sent
    named = {str(failure.get("itemIdentifier")) if isinstance(failure, dict) else "" for failure in failures}
    return named if named <= sent else sent


class SqsEventSources:
    """Polls every SQS mapping from one thread and runs each batch in another."""

    def __init__(self, default_concurrency: int) -> None:
        self._default_concurrency = max(2, default_concurrency)
        self._progress: dict[str, _Progress] = {}
        self._lock = threading.Lock()
        self._suspended = threading.Event()

    def install(self) -> None:
        """Take SQS mappings from ministack's poller."""
        lambda_svc._poll_sqs = lambda: False
        # ministack's loop would otherwise take the wake-ups that are meant for this one
        lambda_svc._esm_wake = threading.Event()

    def start(self) -> None:
        """Begin polling; call when the stored state is back in place."""
        threading.Thread(target=self._poll_forever, daemon=True, name="sqs-event-sources").start()

    def suspend(self) -> None:
        """Receive nothing more."""
        self._suspended.set()

    def _poll_forever(self) -> None:
        while not self._suspended.is_set():
            esm_wake.clear()
            try:
                pause = self._poll_all() - time.time()
            except Exception:  # noqa: BLE001 - one bad mapping must not end the polling of all
                _LOG.exception("Polling the event source mappings failed")
                pause = LONGEST_SLEEP_SECONDS
            esm_wake.wait(min(max(pause, 0.001), LONGEST_SLEEP_SECONDS))

    def _poll_all(self) -> float:
        """Dispatch what can be dispatched; the instant to look again (Unix time)."""
        look_again = time.time() + LONGEST_SLEEP_SECONDS
        for account, region, mapping in list(lambda_svc._iter_all_esms()):
            with _scope(account, region):
                source = self._source(mapping)
                if source is not None:
                    look_again = min(look_again, self._poll(source))
        return look_again

    def _source(self, mapping: dict[str, Any]) -> _Source | None:
        try:
            arn = parse_arn(mapping.get("EventSourceArn", ""))
        except ArnParseError:
            return None
        if arn.service != "sqs" or not mapping.get("Enabled", True):
            return None
        # of the ARN, not of ministack's "Qualifier": that one an update of the stack leaves as it was
        qualifier = (mapping["FunctionArn"].split(":")[7:] or [None])[0]
        function, config = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], qualifier)
        queue = sqs._queue_by_arn(str(arn))
        if function is None or queue is None:
            return None
        chosen = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        reserved = lambda_svc._reserved_concurrency(function, config)
        limits = [int(chosen or self._default_concurrency), *([reserved] if reserved is not None else [])]
        return _Source(mapping, queue, function, min(limits))

    def _poll(self, source: _Source) -> float:
        progress = self._progress.setdefault(source.mapping["UUID"], _Progress())
        while progress.in_flight < source.concurrency and not self._suspended.is_set():
            ready_at = self._window_ends(source, progress)
            if ready_at is not None and ready_at > time.time():
                return ready_at
            batch = self._receive(source)
            if not batch:
                return message_queues.next_change(source.queue) or time.time() + LONGEST_SLEEP_SECONDS
            progress.window_began = None
            self._dispatch(source, progress, batch)
        return time.time() + LONGEST_SLEEP_SECONDS  # the end of a batch in flight wakes the poller

    @staticmethod
    def _window_ends(source: _Source, progress: _Progress) -> float | None:
        """When a batch that is not full yet may go; None if nothing is waited for."""
        if not source.window_seconds or source.queue.get("is_fifo"):
            return None
        with message_queues.LOCK:
            now = time.time()
            visible = sum(message["visible_at"] <= now for message in source.queue["messages"])
        if visible == 0 or visible >= source.batch_size:
            progress.window_began = None
            return None
        if progress.window_began is None:
            progress.window_began = now
        return progress.window_began + source.window_seconds

    @staticmethod
    def _receive(source: _Source) -> list[dict[str, Any]]:
        queue = source.queue
        with message_queues.LOCK:
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
            received = sqs._collect_msgs(queue, source.batch_size, visibility)
            # copies: the queue's own records change again when a message outlives its visibility timeout
            return [dict(message) for message in received]

    def _dispatch(self, source: _Source, progress: _Progress, batch: list[dict[str, Any]]) -> None:
        with self._lock:
            progress.in_flight += 1

        def run() -> None:
            try:
                self._run_batch(source, batch)
            finally:
                with self._lock:
                    progress.in_flight -= 1
                esm_wake.set()

        spawn_background(run, thread_name="sqs-batch")

    def _run_batch(self, source: _Source, batch: list[dict[str, Any]]) -> None:
        arn, mapping = source.mapping["EventSourceArn"], source.mapping
        records = [sqs_record(message, arn, get_account_id(), get_region()) for message in batch]
        wanted = lambda_svc._apply_filter_criteria(records, mapping)
        done = {record["messageId"] for record in records} - {record["messageId"] for record in wanted}
        if wanted:
            result = lambda_svc._execute_function(source.function, {"Records": wanted})
            sent = {record["messageId"] for record in wanted}
            if result.get("error"):  # throttling too: as on AWS, the attempt counts
                mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
            elif "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []):
                done |= sent - failed_messages(result.get("body"), sent)
                mapping["LastProcessingResult"] = "OK"
            else:
                done |= sent
                mapping["LastProcessingResult"] = "OK"
        receipts = {message["receipt_handle"] for message in batch if message["id"] in done}
        if not self._suspended.is_set():
            _delete(source.queue, receipts)


def _delete(queue: dict[str, Any], receipts: set[str]) -> None:
    with message_queues.LOCK:
        queue["messages"] = [message for message in queue["messages"] if message.get("receipt_handle") not in receipts]


@contextmanager
def _scope(account: str, region: str) -> Iterator[None]:
    account_token, region_token = _request_account_id.set(account), _request_region.set(region)
    try:
        yield
    finally:
        _request_account_id.reset(account_token)
        _request_region.reset(region_token)
