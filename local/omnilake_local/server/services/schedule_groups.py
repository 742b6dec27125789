"""The ARN of a schedule that IAM looks at: with the schedule's own group.

ministack puts every schedule into the group ``default`` when it asks whether a caller may touch it, so that a role that
may use the schedules of one group is denied them. Unnecessary once ``extract_resource_arn`` reads the group: Get and
Delete tell it in the query, Create and Update in the body
(https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html).
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions

_EXTRACT = iam_actions.extract_resource_arn


def resource_arn(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    region: str,
    account_id: str,
) -> str:
    """What ministack finds; of a schedule the ARN that AWS has."""
    found = str(_EXTRACT(service, method, path, headers, body, query_params, region, account_id))
    prefix, mark, name = found.partition(":schedule/default/")
    return f"{prefix}:schedule/{_group(body, query_params)}/{name}" if service == "scheduler" and mark else found


def _group(body: bytes, query_params: dict[str, Any]) -> str:
    told = query_params.get("groupName")
    if isinstance(told, list):
        told = told[0] if told else None
    if not told and body:
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        told = asked.get("GroupName") if isinstance(asked, dict) else None
    return str(told) if told else "default"


def install() -> None:
    """Replace ministack's reading of what a request is about."""
    iam_actions.extract_resource_arn = resource_arn
