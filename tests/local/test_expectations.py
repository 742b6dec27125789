"""How outcomes of sample events are matched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from expectations import Outcome, differences, find_cases


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": "<any>"}, {"a": None}, []),
        ({"a": "<any>"}, {}, ["output.a is missing"]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ["output.a[1].b is 3, expected 2"]),
        ([1], [1, 2], ["output is [1, 2], expected an array of 1"]),
        (True, 1, ["output is 1, expected True"]),
    ],
)
def test_output_is_matched_as_a_subset(expected: Any, found: Any, wrong: list[str]) -> None:
    assert differences(expected, found) == wrong


def write(folder: Path, event: Any, expected: Any) -> None:
    (folder / "F").mkdir(exist_ok=True)
    (folder / "F" / "case.json").write_text(json.dumps(event))
    (folder / "F" / "case.expect.json").write_text(json.dumps(expected))


def test_a_handlers_error_fails_a_case_that_expects_success_and_the_other_way_round(tmp_path: Path) -> None:
    write(tmp_path, {}, {"status": "ok"})
    case = find_cases(tmp_path)[0]
    assert case.mismatches(Outcome.of_payload({"errorType": "Boom", "errorMessage": "x"}))
    assert not case.mismatches(Outcome.of_payload({"fine": 1}))
    write(tmp_path, {}, {"status": "error", "error_type": "Boom"})
    case = find_cases(tmp_path)[0]
    assert not case.mismatches(Outcome.of_payload({"errorType": "Boom", "errorMessage": "x"}))
    assert case.mismatches(Outcome.of_payload({"errorType": "Other"}))
    assert case.mismatches(Outcome.of_payload(None))


def test_an_event_without_expectation_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, {}, {"status": "ok"})
    (tmp_path / "F" / "case.expect.json").unlink()
    with pytest.raises(ValueError, match="case"):
        find_cases(tmp_path)


@pytest.mark.parametrize("expected", [{}, {"status": "error"}, {"status": "ok", "error_type": "X"}, ["ok"]])
def test_a_malformed_expectation_is_an_error(tmp_path: Path, expected: Any) -> None:
    write(tmp_path, {}, expected)
    with pytest.raises(ValueError, match="must be"):
        find_cases(tmp_path)
