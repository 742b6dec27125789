"""The event that Step Functions publishes at each change of an execution's status.

ministack's says that nothing was ever redriven. Unnecessary once it tells the redrive count, date and status.

Format: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge
from ministack.services import stepfunctions as service

from omnilake_local.server.stepfunctions import redrive

_publish_upstream: Callable[..., Any] = eventbridge._put_events


def detail_with_redrives(detail: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """The detail of a status event, with what is true of the execution's redrives."""
    described = redrive.description(record, redrive.now())
    date = record.get("redriveDate")
    return {
        **detail,
        "redriveCount": described["redriveCount"],
        "redriveDate": service._iso_to_epoch_ms(date) if date else None,
        "redriveStatus": described["redriveStatus"],
        "redriveStatusReason": described.get("redriveStatusReason"),
    }


def install() -> None:
    """Correct the events on their way to the bus."""

    def publish(data: dict[str, Any], **options: Any) -> Any:
        for entry in data.get("Entries", []) if options.get("allow_aws_source") else ():
            if entry.get("Source") == "aws.states":
                record = service._executions.get(entry["Resources"][0])
                if record is not None:
                    entry["Detail"] = json.dumps(detail_with_redrives(json.loads(entry["Detail"]), record))
        return _publish_upstream(data, **options)

    eventbridge._put_events = publish
