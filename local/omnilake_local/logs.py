"""What functions and the server wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from omnilake_local.deployment import client
from omnilake_local.errors import LocalCloudError
from omnilake_local.paths import StateDir
from omnilake_local.subprocesses import tail

_POLL_SECONDS = 0.5
_GROUP_PREFIX = "/aws/lambda/"


def server_lines(state: StateDir, *, follow: bool = False, last: int = 100) -> Iterator[str]:
    """The end of the server's log; with ``follow`` what comes after it, without end."""
    path = state.server_log
    if not path.is_file():
        raise LocalCloudError(f"There is no log at {path}.", action="Start a cloud with `omnilake local up`.")
    position = path.stat().st_size
    yield from tail(path, last)
    while follow:
        with path.open(encoding="utf-8", errors="replace") as file:
            file.seek(position)
            for line in file:
                yield line.rstrip("\n")
            position = file.tell()
        time.sleep(_POLL_SECONDS)


def log_groups(endpoint_url: str, name: str | None) -> list[str]:
    """Log groups of functions; with a name, those of functions whose name contains it.

    A function is known by its logical id, which is part of its name, as well as by its full name.

    Raises:
        LocalCloudError: a name was given and no function with a log has it.
    """
    logs = client("logs", endpoint_url)
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_GROUP_PREFIX)
        for group in page["logGroups"]
    ]
    if name is None:
        return groups
    exact = [group for group in groups if group == _GROUP_PREFIX + name]
    chosen = exact or [group for group in groups if name.lower() in group.lower()]
    if not chosen:
        known = ", ".join(group.removeprefix(_GROUP_PREFIX) for group in groups) or "none yet"
        raise LocalCloudError(f"No function named {name} has written a log.", action=f"Functions with logs: {known}.")
    return chosen


def function_lines(
    endpoint_url: str, name: str | None, *, follow: bool = False, last: int = 100
) -> Iterator[tuple[str, str]]:
    """Pairs of function name and line, oldest first; with ``follow`` what comes after them, without end."""
    logs = client("logs", endpoint_url)
    since = 0
    seen: set[str] = set()
    first = True
    while True:
        events = _events(logs, log_groups(endpoint_url, name), since)
        fresh = [(group, event) for group, event in events if event["eventId"] not in seen]
        for group, event in fresh[-last:] if first else fresh:
            yield group.removeprefix(_GROUP_PREFIX), str(event["message"]).rstrip("\n")
        if events:
            since = max(int(event["timestamp"]) for _, event in events)
            # An event of the last millisecond may come again, and another of it may still come.
            seen = {event["eventId"] for _, event in events if int(event["timestamp"]) == since}
        if not follow:
            return
        first = False
        time.sleep(_POLL_SECONDS)


def _events(logs: Any, groups: list[str], since: int) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for group in groups:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            found += [(group, event) for event in page["events"]]
    return sorted(found, key=lambda each: each[1]["timestamp"])
