"""Schedules of EventBridge Scheduler that start the syncs of sources: one a source, named by its id."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from omnilake import aws
from omnilake.errors import SourceError
from omnilake.settings import settings

SPREAD_MINUTES = 15
"""Syncs begin within so many minutes of their time, so that not all sources begin at once."""

_MOST_RETRIES = 10
_OLDEST_S = 3_600


def put(source_id: str, expression: str) -> None:
    """Make or change the schedule of a source; an empty expression takes it away.

    Raises:
        SourceError: the service does not take the expression.
    """
    if not expression:
        delete(source_id)
        return
    schedule = _schedule(source_id, expression)
    try:
        try:
            aws.client("scheduler").create_schedule(**schedule)
        except ClientError as error:
            if aws.error_code(error) != "ConflictException":
                raise
            aws.client("scheduler").update_schedule(**schedule)
    except ClientError as error:
        if aws.error_code(error) != "ValidationException":
            raise
        raise SourceError(
            "EventBridge Scheduler does not take the schedule.",
            action='Use for instance "rate(6 hours)" or "cron(0 3 * * ? *)".',
        ) from error


def delete(source_id: str) -> None:
    """Take the schedule of a source away, if it has one."""
    try:
        aws.client("scheduler").delete_schedule(Name=source_id, GroupName=settings().require("schedule_group"))
    except ClientError as error:
        if aws.error_code(error) != "ResourceNotFoundException":
            raise


def _schedule(source_id: str, expression: str) -> dict[str, Any]:
    # The scheduled time is the same in each delivery of one occasion: it names the sync.
    event = {"source_id": source_id, "occasion": "<aws.scheduler.scheduled-time>"}
    return {
        "Name": source_id,
        "GroupName": settings().require("schedule_group"),
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": SPREAD_MINUTES},
        "Target": {
            "Arn": settings().require("start_sync_function_arn"),
            "RoleArn": settings().require("schedule_role_arn"),
            "Input": json.dumps(event),
            "DeadLetterConfig": {"Arn": settings().require("schedule_dead_letters_arn")},
            "RetryPolicy": {"MaximumRetryAttempts": _MOST_RETRIES, "MaximumEventAgeInSeconds": _OLDEST_S},
        },
    }
