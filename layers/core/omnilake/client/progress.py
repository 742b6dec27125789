"""How far a running job is, as its record tells it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from omnilake.models import Job


class StateEntered(NamedTuple):
    """A state that a job was in, or is in.

    Attributes:
        entered_at: ISO 8601.
        seconds: until the next one was entered, or the job ended; None while it lasts.
    """

    state: str
    entered_at: str
    seconds: float | None


def states(job: Job) -> list[StateEntered]:
    """The states that a job has entered, each once, in order of their first time."""
    order = sorted((entered_at, state) for state, entered_at in job.entered.items())
    ends = [*(entered_at for entered_at, _ in order[1:]), job.ended_at] if order else []
    return [
        StateEntered(state, entered_at, _between(entered_at, end) if end else None)
        for (entered_at, state), end in zip(order, ends, strict=True)
    ]


def seconds_of(job: Job) -> float:
    """From the job's submission to its end; 0 while it runs."""
    return _between(job.created_at, job.ended_at) if job.ended_at else 0.0


def counts(job: Job) -> str:
    """The counts of a job for people: ``groups 3 of 10, evidence 24``."""
    told = []
    for name, count in sorted(job.progress.items()):
        if name.endswith("_done") and name.removesuffix("_done") in job.progress:
            continue
        done = job.progress.get(f"{name}_done")
        readable = name.replace("_", " ")
        told.append(f"{readable} {count}" if done is None else f"{readable} {min(done, count)} of {count}")
    return ", ".join(told)


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
