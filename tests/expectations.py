"""What a sample event must give, whoever runs it.

``events/<function logical id>/<case>.json`` is the event and nothing else; beside it ``<case>.expect.json`` says
what the handler makes of it::

    {"status": "ok", "output": {"documents": 1, "job_id": "<any>"}}
    {"status": "error", "error_type": "ArchiveNotFound"}

``output`` is matched as a subset: the objects in it may have more keys than it names, arrays have as many elements as
it has, and ``"<any>"`` stands for any value, as long as there is one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ANY = "<any>"
_SUFFIX = ".expect.json"


@dataclass(frozen=True)
class Outcome:
    """What a handler did."""

    status: Literal["ok", "error"]
    output: Any = None
    error_type: str = ""
    error_message: str = ""

    @classmethod
    def of_payload(cls, payload: Any) -> Outcome:
        """From what Lambda answers: an error is an object with ``errorType`` or ``errorMessage``."""
        if isinstance(payload, dict) and ("errorType" in payload or "errorMessage" in payload):
            return cls(
                "error",
                error_type=str(payload.get("errorType", "")),
                error_message=str(payload.get("errorMessage", "")),
            )
        return cls("ok", output=payload)


@dataclass(frozen=True)
class Case:
    """One sample event."""

    function: str
    """Logical id in the template."""
    name: str
    event_file: Path
    expected: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.function}/{self.name}"

    @property
    def event(self) -> Any:
        return json.loads(self.event_file.read_text(encoding="utf-8"))

    def mismatches(self, outcome: Outcome) -> list[str]:
        """How an outcome differs from what is expected; empty if it does not."""
        if outcome.status != self.expected["status"]:
            found = f"{outcome.error_type}: {outcome.error_message}" if outcome.status == "error" else outcome.output
            return [f"status is {outcome.status}, expected {self.expected['status']} ({found})"]
        if outcome.status == "error":
            wanted = self.expected["error_type"]
            return (
                []
                if wanted in (ANY, outcome.error_type)
                else [f"error type is {outcome.error_type}, expected {wanted} ({outcome.error_message})"]
            )
        return differences(self.expected["output"], outcome.output) if "output" in self.expected else []


def differences(expected: Any, found: Any, path: str = "output") -> list[str]:
    """Where a value does not hold what is expected of it, one line a place."""
    if expected == ANY:
        return []
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{path} is {found!r}, expected an object"]
        lines = []
        for key, value in expected.items():
            place = f"{path}.{key}"
            lines += differences(value, found[key], place) if key in found else [f"{place} is missing"]
        return lines
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return [f"{path} is {found!r}, expected an array of {len(expected)}"]
        return [
            line
            for number, (wanted, value) in enumerate(zip(expected, found, strict=True))
            for line in differences(wanted, value, f"{path}[{number}]")
        ]
    # True == 1 in Python, not in JSON.
    if expected != found or isinstance(expected, bool) != isinstance(found, bool):
        return [f"{path} is {found!r}, expected {expected!r}"]
    return []


def find_cases(events: Path) -> list[Case]:
    """All sample events, in the order of function and name.

    Raises:
        ValueError: an event has no expectation, an expectation no event, or is not of the form above.
    """
    expectations = sorted(events.glob(f"*/*{_SUFFIX}"))
    files = sorted(path for path in events.glob("*/*.json") if not path.name.endswith(_SUFFIX))
    expected = {path.with_name(path.name.removesuffix(_SUFFIX) + ".json") for path in expectations}
    lonely = expected.symmetric_difference(files)
    if lonely:
        raise ValueError(
            "Event without expectation, or the other way round: " + ", ".join(sorted(str(path) for path in lonely))
        )
    return [
        Case(event.parent.name, event.stem, event, _expectation(event.with_name(event.stem + _SUFFIX)))
        for event in files
    ]


def _expectation(path: Path) -> dict[str, Any]:
    expected = json.loads(path.read_text(encoding="utf-8"))
    allowed = {"ok": {"status", "output"}, "error": {"status", "error_type"}}
    keys = allowed.get(str(expected.get("status")), set()) if isinstance(expected, dict) else set()
    if not keys or not set(expected) <= keys or (expected["status"] == "error" and "error_type" not in expected):
        raise ValueError(f"{path} must be {{'status': 'ok', 'output': …}} or {{'status': 'error', 'error_type': …}}.")
    return dict(expected)
