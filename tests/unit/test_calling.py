"""Functions called from others: what they return, and what becomes of what they raise."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from omnilake import aws
from omnilake.calling import TIMEOUT_S, call, remote_error
from omnilake.errors import ArchiveNotFound, StageFailed, TransientError
from omnilake.settings import settings

ARN = "arn:aws:lambda:us-east-1:123456789012:function:make"


class Functions:
    """Lambda: gives one answer, or raises it; ``asked`` are the calls."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.failed = False
        self.asked: list[dict[str, Any]] = []

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        told = {"Payload": io.BytesIO(json.dumps(self.answer).encode())}
        return told | {"FunctionError": "Unhandled"} if self.failed else told


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    made = Functions()
    monkeypatch.setenv("OMNILAKE_CREATE_ARCHIVE_FUNCTION_ARN", ARN)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    settings.cache_clear()

    def client(service: str, _: str, timeout_s: float) -> Functions:
        assert (service, timeout_s) == ("lambda", TIMEOUT_S)
        return made

    monkeypatch.setattr(aws, "impatient_client", client)
    yield made
    settings.cache_clear()


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "Invoke",
    )


def test_a_function_is_called_once_with_the_event_and_its_result_comes_back(functions: Functions) -> None:
    functions.answer = {"archive_id": "docs"}
    assert call("create_archive_function_arn", {"archive_id": "docs"}) == {"archive_id": "docs"}
    (asked,) = functions.asked
    assert (asked["FunctionName"], json.loads(asked["Payload"])) == (ARN, {"archive_id": "docs"})


def test_what_a_function_raised_is_raised_as_the_class_that_it_was(functions: Functions) -> None:
    functions.failed = True
    error = ArchiveNotFound("There is no archive of that id.")
    functions.answer = {"errorType": "ArchiveNotFound", "errorMessage": str(error)}
    with pytest.raises(ArchiveNotFound) as raised:
        call("create_archive_function_arn", {})
    assert str(raised.value) == str(error)


@pytest.mark.parametrize("told", [{"errorType": "KeyError", "errorMessage": "'secret text'"}, "text", {}])
def test_an_error_that_is_none_of_ours_is_told_without_its_text(functions: Functions, told: Any) -> None:
    functions.failed, functions.answer = True, told
    with pytest.raises(StageFailed) as raised:
        call("create_archive_function_arn", {})
    assert "text" not in str(raised.value).replace("context", "")


@pytest.mark.parametrize(
    "error",
    [
        refusal("TooManyRequestsException", 429),
        refusal("ServiceException", 500),
        ReadTimeoutError(endpoint_url="https://lambda"),
    ],
)
def test_a_function_that_gives_no_answer_is_a_passing_failure(functions: Functions, error: Exception) -> None:
    functions.answer = error
    with pytest.raises(TransientError):
        call("create_archive_function_arn", {})
    assert len(functions.asked) == 1


def test_a_call_that_is_not_allowed_is_raised_as_it_is(functions: Functions) -> None:
    functions.answer = refusal("AccessDeniedException", 403)
    with pytest.raises(ClientError):
        call("create_archive_function_arn", {})


def test_an_error_without_a_message_still_has_its_class() -> None:
    assert isinstance(remote_error({"errorType": "ArchiveNotFound"}), ArchiveNotFound)
