"""The pictures of state machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from omnilake_local.diagram import edges, flatten, layout, mermaid

MACHINES = sorted((Path(__file__).parents[2] / "statemachines").glob("*.asl.json"))

LOOP: dict[str, Any] = {
    "StartAt": "Plan",
    "States": {
        "Plan": {"Type": "Task", "Next": "One Left?", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}]},
        "One Left?": {"Type": "Choice", "Choices": [{"Condition": "x", "Next": "Done"}], "Default": "Work"},
        "Work": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "Step: 1", "States": {"Step: 1": {"Type": "Task", "End": True}}},
            "Next": "Plan",
        },
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail"},
    },
}


def test_a_state_stands_below_all_that_lead_to_it_except_for_ways_back() -> None:
    places = layout(LOOP)
    assert places["Plan"].row < places["One Left?"].row < places["Work"].row
    assert places["Failed"].row > places["Plan"].row


def test_no_two_states_share_a_place() -> None:
    places = layout(LOOP)
    assert len({(place.row, place.column) for place in places.values()}) == len(places)


def test_edges_tell_choices_from_errors() -> None:
    kinds = {(edge.source, edge.target): edge.kind for edge in edges(LOOP)}
    assert kinds[("Plan", "Failed")] == "catch"
    assert kinds[("One Left?", "Done")] == "choice"
    assert kinds[("One Left?", "Work")] == "default"


def test_mermaid_draws_the_inside_of_a_map_and_escapes_its_own_syntax() -> None:
    drawn = mermaid(LOOP)
    assert drawn.startswith("stateDiagram-v2\n")
    assert 'state "Step  1" as' in drawn


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.name)
def test_every_state_of_our_machines_is_drawn(path: Path) -> None:
    asl = json.loads(path.read_text(encoding="utf-8"))
    drawn = mermaid(asl)
    names = [name for name, _ in flatten(asl)]
    assert len(set(names)) == len(names)
    assert drawn.count(" as s") == len(names)
    assert set(layout(asl)) == set(asl["States"])
