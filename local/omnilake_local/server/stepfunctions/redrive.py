"""Which executions may be redriven, and what describing them says of it.

The interpreter's part, continuing where an execution failed, is ``progress.py``. Unnecessary once ministack answers
RedriveExecution.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

REDRIVABLE_PERIOD = timedelta(days=14)
MOST_REDRIVES = 1000
MOST_EVENTS = 24_999
"""An execution with so many events has no room for those of a redrive."""

KEPT_TOKENS = 10
TOKEN_LIFETIME = timedelta(minutes=15)
Json = dict[str, Any]


def obstacle(record: Json, now: datetime) -> str | None:
    """Why an execution cannot be redriven, in the words of ``redriveStatusReason``; None if it can."""
    if record["status"] in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {record['status']} and cannot be redriven"
    if now - datetime.fromisoformat(record["stopDate"]) > REDRIVABLE_PERIOD:
        return "Execution redrivable period exceeded"
    if len(record["events"]) >= MOST_EVENTS:
        return "Execution history event limit exceeded"
    if record.get("redriveCount", 0) >= MOST_REDRIVES:
        return "Execution redrive limit exceeded"
    return None


def description(record: Json, now: datetime) -> Json:
    """Fields of DescribeExecution that concern redriving."""
    found: Json = {"redriveCount": record.get("redriveCount", 0)}
    if record.get("redriveDate"):
        found["redriveDate"] = record["redriveDate"]
    reason = obstacle(record, now)
    if reason is not None:
        return {**found, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    status = "REDRIVABLE_BY_MAP_RUN" if record.get("mapRunArn") else "REDRIVABLE"
    return {**found, "redriveStatus": status}


def answered_before(record: Json, token: str | None, now: datetime) -> str | None:
    """The date that an earlier request with the same client token was answered with."""
    date = record.get("redriveTokens", {}).get(token)
    if date is None or now - datetime.fromisoformat(date) > TOKEN_LIFETIME:
        return None
    return str(date)


def begin(record: Json, token: str | None, date: str) -> None:
    """Change a record into that of a redriven, running execution."""
    tokens = record.setdefault("redriveTokens", {})
    if token:
        tokens[token] = date
    while len(tokens) > KEPT_TOKENS:
        tokens.pop(next(iter(tokens)))
    record.update(status="RUNNING", stopDate=None, output=None, error=None, cause=None)
    record.update(redriveCount=record.get("redriveCount", 0) + 1, redriveDate=date)


def now() -> datetime:
    """This instant; dates of records are in UTC too."""
    return datetime.now(UTC)
