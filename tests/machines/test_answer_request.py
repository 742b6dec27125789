"""``answer_request`` and ``compact_evidence`` under faults: an answer says what it lacks, a failure why and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from embedded_cloud import Cloud, entered, payloads
from machines import faults
from machines.conftest import FACT

from omnilake import aws, layout
from omnilake.configuration import product
from omnilake.models import AnswerStatus, Job

QUESTION = "From which pier does the night ferry to Selmere leave?"
RETRIEVERS = {"full_text": "RetrieveFullTextFunction", "vector": "RetrieveVectorFunction"}
LAMPS = "How is the lamp of a lighthouse kept?"


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """An archive that answers the question."""
    archive_id = cloud.archive()
    cloud.ingest(archive_id, {"timetable.txt": FACT})
    return archive_id


@pytest.fixture(scope="module")
def large_archive(cloud: Cloud) -> str:
    """An archive with more evidence than one context holds."""
    archive_id = cloud.archive()
    assert {each["status"] for each in cloud.ingest(archive_id, dict(lighthouses())).values()} == {"COMPLETED"}
    return archive_id


def lighthouses() -> dict[str, str]:
    """Pages about lamps, by the names of their documents."""
    words = ("bright", "faint", "green", "steady", "amber", "white")
    return {
        f"{page}.md": f"# Lighthouse {page}\n\n" + "\n\n".join(_note(page, part, words[part]) for part in range(6))
        for page in range(20)
    }


def _note(page: int, part: int, word: str) -> str:
    return (
        f"The lamp of lighthouse {page} is kept {word} by its keeper, who cleans its lens with spirit number "
        f"{page * 7 + part} and a {word} cloth at the hour of {part + 3}, trims the wick by {page + part} millimetres, "
        f"fills the lamp with {page * 3 + part} litres of oil from the {word} store, and writes all of "
        f"it into the {word} book of lamp {page}-{part} before the boat of the harbour master comes for inspection."
    )


@contextmanager
def small_context(tokens: int) -> Iterator[None]:
    """Answers are made with a context of so many tokens; no claims are remembered."""
    usual = product("extractive")
    small = usual.models["extractive"].model_copy(update={"context_tokens": tokens})
    changed = usual.model_copy(update={"models": {**usual.models, "extractive": small}, "memo_days": 0})
    aws.lake().write_model(layout.ANSWERING, changed)
    try:
        yield
    finally:
        aws.lake().delete(layout.ANSWERING)


def nested(cloud: Cloud, job: Job) -> dict[str, Any]:
    """The compaction that a request's execution started."""
    told = payloads(cloud.history(job.execution_arn))
    (found,) = [
        each
        for each in cloud.executions("CompactEvidenceMachine")
        if any(each["executionArn"] in text for text in told)
    ]
    return found


@pytest.mark.parametrize("broken", RETRIEVERS)
def test_a_retriever_that_fails_is_named_and_the_other_answers(cloud: Cloud, archive: str, broken: str) -> None:
    with faults.denied(cloud, RETRIEVERS[broken], "dynamodb:GetItem"):
        job, answer = cloud.ask(archive, QUESTION)

    (other,) = set(RETRIEVERS) - {broken}
    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.retrievers == {broken: "CLIENT_ERROR", other: "ok"}
    assert "Retriever Failed" in entered(cloud.history(job.execution_arn))
    assert cloud.misquotes(answer) == []


def test_a_request_fails_when_every_retriever_does(cloud: Cloud, archive: str) -> None:
    with faults.all_denied(cloud, [*RETRIEVERS.values()], "dynamodb:GetItem"):
        job = cloud.failed_request(archive, QUESTION)

    assert job.error is not None
    assert (job.error.code, job.state) == ("STAGE_FAILED", "Fuse Evidence")
    assert all(name in job.error.message for name in RETRIEVERS)
    execution = cloud.execution_of(job)
    assert (execution["error"], execution["cause"]) == ("RequestFailed", "STAGE_FAILED")


