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
        visits: how often, where this stands for all of them.
    """

    state: str
    entered_at: str
    seconds: float | None
    visits: int = 1


def visits(job: Job) -> list[StateEntered]:
    """The states that a job has entered, in order, those that it came back to (a round, a retry) once for each time."""
    order = job.visits()
    ends = [*(visit.at for visit in order[1:]), job.ended_at] if order else []
    return [
        StateEntered(visit.state, visit.at, _between(visit.at, end) if end else None)
        for visit, end in zip(order, ends, strict=True)
    ]


def states(job: Job) -> list[StateEntered]:
    """The states that a job has entered, each once, in order of their first time, with the time of all visits."""
    found: dict[str, StateEntered] = {}
    for visit in visits(job):
        earlier = found.get(visit.state)
        if earlier is not None:
            lasts = earlier.seconds is None or visit.seconds is None
            seconds = None if lasts else (earlier.seconds or 0) + (visit.seconds or 0)
            visit = earlier._replace(seconds=seconds, visits=earlier.visits + 1)
        found[visit.state] = visit
    return list(found.values())


def seconds_of(job: Job) -> float:
    """From the job's submission to its end; 0 while it runs."""
    return _between(job.created_at, job.ended_at) if job.ended_at else 0.0


def counts(job: Job) -> str:
    """The counts of a job for people: ``groups 3 of 10, evidence 24``; without zeros and money."""
    told = []
    for name, count in sorted(job.progress.items()):
        is_part = name.endswith("_done") and name.removesuffix("_done") in job.progress
        if is_part or not count or name.endswith("_microdollars"):
            continue
        done = job.progress.get(f"{name}_done")
        readable = name.replace("_", " ")
        told.append(f"{readable} {count}" if done is None else f"{readable} {min(done, count)} of {count}")
    return ", ".join(told)


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
