"""Routes of requests, answers and search: what may be asked, and who reads what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import any_call
import pytest
from any_stored import MARA, NOAH, stored_archive

from omnilake import archives, aws, jobs, layout
from omnilake.api import requests as routes
from omnilake.api import rpc, rpc_requests
from omnilake.client import request_definitions
from omnilake.errors import InvalidFields
from omnilake.models import Answer, AnswerClaim, AnswerStatus, Citation, Coverage, ErrorRecord, JobKind
from omnilake.settings import settings

Send = Callable[..., Any]
AS_NOAH = {"who": any_call.NOAH}
QUESTION = {"archives": ["maras-own"], "question": "When does the lock close?"}
TEXT = "The sea lock closes at ten. " * 40


@pytest.fixture
def send(api: Callable[..., Send]) -> Send:
    return api(routes.router, rpc_requests.router)


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Events that the function of submissions was called with; each makes a job."""
    seen: list[dict[str, Any]] = []

    def call(setting: str, event: dict[str, Any]) -> Any:
        assert setting == "submit_request_function_arn"
        seen.append(event)
        job_id = f"answer-{len(seen)}"
        request = event["request"]
        aws.lake().write(layout.request(job_id), json.dumps(request).encode())
        jobs.create(
            job_id,
            JobKind.ANSWER_REQUEST,
            request["archives"][0],
            archives=request["archives"],
            started_by=event["started_by"],
            tenant=event["tenant"],
        )
        return {"job_id": job_id}

    monkeypatch.setattr(routes, "call", call)
    return seen


def answered(job_id: str = "answer-1") -> Answer:
    """A job with its answer."""
    citation = Citation(
        number=1,
        entry_id="e1",
        version="v1",
        chunk_id="c1",
        source="https://harbour.example/lock",
        title="Lock",
        start=28,
        end=55,
        quote="The sea lock closes at ten.",
        url="https://harbour.example/lock#:~:text=ten",
    )
    answer = Answer(
        job_id=job_id,
        archives=["maras-own"],
        status=AnswerStatus.ANSWERED,
        text="At ten. [1]",
        claims=[AnswerClaim(text="At ten.", citations=[1], score=0.9)],
        citations=[citation],
        coverage=Coverage(),
        ledger=[],
        cost_usd=0.0,
        versions={},
        execution_arn="",
        created_at="2026-01-01T00:00:00.000Z",
    )
    key = aws.lake().write_model(layout.answer_part(job_id, "answer"), answer)
    jobs.create(job_id, JobKind.ANSWER_REQUEST, "maras-own", started_by=MARA)
    jobs.complete(job_id, JobKind.ANSWER_REQUEST, "Publish Answer", result_key=key)
    aws.lake().write(layout.entry_text("e1", "v1"), TEXT.encode())
    return answer


def test_a_question_becomes_a_job(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    told = send("POST", "/v1/requests", QUESTION)
    assert (told.status, told.json["job_id"], told.headers["location"]) == (202, "answer-1", "/v1/jobs/answer-1")
    assert told.headers["retry-after"] == "1"
    assert submitted == [{"request": QUESTION, "started_by": MARA, "tenant": ""}]
    assert send("GET", "/v1/requests/answer-1").json["request"] == QUESTION


def test_a_wait_brings_the_answer(send: Send, submitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    stored_archive("maras-own")
    answered()
    told = send("POST", "/v1/requests", QUESTION, headers={"prefer": "wait=5"})
    assert (told.status, told.json["text"]) == (200, "At ten. [1]")
    assert told.headers["preference-applied"] == "wait=5"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"archives": ["nowhere-at-all"]}, 404),
        ({"archives": ["noahs-own"]}, 404),
        ({"archives": []}, 422),
        ({"archives": ["../etc"]}, 404),
        ({"question": " ?!"}, 422),
        ({"question": "x" * 8_001}, 422),
        ({"colour": "red"}, 422),
        ({"max_cost": -1}, 422),
        ({"destination_archive": "noahs-own"}, 404),
        ({"destination_archive": "read-only"}, 403),
        ({"destination_archive": "going"}, 409),
        ({"related_to": "answer-of-noah"}, 404),
        ({"filters": [{"field": "page", "operator": "xor", "value": 1}]}, 422),
    ],
)
def test_what_may_not_be_asked_starts_nothing(
    send: Send, submitted: list[dict[str, Any]], change: dict[str, Any], code: int
) -> None:
    stored_archive("maras-own")
    stored_archive("noahs-own", NOAH)
    stored_archive("read-only", NOAH, read=[MARA])
    stored_archive("going")
    archives.close_archive(archives.get_archive("going"), "delete-going-1")
    jobs.create("answer-of-noah", JobKind.ANSWER_REQUEST, "noahs-own")
    assert send("POST", "/v1/requests", QUESTION | change).status == code
    assert submitted == []


