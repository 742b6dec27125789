"""Short ways to write state machine definitions."""

from __future__ import annotations

from typing import Any

INVOKE = "arn:aws:states:::lambda:invoke"
State = dict[str, Any]


def machine(first: str, **states: State) -> State:
    """A JSONata definition; underscores in state names stand for spaces."""
    named = {name.replace("_", " "): state for name, state in states.items()}
    return {"QueryLanguage": "JSONata", "StartAt": first.replace("_", " "), "States": named}


def single(state: State) -> State:
    """A definition of one state."""
    return machine("Only", Only={**state, "End": True})


def passing(output: Any) -> State:
    return single({"Type": "Pass", "Output": output})


def invoke(function: str, payload: Any, **more: Any) -> State:
    """A Lambda task whose output is the function's payload."""
    return {
        "Type": "Task",
        "Resource": INVOKE,
        "Arguments": {"FunctionName": function, "Payload": payload},
        "Output": "{% $states.result.Payload %}",
        **more,
    }


def mapped(items: Any, first: str, states: State) -> State:
    """An inline Map over ``items``; ``states`` run for each."""
    return {"Type": "Map", "Items": items, "ItemProcessor": {"StartAt": first, "States": states}}
