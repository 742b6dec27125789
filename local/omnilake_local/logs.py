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


def log_groups(endpoint_url: str, name: str | None) -> dict[str, str]:
    """Log groups by function; with a name, of the functions whose name contains it.

    A function is known by its logical id, which is part of its name, as well as by its full name.

    Raises:
        LocalCloudError: a name was given and no function has it.
    """
    pages = client("lambda", endpoint_url).get_paginator("list_functions").paginate()
    groups = {
        each["FunctionName"]: each.get("LoggingConfig", {}).get("LogGroup", _GROUP_PREFIX + each["FunctionName"])
        for page in pages
        for each in page["Functions"]
    }
    if name is None:
        return groups
    if name in groups:
        return {name: groups[name]}
    chosen = {each: group for each, group in groups.items() if name.lower() in each.lower()}
    if not chosen:
        raise LocalCloudError(
            f"There is no function named {name}.", action=f"Functions: {', '.join(sorted(groups)) or 'none yet'}."
        )
    return chosen


def function_lines(
    endpoint_url: str, name: str | None, *, follow: bool = False, last: int = 100
) -> Iterator[tuple[str, str]]:
    """Pairs of function name and line, oldest first; with ``follow`` what comes after them, without end."""
    logs, groups = client("logs", endpoint_url), log_groups(endpoint_url, name)
    since = 0
    seen: set[tuple[Any, ...]] = set()
    first = True
    while True:
        events = _events(logs, groups, since)
        fresh = [(function, event) for function, event in events if _identity(event) not in seen]
        for function, event in fresh[-last:] if first else fresh:
            yield function, str(event["message"]).rstrip("\n")
        if events:
            since = max(int(event["timestamp"]) for _, event in events)
            # An event of the last millisecond may come again, and another of it may still come.
            seen = {_identity(event) for _, event in events if int(event["timestamp"]) == since}
        if not follow:
            return
        first = False
        time.sleep(_POLL_SECONDS)


def _events(logs: Any, groups: dict[str, str], since: int) -> list[tuple[str, dict[str, Any]]]:
    """Events by function. Streams of a group of several functions are named ``<day>/<function>[<version>]<id>``."""
    found = []
    for group in sorted(set(groups.values())):
        owner = group.removeprefix(_GROUP_PREFIX)
        try:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
                for event in page["events"]:
                    function = event["logStreamName"].rpartition("/")[2].partition("[")[0] or owner
                    if function in groups:
                        found.append((function, event))
        except logs.exceptions.ResourceNotFoundException:
            continue  # nothing was written yet
    return sorted(found, key=lambda each: each[1]["timestamp"])


def _identity(event: dict[str, Any]) -> tuple[Any, ...]:
    """What tells events apart (the embedded cloud gives them no id)."""
    return event["logStreamName"], event["timestamp"], event["message"]