def test_a_tenant_is_forced_into_requests(
    send: Send, submitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNILAKE_TENANT_CLAIM", "org")
    settings.cache_clear()
    stored_archive("maras-own", read=["*"])
    north: dict[str, Any] = {"claims": {"sub": "s", "org": "north"}}
    assert send("POST", "/v1/requests", QUESTION, **north).status == 202
    assert submitted[0]["request"]["tenant"] == {"business_id": "north"}
    assert submitted[0]["tenant"] == "north"
    other = send("POST", "/v1/requests", QUESTION | {"tenant": {"business_id": "south"}}, **north)
    assert (other.status, other.json["code"]) == (403, "FORBIDDEN")
    assert len(submitted) == 1


def test_answers_are_for_who_may_read_all_their_archives(send: Send) -> None:
    stored_archive("maras-own")
    answered()
    paths = ["/v1/answers/answer-1", "/v1/answers/answer-1/citations/1", "/v1/requests/answer-1"]
    assert {send("GET", path, **AS_NOAH).status for path in paths} == {404}
    told = send("GET", paths[0])
    assert told.json["text"] == "At ten. [1]"
    assert send("GET", paths[0], headers={"if-none-match": told.headers["etag"]}).status == 304
    assert send("GET", "/v1/answers/answer-2").status == 404


def test_an_answer_that_is_not_there_is_told_apart_from_a_job_that_is_none(send: Send) -> None:
    stored_archive("maras-own")
    for job_id in ("open", "failed", "cancelled"):
        jobs.create(job_id, JobKind.ANSWER_REQUEST, "maras-own", started_by=MARA)
    jobs.fail("failed", JobKind.ANSWER_REQUEST, "Retrieve", ErrorRecord(code="STATES_TIMEOUT", message="m"))
    jobs.cancel("cancelled", JobKind.ANSWER_REQUEST)
    jobs.create("ingest-1", JobKind.INGEST_DOCUMENT, "maras-own", started_by=MARA)
    paths = ["/v1/answers/{}", "/v1/answers/{}/prompt", "/v1/answers/{}/citations/1", "/v1/answers/{0}/diff/{0}"]
    for path in paths:
        pending = send("GET", path.format("open"))
        assert (pending.status, pending.json["code"], pending.headers["retry-after"]) == (409, "ANSWER_PENDING", "1")
        failed = send("GET", path.format("failed"))
        assert (failed.status, failed.json["code"]) == (409, "ANSWER_UNAVAILABLE")
        assert "failed (STATES_TIMEOUT)" in failed.json["detail"]
        assert "retry-after" not in failed.headers
        cancelled = send("GET", path.format("cancelled"))
        assert (cancelled.status, cancelled.json["code"]) == (409, "ANSWER_UNAVAILABLE")
        assert "was cancelled" in cancelled.json["detail"]
        for nothing in ("ingest-1", "nobody"):
            assert (send("GET", path.format(nothing)).json["code"]) == "JOB_NOT_FOUND"
    assert send("PUT", "/v1/requests/failed/score", {"score": 1}).json["code"] == "ANSWER_UNAVAILABLE"


def test_a_search_that_has_no_results_says_whether_they_come(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    jobs.create("open", JobKind.ANSWER_REQUEST, "maras-own", started_by=MARA)
    under_way = send("GET", "/v1/search/open")
    assert (under_way.status, under_way.headers["retry-after"]) == (202, "1")
    jobs.create("answer-1", JobKind.ANSWER_REQUEST, "maras-own", started_by=MARA)
    jobs.fail("answer-1", JobKind.ANSWER_REQUEST, "Retrieve", ErrorRecord(code="STATES_TIMEOUT", message="m"))
    for told in (send("GET", "/v1/search/answer-1"), send("POST", "/v1/search", QUESTION)):
        assert (told.status, told.json["code"]) == (409, "ANSWER_UNAVAILABLE")


def test_what_is_more_than_a_response_can_hold_is_linked_to(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    long = answered()
    citations = [long.citations[0].model_copy(update={"quote": "漢" * 1_000})] * 1_100
    aws.lake().write("answers/answer-1/prompt.json", json.dumps({"prompt": "x" * 7_000_000}).encode())
    changed = long.model_copy(update={"citations": citations, "prompt_key": "answers/answer-1/prompt.json"})
    aws.lake().write_model(layout.answer_part("answer-1", "answer"), changed)
    for path, key in (
        ("/v1/answers/answer-1", layout.answer_part("answer-1", "answer")),
        ("/v1/answers/answer-1/prompt", "answers/answer-1/prompt.json"),
    ):
        told = send("GET", path)
        assert (told.status, told.text) == (303, "")
        assert key in told.headers["location"]
        assert "X-Amz-Signature=" in told.headers["location"]
    asked = send("POST", "/v1/requests", QUESTION, headers={"prefer": "wait=5"})
    assert asked.status == 303


def test_a_citation_opens_its_span_with_what_stands_around_it(send: Send) -> None:
    stored_archive("maras-own")
    answered()
    told = send("GET", "/v1/answers/answer-1/citations/1").json
    assert told["text"] == "The sea lock closes at ten."
    assert told["before"] + told["text"] + told["after"] == TEXT[: len(told["before"] + told["text"]) + 600]
    assert (told["url"], told["archive_id"]) == ("https://harbour.example/lock#:~:text=ten", "maras-own")
    assert send("GET", "/v1/answers/answer-1/citations/2").status == 404
    assert send("GET", "/v1/answers/answer-1/citations/0").status == 422
    aws.lake().delete(layout.entry_text("e1", "v1"))
    assert send("GET", "/v1/answers/answer-1/citations/1").json["removed"] is True


def test_replay_and_fork_go_back_to_the_first_request(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    send("POST", "/v1/requests", QUESTION | {"destination_archive": "maras-own"})
    assert send("POST", "/v1/requests/answer-1/replay").status == 202
    assert submitted[-1]["request"] == QUESTION | {"replay_of": "answer-1"}
    send("POST", "/v1/requests/answer-2/replay")
    assert submitted[-1]["request"]["replay_of"] == "answer-1"
    send("POST", "/v1/requests/answer-2/fork", {"changes": {"style": "steps"}})
    assert submitted[-1]["request"] == QUESTION | {"style": "steps", "forked_from": "answer-1"}
    assert send("POST", "/v1/requests/answer-1/fork", {"changes": {"colour": "red"}}).status == 422


@pytest.mark.parametrize(("score", "status"), [(0, 200), (1, 200), (0.5, 200), (1.1, 422), (-1, 422), ("good", 422)])
def test_a_score_is_kept_with_who_gave_it(send: Send, score: Any, status: int) -> None:
    stored_archive("maras-own")
    answered()
    aws.lake().write(layout.request("answer-1"), json.dumps(QUESTION).encode())
    assert send("PUT", "/v1/requests/answer-1/score", {"score": score, "comment": "c"}).status == status
    kept = send("GET", "/v1/requests/answer-1").json["score"]
    assert (kept is None) == (status == 422)
    if kept:
        assert (kept["score"], kept["scored_by"]) == (score, MARA)


# --- OmniLake's own paths ---------------------------------------------------------------------------------------


def test_a_request_of_the_first_omnilake_is_asked(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    body = {
        "archive_id": "maras-own", "goal": "Summarize the contents", "request": "What is stored?",
        "request_type": "INCLUSIVE",
    }  # fmt: skip
    told = send("POST", "/request_information", body)
    assert (told.status, told.json["job_id"], told.json["request_id"]) == (202, "answer-1", "answer-1")
    assert submitted[0]["request"] == {
        "archives": ["maras-own"], "question": "What is stored?", "goal": "Summarize the contents", "mode": "INCLUSIVE",
    }  # fmt: skip
    assert send("POST", "/describe_request", {"request_id": "answer-1"}).json["job_id"] == "answer-1"
    assert send("POST", "/request_information", body | {"request_type": "SOMEHOW"}).status == 422
    assert send("POST", "/request_information", {"goal": "x"}).status == 422


ASKED: dict[str, Any] = {"archive_id": "maras-own", "goal": "Summarize the contents", "request": "What is stored?"}
ENTRY = "e" + "0" * 31


def test_entries_and_models_of_a_request_of_the_first_omnilake_are_kept_to(
    send: Send, submitted: list[dict[str, Any]]
) -> None:
    stored_archive("maras-own")
    names = [f"orn::entry::{ENTRY}", ENTRY, f"e{'1' * 31}"]
    more = {"resource_names": names, "responder_model_id": "extractive", "summarization_model_id": "extractive"}
    assert send("POST", "/request_information", ASKED | more).status == 202
    request = submitted[0]["request"]
    assert request["filters"] == [{"field": "entry", "operator": "in", "value": [ENTRY, names[2]]}]
    assert request["providers"] == {"compose": "extractive", "map": "extractive"}


@pytest.mark.parametrize("algorithm", [None, "STANDARD", "standard"])
def test_what_its_client_leaves_at_its_default_changes_nothing(
    send: Send, submitted: list[dict[str, Any]], algorithm: str | None
) -> None:
    stored_archive("maras-own")
    body = request_definitions.InformationRequest(
        **ASKED,
        include_source_metadata=False,
        resource_names=[],
        responder_model_params={},
        responder_prompt="",
        responder_use_source_metadata=False,
        summarization_algorithm=algorithm,
    )
    unsent = {each.name: None for each in fields(body)} | ASKED  # an older client sends what was not given as null
    for told in (body.to_dict(), unsent):
        assert send("POST", body.path, told).status == 202
    plain = {"archives": ["maras-own"], "question": "What is stored?", "goal": "Summarize the contents"}
    assert [each["request"] for each in submitted] == [plain, plain]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"responder_model_id": "anthropic.claude-v9"}, "responder_model_id"),
        ({"summarization_model_id": "claude"}, "summarization_model_id"),
        ({"responder_prompt": "Rhyme."}, "responder_prompt"),
        ({"summarization_prompt": "Rhyme."}, "summarization_prompt"),
        ({"summarization_algorithm": "REFINE"}, "summarization_algorithm"),
        ({"responder_model_params": {"temperature": 1}}, "responder_model_params"),
        ({"summarization_model_params": {"top_k": 5}}, "summarization_model_params"),
        ({"resource_names": [ENTRY, "orn::archive::maras-own"]}, "resource_names.1"),
    ],
)
def test_what_one_request_cant_choose_is_refused_by_name(
    send: Send, submitted: list[dict[str, Any]], more: dict[str, Any], field: str
) -> None:
    stored_archive("maras-own")
    told = send("POST", "/request_information", ASKED | more)
    assert (told.status, told.json["code"], told.json["errors"][0]["field"]) == (422, "FIELDS_INVALID", field)
    assert submitted == []


def test_its_answer_becomes_an_entry_where_the_caller_may_write(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    stored_archive("theirs", "jwt:other", read=[MARA])
    told = ASKED | {"destination_archive_id": "maras-own", "responder_use_source_metadata": True}
    assert send("POST", "/request_information", told).status == 202
    assert submitted[0]["request"]["destination_archive"] == "maras-own"
    assert send("POST", "/request_information", told | {"destination_archive_id": "theirs"}).status == 403


def test_a_request_is_described_under_either_name_of_its_id(send: Send, submitted: list[dict[str, Any]]) -> None:
    stored_archive("maras-own")
    assert send("POST", "/request_information", ASKED).status == 202
    for name in ("request_id", "lake_request_id"):
        assert send("POST", "/describe_lake_request", {name: "answer-1"}).json["request_id"] == "answer-1"
    assert send("POST", "/describe_lake_request", {}).json["errors"][0]["field"] == "request_id"


def test_retrieval_requests_are_requests_by_their_earlier_name() -> None:
    one: dict[str, Any] = {"archive_id": "one", "request_type": "VECTOR", "query_string": "tides", "max_entries": 5}
    told = rpc.RequestInformation.model_validate({"goal": "Plan", "retrieval_requests": [one]})
    expected = {"archives": ["one"], "question": "tides", "goal": "Plan", "mode": "EXCLUSIVE", "evidence_limit": 5}
    assert rpc.request_of(told) == expected
    both = rpc.RequestInformation.model_validate({"goal": "Plan", "retrieval_requests": [one], "requests": [one]})
    with pytest.raises(InvalidFields):
        rpc.request_of(both)


def test_its_client_has_the_fields_that_the_api_takes() -> None:
    assert {each.name for each in fields(request_definitions.InformationRequest)} == set(
        rpc.RequestInformation.model_fields
    )


def test_the_later_form_asks_all_its_archives_at_once() -> None:
    told = rpc.RequestInformation.model_validate(
        {
            "goal": "Plan the week",
            "requests": [
                {"archive_id": "one", "evaluation_type": "EXCLUSIVE", "max_entries": 5, "query_string": "tides"},
                {"archive_id": "two", "evaluation_type": "INCLUSIVE", "prioritize_tags": ["boats"], "max_entries": 7},
            ],
        }
    )
    assert rpc.request_of(told) == {
        "archives": ["one", "two"], "question": "tides", "goal": "Plan the week", "mode": "EXCLUSIVE",
        "tags": ["boats"], "evidence_limit": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("instructions", "tags"),
    [("harbour, boats; boats\nlocks", ["harbour", "boats", "locks"]), ("", []), ("x" * 65, []), ("a<b>c", ["a b c"])],
)
def test_hints_for_tags_are_what_stands_between_commas(instructions: str, tags: list[str]) -> None:
    assert rpc.tags_of(instructions) == tags
