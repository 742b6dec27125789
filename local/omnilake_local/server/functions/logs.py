"""Function output in CloudWatch Logs: one stream a worker, as on AWS, and a bound on what is kept.

ministack opens a new stream for every single invocation, which grows without end and hides what a worker did
before. If it took the stream's name from the executor, this module would be unnecessary.
"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import cloudwatch_logs

from omnilake_local.server.functions.environment import FunctionVersion
from omnilake_local.server.functions.worker import InvocationOutcome

MAX_STREAMS_PER_GROUP = 50
"""Older streams of a function's log group are dropped."""

MAX_EVENTS_PER_STREAM = 20_000
"""Older lines of a stream are dropped."""


def invocation_lines(
    version: FunctionVersion, request_id: str, outcome: InvocationOutcome, trace_id: str | None
) -> list[str]:
    """The platform's START, END and REPORT lines around what the function printed."""
    report = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {outcome.duration_ms:.2f} ms",
        f"Billed Duration: {int(outcome.duration_ms) + 1} ms",
        f"Memory Size: {version.memory_mb} MB",
        f"Max Memory Used: {outcome.peak_memory_mb} MB",
    ]
    if outcome.init_ms is not None:
        report.append(f"Init Duration: {outcome.init_ms:.2f} ms")
    if trace_id:
        report.append(f"XRAY TraceId: {trace_id.partition(';')[0].removeprefix('Root=')}")
    printed = outcome.output.splitlines()
    if outcome.failed and (b'"Sandbox.' in outcome.payload or b'"Runtime.ExitError"' in outcome.payload):
        printed.append(outcome.payload.decode("utf-8", "replace"))
    return [
        f"START RequestId: {request_id} Version: {version.version}",
        *printed,
        f"END RequestId: {request_id}",
        "\t".join(report),
    ]


def write_lines(group_name: str, stream_name: str, lines: list[str]) -> None:
    """Append lines to a log stream, making group and stream as needed."""
    now_ms = int(time.time() * 1000)
    groups: Any = cloudwatch_logs._log_groups
    if group_name not in groups:
        groups[group_name] = {
            "arn": cloudwatch_logs._make_group_arn(group_name),
            "creationTime": now_ms,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        }
    streams = groups[group_name]["streams"]
    if stream_name not in streams:
        while len(streams) >= MAX_STREAMS_PER_GROUP:
            streams.pop(next(iter(streams)), None)
        streams[stream_name] = {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now_ms,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        }
    stream = streams[stream_name]
    events = [{"timestamp": now_ms, "message": line, "ingestionTime": now_ms} for line in lines]
    cloudwatch_logs._append_log_events(stream, events)
    if len(stream["events"]) > MAX_EVENTS_PER_STREAM:
        del stream["events"][: len(stream["events"]) - MAX_EVENTS_PER_STREAM]
    cloudwatch_logs._fanout_to_subscription_filters(group_name, stream_name, events)
