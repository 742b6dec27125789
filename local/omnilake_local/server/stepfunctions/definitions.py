"""What is wrong with a definition beyond its grammar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def dangling_transitions(definition: str) -> list[str]:
    """One line for each transition that leads to no state of its own level, as CreateStateMachine refuses."""
    return list(_dangling(json.loads(definition), "machine"))


def _dangling(machine: dict[str, Any], place: str) -> Iterator[str]:
    states: dict[str, Any] = machine.get("States") or {}
    for source, target in _transitions(machine, states):
        if target not in states:
            yield f"MISSING_TRANSITION_TARGET: {source} of {place} leads to '{target}', which is no state there"
    for name, state in states.items():
        if "Branches" in state:
            for branch in state["Branches"]:
                yield from _dangling(branch, f"a branch of '{name}'")
        for inner in ("ItemProcessor", "Iterator"):
            if inner in state:
                yield from _dangling(state[inner], f"the {inner} of '{name}'")


def _transitions(machine: dict[str, Any], states: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "StartAt" in machine:
        yield "StartAt", machine["StartAt"]
    for name, state in states.items():
        for key in ("Next", "Default"):
            if key in state:
                yield f"{key} of '{name}'", state[key]
        for key in ("Catch", "Choices"):
            for rule in state.get(key) or []:
                if "Next" in rule:
                    yield f"{key} of '{name}'", rule["Next"]
