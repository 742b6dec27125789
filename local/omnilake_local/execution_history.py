"""An execution's history, told by state: what each visit of a state got, gave, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Event = dict[str, Any]

_ENDED_BY_ERROR = ("Failed", "TimedOut", "Aborted")


@dataclass
class Visit:
    """One time that an execution was in a state."""

    state: str
    entered: datetime
    input: str
    exited: datetime | None = None
    output: str | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    """Errors on the way with their causes, also those that a Retry or a Catch took."""
    links: list[str] = field(default_factory=list)
    """What the service answered when the task was submitted: holds the ARN of a nested execution."""

    @property
    def seconds(self) -> float | None:
        return (self.exited - self.entered).total_seconds() if self.exited else None


@dataclass
class Iterations:
    """What became of a Map's iterations."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Story:
    """An execution's history by state."""

    visits: list[Visit]
    iterations: dict[str, Iterations]

    def of(self, state: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.state == state]

    def status(self, state: str, execution_status: str) -> str:
        """``succeeded``, ``failed``, ``running`` or ``not entered``."""
        visits = self.of(state)
        if not visits:
            return "not entered"
        if any(visit.exited is None for visit in visits):
            return "running" if execution_status == "RUNNING" else "failed"
        return "succeeded"


def details(event: Event) -> dict[str, Any]:
    """The event's details, whatever the name of the key that holds them."""
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


def tell(events: Iterable[Event]) -> Story:
    """Group an execution's events by the visit of a state that they belong to.

    An event belongs to the visit that its chain of previous events leads to; in a Map several visits of one state are
    open at a time, so its name alone does not tell.
    """
    visits: list[Visit] = []
    open_visit: dict[int, Visit] = {}
    iterations: dict[str, Iterations] = {}
    for event in events:
        kind, found, before = event["type"], details(event), event.get("previousEventId", 0)
        current = open_visit.get(before)
        if kind.endswith("StateEntered"):
            visit = Visit(found["name"], event["timestamp"], found.get("input", ""))
            visits.append(visit)
            current = visit
        elif kind.endswith("StateExited"):
            if current is None or current.state != found["name"]:
                current = _oldest_open(visits, found["name"]) or current
            if current is not None and current.state == found["name"]:
                current.exited, current.output = event["timestamp"], found.get("output", "")
        elif kind.startswith("MapIteration"):
            count = iterations.setdefault(found["name"], Iterations())
            outcome = kind.removeprefix("MapIteration").lower()
            if outcome in ("started", "succeeded", "failed"):
                setattr(count, outcome, getattr(count, outcome) + 1)
        elif kind.endswith(_ENDED_BY_ERROR) and current is not None and not kind.startswith("Execution"):
            current.errors.append((str(found.get("error", kind)), str(found.get("cause", ""))))
        elif kind == "TaskSubmitted" and current is not None:
            current.links.append(found.get("output", ""))
        if current is not None:
            open_visit[event["id"]] = current
    return Story(visits, iterations)


def _oldest_open(visits: list[Visit], state: str) -> Visit | None:
    return next((visit for visit in visits if visit.state == state and visit.exited is None), None)
