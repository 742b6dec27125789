"""Rules that every state machine keeps, read from the ASL files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stack_in_moto

from omnilake import errors

ROOT = Path(__file__).resolve().parents[2]
MACHINES = sorted((ROOT / "statemachines").glob("*.asl.json"))
RETRIED = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "TransientError",
]
REDRIVABLE = {"Plan Collection", "Mark Entries"}
"""First states of machines that catch nothing, so that a redrive goes on at the state that failed; Close Job ends
their jobs."""
FAIL_ERRORS = {
    "DocumentsRejected",
    "IngestionFailed",
    "RequestFailed",
    "CompactionFailed",
    "SyncFailed",
}


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every state with its name and whether it lies inside a Map or Parallel."""

    def walk(scope: dict[str, Any], inner: bool) -> Iterator[tuple[str, dict[str, Any], bool]]:
        for name, state in scope["States"].items():
            yield name, state, inner
            if "ItemProcessor" in state:
                yield from walk(state["ItemProcessor"], True)
            for branch in state.get("Branches", []):
                yield from walk(branch, True)

    yield from walk(machine, False)


@pytest.fixture(params=MACHINES, ids=lambda path: path.name.removesuffix(".asl.json"))
def machine(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def test_should_find_the_three_machines() -> None:
    assert {path.name for path in MACHINES} >= {
        "ingest_document.asl.json",
        "answer_request.asl.json",
        "compact_evidence.asl.json",
    }


def test_should_declare_jsonata_once_and_a_timeout(machine: dict[str, Any]) -> None:
    assert machine["QueryLanguage"] == "JSONata"
    assert machine["TimeoutSeconds"] > 0
    assert machine["Comment"]
    assert not any("QueryLanguage" in state for _, state, _ in states(machine))


def test_should_name_states_for_people(machine: dict[str, Any]) -> None:
    for name, _, _ in states(machine):
        assert re.fullmatch(r"[A-Z][a-zA-Z]*( [A-Z][a-zA-Z]*)*\??", name), name


def test_should_bound_and_retry_every_task_alike(machine: dict[str, Any]) -> None:
    for name, state, _ in states(machine):
        if state["Type"] != "Task":
            continue
        assert state["TimeoutSeconds"] > 0, name
        (retry,) = state["Retry"]
        assert retry["ErrorEquals"][: len(RETRIED)] == RETRIED, name
        ours = {each for each in retry["ErrorEquals"][len(RETRIED) :] if not each.startswith("StepFunctions.")}
        assert all(issubclass(errors.by_name(each) or object, errors.TransientError) for each in ours), name
        assert (retry["JitterStrategy"], retry["MaxAttempts"], retry["MaxDelaySeconds"]) == ("FULL", 4, 20), name


def test_should_catch_every_task_outside_a_map(machine: dict[str, Any]) -> None:
    """Inside a Map the Map's own Catch does it; the state that records failures has nothing behind it."""
    if machine["StartAt"] in REDRIVABLE:
        assert not any("Catch" in state for _, state, inner in states(machine) if not inner)
        return
    recorders = {"Record Failure"}
    for name, state, inner in states(machine):
        if state["Type"] in {"Task", "Map", "Parallel"} and not inner and name not in recorders:
            assert [each["ErrorEquals"] for each in state["Catch"]][-1] == ["States.ALL"], name


def test_should_bound_every_map(machine: dict[str, Any]) -> None:
    for name, state, _ in states(machine):
        if state["Type"] == "Map":
            assert "MaxConcurrency" in state, name
            assert state["Comment"], name
        if state["Type"] == "Choice":
            assert state["Comment"], name
            assert state["Default"], name


def test_should_fail_with_errors_from_one_list(machine: dict[str, Any]) -> None:
    for name, state, _ in states(machine):
        if state["Type"] == "Fail":
            assert state["Error"] in FAIL_ERRORS, name


def test_should_wait_longer_for_a_task_than_its_function_may_run() -> None:
    resources = stack_in_moto.template()["Resources"]
    default = stack_in_moto.template()["Globals"]["Function"]["Timeout"]
    checked = 0
    for path in MACHINES:
        for name, state, _ in states(load(path)):
            if state["Type"] != "Task":
                continue
            function = re.fullmatch(r"\$\{(\w+)Arn\}", str(state.get("Arguments", {}).get("FunctionName", "")))
            if function:
                timeout = resources[function[1]]["Properties"].get("Timeout", default)
                assert state["TimeoutSeconds"] > timeout, name
                checked += 1
    assert checked >= 14


def test_should_substitute_exactly_what_the_machines_name() -> None:
    resources = stack_in_moto.template()["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            text = (ROOT / resource["Properties"]["DefinitionUri"]).read_text()
            named = set(re.findall(r"\$\{(\w+)\}", text))
            assert named == set(resource["Properties"]["DefinitionSubstitutions"]), resource["Properties"][
                "DefinitionUri"
            ]
