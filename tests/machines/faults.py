"""Faults that really happen to a deployed stack: processes that die or hang, permissions that are missing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from embedded_cloud import Cloud, unique

from omnilake import aws
from omnilake_local import lifecycle


def worker_pids(cloud: Cloud, function: str) -> list[int]:
    """Processes that serve a function (by logical id), idle ones included."""
    figures = lifecycle.function_figures(cloud.running.server.endpoint_url)
    return [pid for each in figures if each["function"] == cloud.resources[function] for pid in each["worker_pids"]]


def kill(cloud: Cloud, function: str) -> int:
    """Kill the processes that serve a function, with whatever they are at; how many there were."""
    pids = worker_pids(cloud, function)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


@contextmanager
def hanging(cloud: Cloud, *functions: str) -> Iterator[None]:
    """The next invocations of functions that have run before reach their processes and hang there.

    Those that live at the end go on with what they have got by then.
    """
    pids = {pid for function in functions for pid in worker_pids(cloud, function)}
    missing = [function for function in functions if not worker_pids(cloud, function)]
    assert not missing, f"never ran: {missing}"
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def denied(cloud: Cloud, function: str, *actions: str, resources: Sequence[str] = ("*",)) -> Iterator[None]:
    """A function's role (by the function's logical id) may not do something."""
    iam, role, name = aws.client("iam"), cloud.resources[f"{function}Role"], unique("deny-")
    statement = {"Effect": "Deny", "Action": list(actions), "Resource": list(resources)}
    iam.put_role_policy(
        RoleName=role,
        PolicyName=name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName=name)


@contextmanager
def all_denied(cloud: Cloud, functions: Sequence[str], *actions: str) -> Iterator[None]:
    """:func:`denied` for several functions at once."""
    with ExitStack() as stack:
        for function in functions:
            stack.enter_context(denied(cloud, function, *actions))
        yield
