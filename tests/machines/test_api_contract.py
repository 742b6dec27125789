"""The deployed API keeps to its OpenAPI document, whatever it is sent: no 5xx, and nothing that is not documented.

Schemathesis makes calls of every operation out of the document: such that fit it and such that do not, with made-up ids
and with ids of what is there. What it makes is the same in every run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from embedded_cloud import Cloud, unique, wait_for
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from signed_calls import Caller, Signature

from omnilake import api
from omnilake.models import ENDED, JobStatus

_DOCUMENT = Path(api.__file__).with_name("openapi.json")
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
_REFUSED = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "428", "429", "431"]
"""What a call that does not fit may be answered with; 431 is API Gateway's own, of long cursors."""

_CONFIGURATION = {"checks": {"negative_data_rejection": {"expected-statuses": _REFUSED}}}
_EXAMPLES = 6
"""Calls of an operation in each manner."""

_EXAMPLES_OF_STARTS = 1
"""The same of those that start an execution with what is there; and so many again that wait for its end."""

_WAIT_S = 10

FACT = "The night ferry to Selmere leaves from pier seven at half past nine."
QUESTION = "From which pier does the night ferry to Selmere leave?"


def _operations() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """By ``METHOD path``: what only reads first, what takes away last."""
    document = json.loads(_DOCUMENT.read_text(encoding="utf-8"))
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(_CONFIGURATION))
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    found = {each.label: each for each in operations}

    def place(label: str) -> tuple[int, str]:
        return 0 if label.startswith("GET") else 2 if "delete" in label.lower() else 1, label

    return {label: found[label] for label in sorted(found, key=place)}


_OPERATIONS = _operations()


@pytest.fixture(scope="module")
def known(cloud: Cloud, operator: Caller) -> Iterator[dict[str, Any]]:
    """Ids of what is there, by the names of the fields that take them. What was started with them ends first."""
    archive_id = cloud.archive()
    entry_id = cloud.ingest(archive_id, {"ferry.txt": FACT})["ferry.txt"]["entry_id"]
    job, _ = cloud.ask(archive_id, QUESTION)
    upload = operator.send("POST", f"/v1/archives/{archive_id}/uploads", {"name": "a.txt", "bytes": 1}).json()
    kind = {"name": unique("type-"), "required_fields": ["shelf"]}
    assert operator.send("POST", "/v1/source-types", kind).status_code == 201
    nowhere = {"start_url": f"https://{unique()}.invalid/"}
    source = {"archive_id": archive_id, "source_type": "website", "config": nowhere, "schedule": ""}
    made = operator.send("POST", "/v1/sources", source)
    assert made.status_code == 201, made.text
    configuration = operator.send("GET", "/v1/configuration")
    yield {
        "archive_id": archive_id,
        "archives": [archive_id],
        "entry_id": entry_id,
        "job_id": job.job_id,
        "other_job_id": job.job_id,
        "request_id": job.job_id,
        "lake_request_id": job.job_id,
        "number": 1,
        "upload_id": upload["upload_id"],
        "source_id": made.json()["source_id"],
        "name": kind["name"],
    }
    assert operator.send("GET", "/v1/configuration").text == configuration.text
    wait_for(lambda: all(_ended(operator, archive_id)), "the end of what was started", 240)


def _ended(operator: Caller, archive_id: str) -> Iterator[bool]:
    for each in operator.send("GET", f"/v1/jobs?archive_id={archive_id}&limit=100").json()["items"]:
        yield JobStatus(each["status"]) in ENDED


def _can_be_wrong(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether a call of it can break the document: not by headers alone, which are free text."""
    return bool(len(operation.path_parameters) or len(operation.query) or operation.body) or operation.method == "post"


def _with_known(case: Case[Any], known: dict[str, Any]) -> Case[Any]:
    """The same call, its body naming what is there wherever it names anything."""
    if isinstance(case.body, dict) and case.path != "/create_archive":
        case.body = case.body | {name: value for name, value in known.items() if name in case.body and name != "name"}
    return case


def _hold(calls: st.SearchStrategy[Case[Any]], count: int, operator: Caller) -> None:
    """Make so many of the calls; each must be answered as the document says."""

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=calls)
    def answered_as_documented(case: Case[Any]) -> None:
        signature = Signature(operator.access_key, operator.secret_key)
        response = case.call(base_url=operator.endpoint, auth=signature, timeout=60)
        case.validate_response(response, checks=_CHECKS)

    answered_as_documented()


@pytest.mark.parametrize("label", [label for label, each in _OPERATIONS.items() if _can_be_wrong(each)])
def test_a_call_that_does_not_fit_is_refused_as_documented(operator: Caller, label: str) -> None:
    _hold(_OPERATIONS[label].as_strategy(GenerationMode.NEGATIVE), _EXAMPLES, operator)


@pytest.mark.parametrize("label", _OPERATIONS)
def test_a_call_that_fits_is_answered_as_documented(operator: Caller, label: str) -> None:
    _hold(_OPERATIONS[label].as_strategy(GenerationMode.POSITIVE), _EXAMPLES, operator)


@pytest.mark.parametrize("label", _OPERATIONS)
def test_a_call_about_what_is_there_is_answered_as_documented(
    operator: Caller, known: dict[str, Any], label: str
) -> None:
    operation = _OPERATIONS[label]
    there = {each.name: known[each.name] for each in operation.path_parameters}
    patient: list[dict[str, str]] = [{}]
    if "202" in operation.responses.status_codes:
        patient.append({"Prefer": f"wait={_WAIT_S}"})
    for headers in patient:
        fitting = operation.as_strategy(GenerationMode.POSITIVE, path_parameters=there, headers=headers)
        naming = fitting.map(lambda case: _with_known(case, known))
        _hold(naming, _EXAMPLES if len(patient) == 1 else _EXAMPLES_OF_STARTS, operator)
