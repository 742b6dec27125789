"""Errors have stable codes and are found again by the names that Step Functions knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake import errors
from omnilake.errors import ArchiveNotFound, CorruptDocument, IncompleteIndexing, OmniLakeError, by_name
from omnilake.models import ErrorRecord


def below(kind: type[OmniLakeError]) -> Iterator[type[OmniLakeError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from below(each)


CLASSES = sorted(
    {each for each in below(OmniLakeError) if each.__module__ == errors.__name__}, key=lambda c: c.__name__
)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [each.code for each in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_found_by_its_name_and_advises(kind: type[OmniLakeError]) -> None:
    assert by_name(kind.__name__) is kind
    assert kind.advice.endswith(".") or kind.advice.startswith("List the jobs")
    assert kind.__name__ in str(errors.__doc__)


@pytest.mark.parametrize("name", ["", "KeyError", "States.Timeout", "Exception", "omnilakeerror"])
def test_other_errors_are_not_ours(name: str) -> None:
    assert by_name(name) is None


def test_an_error_says_its_code_what_was_wrong_and_what_to_do() -> None:
    error = CorruptDocument("It is cut off.", action="Upload it whole.", pages=3)
    assert str(error) == "DOCUMENT_CORRUPT: It is cut off. Upload it whole."
    assert error.details == {"pages": 3}
    assert CorruptDocument("It is cut off.").action == CorruptDocument.advice


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_record_of_an_error_is_the_same_after_the_way_through_step_functions(kind: type[OmniLakeError]) -> None:
    error = kind("What was wrong.")
    cause = json.dumps({"errorMessage": str(error), "errorType": kind.__name__, "stackTrace": ["x"]})
    assert ErrorRecord.of_state(kind.__name__, cause) == ErrorRecord.of(error)


def test_a_cause_that_is_plain_text_is_kept_of_our_errors() -> None:
    record = ErrorRecord.of_state("IncompleteIndexing", "Fewer rows than chunks.")
    assert (record.code, record.message) == ("INCOMPLETE_INDEXING", "Fewer rows than chunks.")
    assert record.action == IncompleteIndexing.advice


def test_a_message_is_cut_to_what_a_record_can_hold() -> None:
    cause = json.dumps({"errorMessage": str(ArchiveNotFound("x" * 5_000))})
    assert ErrorRecord.of_state("ArchiveNotFound", cause).message == "x" * 1_000


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("States.Timeout", "STATES_TIMEOUT"),
        ("States.DataLimitExceeded", "STATES_DATA_LIMIT_EXCEEDED"),
        ("Lambda.TooManyRequestsException", "LAMBDA_TOO_MANY_REQUESTS_EXCEPTION"),
        ("Sandbox.Timedout", "SANDBOX_TIMEDOUT"),
        ("KeyError", "KEY_ERROR"),
        ("", "UNKNOWN"),
        ("…", "UNKNOWN"),
    ],
)
def test_errors_of_others_have_a_code_and_none_of_their_words(error: str, code: str) -> None:
    record = ErrorRecord.of_state(error, json.dumps({"errorMessage": "private words"}))
    assert record.code == code
    assert "private words" not in record.model_dump_json()
    assert record.message
    assert record.action


@given(st.text(max_size=30), st.one_of(st.text(max_size=50), st.builds(json.dumps, st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["errorMessage", "a"]), inner),
    max_leaves=4,
))))  # fmt: skip
def test_any_error_and_cause_make_a_record(error: str, cause: str) -> None:
    record = ErrorRecord.of_state(error, cause)
    assert re.fullmatch(r"[A-Z0-9_]+", record.code)
    assert record.message
