"""What every Lambda handler shares."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from any_lambda import any_context

from omnilake.errors import CorruptDocument, InvalidStateInput, StageFailed
from omnilake.handler import Handler, parse_event, state_handler
from omnilake.ingest.stages import BatchEvent, BatchResult

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

EVENT = {"job_id": "ingest-docs-1", "archive_id": "docs"}
SECRET = "the launch code is 0451"


def handler_of(outcome: BatchResult | Exception) -> Handler:
    @state_handler(BatchEvent, state="Any State")
    def handler(event: BatchEvent) -> BatchResult:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return handler


def test_the_function_gets_a_model_and_its_result_is_json() -> None:
    seen: list[BatchEvent] = []

    @state_handler(BatchEvent, state="Any State")
    def handler(event: BatchEvent) -> BatchResult:
        """What it does."""
        seen.append(event)
        return BatchResult(live=2, store_id="docs-1")

    result = handler(EVENT, any_context())
    assert seen == [BatchEvent(job_id="ingest-docs-1", archive_id="docs")]
    assert json.loads(json.dumps(result)) == {"live": 2, "store_id": "docs-1", "embed_batches": 0, "chunks": 0}
    assert handler.__doc__ == "What it does."


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ({**EVENT, "job_id": SECRET}, ["job_id (string_pattern_mismatch)"]),
        ({"job_id": "job", "archive_id": [SECRET]}, ["archive_id (string_type)"]),
        ({**EVENT, "text": SECRET}, ["text (extra_forbidden)"]),
        ({"text": SECRET}, ["archive_id (missing)", "job_id (missing)", "text (extra_forbidden)"]),
        (SECRET, ["(model_type)"]),
        (None, ["(model_type)"]),
        ([SECRET], ["(model_type)"]),
    ],
)
def test_an_event_that_does_not_fit_is_refused_by_its_fields_without_their_values(
    log: io.StringIO, capfd: pytest.CaptureFixture[str], event: Any, fields: list[str]
) -> None:
    with pytest.raises(InvalidStateInput) as refused:
        handler_of(BatchResult(live=0))(event, any_context())
    assert refused.value.message.startswith("The event does not fit BatchEvent: ")
    for field in fields:
        assert field in refused.value.message
    assert SECRET not in f"{refused.value}{log.getvalue()}{''.join(capfd.readouterr())}"


def test_the_content_of_an_event_is_never_logged(log: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    event = {"job_id": "ingest-docs-1", "archive_id": SECRET}
    handler_of(BatchResult(live=1, store_id=SECRET))(event, any_context())
    with pytest.raises(StageFailed):
        handler_of(StageFailed(SECRET))(event, any_context())
    with pytest.raises(ValueError, match=SECRET):
        handler_of(ValueError(SECRET))(event, any_context())
    assert log.getvalue()
    assert SECRET not in log.getvalue() + "".join(capfd.readouterr())


def test_an_error_of_the_product_goes_through_and_is_logged_with_state_job_and_code(log: io.StringIO) -> None:
    error = CorruptDocument("The document can't be read.")
    with pytest.raises(CorruptDocument) as raised:
        handler_of(error)(EVENT, any_context())
    assert raised.value is error
    (line,) = [json.loads(each) for each in log.getvalue().splitlines()]
    assert (line["level"], line["state"], line["job_id"]) == ("WARNING", "Any State", "ingest-docs-1")
    assert (line["error_code"], line["error_type"]) == ("DOCUMENT_CORRUPT", "CorruptDocument")


def test_errors_of_the_product_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageFailed):
        handler_of(StageFailed("It failed."))(EVENT, any_context())
    blobs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (counted,) = [blob for blob in blobs if "StateErrors" in blob]
    assert counted["StateErrors"] == [1.0]
    assert counted["state"] == "Any State"
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "OmniLake"


def test_what_one_invocation_logged_with_is_gone_in_the_next(log: io.StringIO) -> None:
    with pytest.raises(StageFailed):
        handler_of(StageFailed("It failed."))(EVENT, any_context())
    with pytest.raises(StageFailed):
        handler_of(StageFailed("It failed."))({**EVENT, "job_id": "ingest-docs-2"}, any_context())
    assert [json.loads(line)["job_id"] for line in log.getvalue().splitlines()] == ["ingest-docs-1", "ingest-docs-2"]


def test_nested_fields_are_named_by_their_path() -> None:
    from omnilake.models import BatchManifest

    with pytest.raises(InvalidStateInput, match=r"documents\.0\.bucket \(missing\)"):
        parse_event(BatchManifest, {**EVENT, "documents": [{"key": SECRET}]})