@pytest.mark.parametrize(
    ("state", "function"),
    [
        ("Plan Retrieval", "PlanRetrievalFunction"),
        ("Fuse Evidence", "FuseEvidenceFunction"),
        ("Compose Answer", "ComposeAnswerFunction"),
        ("Verify Claims", "VerifyClaimsFunction"),
        ("Publish Answer", "PublishAnswerFunction"),
    ],
)
def test_a_state_that_fails_for_good_fails_the_request_and_keeps_it(
    cloud: Cloud, archive: str, state: str, function: str
) -> None:
    with faults.denied(cloud, function, "s3:PutObject"):
        job = cloud.failed_request(archive, QUESTION)

    assert job.error is not None
    assert (job.error.code, job.state) == ("ACCESS_DENIED", state)
    kept = json.loads(aws.lake().read(layout.failed_request(job.job_id)))
    assert json.loads(kept["request"])["question"] == QUESTION
    cloud.execution_of(job)  # the job is closed before its execution ends
    assert entered(cloud.history(job.execution_arn))[-2:] == ["Record Failure", "Request Failed"]


def test_a_killed_process_costs_an_answer_nothing_but_time(cloud: Cloud, archive: str) -> None:
    with faults.hanging(cloud, "FuseEvidenceFunction"):
        job_id = cloud.deployment.submit(archive, QUESTION)
        cloud.in_state(lambda: [cloud.deployment.job(job_id)], "Fuse Evidence")
        assert faults.kill(cloud, "FuseEvidenceFunction")
        job = cloud.deployment.wait(job_id)

    assert cloud.deployment.answer(job).status is AnswerStatus.ANSWERED
    failed = [event for event in cloud.history(job.execution_arn) if event["type"] == "TaskFailed"]
    assert [event["taskFailedEventDetails"]["error"] for event in failed] == ["Runtime.ExitError"]


def test_quotes_that_no_longer_stand_are_removed_and_nothing_is_answered_from_them(cloud: Cloud) -> None:
    archive_id = cloud.archive()
    entry = cloud.ingest(archive_id, {"timetable.txt": FACT})["timetable.txt"]
    aws.lake().write(layout.entry_text(entry["entry_id"], entry["version"]), FACT.replace("seven", "eight").encode())
    _, answer = cloud.ask(archive_id, QUESTION)

    assert answer.status is AnswerStatus.ABSTAINED
    assert (answer.claims, answer.coverage.claims_removed) == ([], {"quote_not_found": 1})


def test_claims_beyond_one_context_are_merged_in_further_rounds(cloud: Cloud, large_archive: str) -> None:
    with small_context(1_000):
        job, answer = cloud.ask(large_archive, LAMPS, evidence_limit=240, max_claims=12)
    history = cloud.history(nested(cloud, job)["executionArn"])

    assert entered(history).count("Summarise Groups") > 1
    assert entered(history).count("Plan Round") == entered(history).count("Summarise Groups") + 1
    assert answer.coverage.groups == entered(history).count("Summarise Group")
    assert answer.coverage.groups_failed == 0
    assert cloud.misquotes(answer) == []


def test_a_group_that_fails_is_counted_with_its_chunks_and_the_others_answer(cloud: Cloud, large_archive: str) -> None:
    node = f"arn:aws:s3:::{cloud.outputs['LakeBucket']}/answers/*/compaction/1/00002.json"
    with faults.denied(cloud, "SummariseGroupFunction", "s3:PutObject", resources=[node]):
        job, answer = cloud.ask(large_archive, LAMPS, evidence_limit=240, max_claims=12)

    assert answer.status is AnswerStatus.ANSWERED
    assert answer.coverage.groups_failed == 1
    assert any(count > 0 for reason, count in answer.coverage.chunks_dropped.items() if "group" in reason)
    assert entered(cloud.history(nested(cloud, job)["executionArn"])).count("Group Failed") == 1
    assert cloud.misquotes(answer) == []


@pytest.mark.parametrize(
    ("function", "code"), [("SummariseGroupFunction", "STAGE_FAILED"), ("PlanRoundFunction", "ACCESS_DENIED")]
)
def test_a_compaction_that_fails_fails_its_request_with_the_innermost_code(
    cloud: Cloud, large_archive: str, function: str, code: str
) -> None:
    with faults.denied(cloud, function, "s3:PutObject"):
        job = cloud.failed_request(large_archive, LAMPS, evidence_limit=240)

    assert job.error is not None
    assert (job.error.code, job.state) == (code, "Compact Evidence")
    child = cloud.execution_of(job.model_copy(update={"execution_arn": nested(cloud, job)["executionArn"]}))
    assert (child["status"], child["error"]) == ("FAILED", "CompactionFailed")
    assert cloud.execution_of(job)["cause"] == code
