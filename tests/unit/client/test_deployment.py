"""A deployed stack as an application uses it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from any_answered import answer
from any_deployment import any_deployment
from any_ingest import LANDING, any_space

from omnilake import aws, clock, jobs, layout
from omnilake.client.deployment import Deployment
from omnilake.client.uploading import Upload
from omnilake.configuration import product
from omnilake.errors import ArchiveExists, InvalidRequest, JobNotFound, OmniLakeError, StageFailed
from omnilake.models import (
    Answer,
    AnswerStatus,
    Archive,
    Coverage,
    ErrorRecord,
    Filter,
    FilterOperator,
    Job,
    JobKind,
    JobStatus,
)

INGEST, ANSWER = JobKind.INGEST_DOCUMENT, JobKind.ANSWER_REQUEST
START = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def deployment(stack: None) -> Deployment:
    return any_deployment()


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the time of day that records are made at, minutes after START."""

    def at(minute: int) -> None:
        monkeypatch.setattr(jobs, "now", lambda: START.replace("00:00:00", f"00:{minute:02d}:00"))

    return at


def while_waiting(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> list[float]:
    """Runs a step at each pause of the client instead of waiting; returns the pauses."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) <= len(steps):
            steps[len(pauses) - 1]()

    monkeypatch.setattr(time, "sleep", sleep)
    return pauses


def ended(
    job_id: str, documents: list[dict[str, Any]], archive_id: str = "docs", error: ErrorRecord | None = None
) -> None:
    jobs.create(job_id, INGEST, archive_id)
    if error is None:
        jobs.complete(job_id, INGEST, "Publish Entries", outcomes=documents)
    else:
        jobs.fail(job_id, INGEST, "Publish Entries", error, outcomes=documents)


class TestOutputs:
    def test_are_those_of_the_stack(self, deployment: Deployment) -> None:
        assert deployment.outputs["LandingBucket"] == LANDING
        assert deployment.outputs["JobsTable"] == "JobsTable"

    @pytest.mark.usefixtures("stack")
    def test_a_stack_that_is_not_there_is_named_with_what_to_do(self) -> None:
        with pytest.raises(StageFailed, match=r"stack nowhere can't be read: ValidationError.*sam deploy"):
            _ = Deployment("nowhere").outputs

    def test_settings_name_every_resource_of_the_deployment(self, deployment: Deployment) -> None:
        made = deployment.settings(job_ttl_days=3)
        assert made.job_ttl_days == 3
        assert (made.landing_bucket, made.lake_bucket) == ("landingbucket", "lakebucket")
        for name in ("archives", "entries", "registrations", "stores", "jobs"):
            assert made.require(f"{name}_table") == f"{name.capitalize()}Table"


class TestUpload:
    def test_files_land_under_their_names_and_are_told(self, deployment: Deployment, tmp_path: Path) -> None:
        uploads = []
        for number in range(12):
            path = tmp_path / f"{number}.md"
            path.write_text(f"# Page {number}")
            uploads.append(Upload(path, f"pages/{number}.md"))
        told: list[Upload] = []
        deployment.upload("docs", uploads, told.append)
        assert sorted(told, key=str) == sorted(uploads, key=str)
        keys = sorted(aws.ObjectStore(LANDING).keys("incoming/"))
        assert keys == sorted(f"incoming/docs/pages/{number}.md" for number in range(12))
        assert aws.ObjectStore(LANDING).read("incoming/docs/pages/7.md") == b"# Page 7"

    def test_a_file_that_is_gone_is_an_error(self, deployment: Deployment, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            deployment.upload("docs", [Upload(tmp_path / "gone.md", "gone.md")])


class TestJobs:
    @pytest.fixture(autouse=True)
    def _records(self, deployment: Deployment, minutes: Callable[[int], None]) -> None:
        for minute in range(4):
            minutes(minute)
            jobs.create(f"ingest-{minute}", INGEST, "docs" if minute % 2 else "wiki")
            jobs.create(f"answer-{minute}", ANSWER, "docs")
        jobs.complete("ingest-0", INGEST, "Publish Entries")

    def test_are_of_each_kind_and_status_the_newest_first(self, deployment: Deployment) -> None:
        found = deployment.jobs(
            [INGEST, ANSWER],
            [JobStatus.PENDING, JobStatus.COMPLETED],
        )
        assert [job.job_id for job in found] == [
            *("ingest-3", "ingest-2", "ingest-1", "ingest-0"),
            *("answer-3", "answer-2", "answer-1", "answer-0"),
        ]

    def test_can_be_those_since_a_time(self, deployment: Deployment) -> None:
        since = START.replace("00:00:00", "00:02:00")
        assert [job.job_id for job in deployment.jobs([ANSWER], [JobStatus.PENDING], since=since)] == [
            "answer-3",
            "answer-2",
        ]

    def test_ingestions_are_those_of_an_archive_in_any_status(self, deployment: Deployment) -> None:
        assert [job.job_id for job in deployment.ingestions("wiki", START)] == ["ingest-2", "ingest-0"]
        assert list(deployment.ingestions("other", START)) == []

    def test_one_is_found_by_its_id(self, deployment: Deployment) -> None:
        assert deployment.job("ingest-0").status is JobStatus.COMPLETED
        with pytest.raises(JobNotFound, match="no job nobody"):
            deployment.job("nobody")


class TestWait:
    def test_returns_the_ended_job_and_asks_less_and_less_often(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs.create("a", ANSWER, "docs")
        pauses = while_waiting(
            monkeypatch,
            lambda: jobs.enter("a", ANSWER, "Plan Retrieval"),
            *[lambda: None] * 10,
            lambda: jobs.complete("a", ANSWER, "Publish Answer", result_key="k"),
        )
        job = deployment.wait("a")
        assert (job.status, job.result_key) == (JobStatus.COMPLETED, "k")
        assert len(pauses) == 12
        assert pauses == sorted(pauses)
        assert max(pauses) == 0.5

    def test_returns_a_job_that_failed(self, deployment: Deployment) -> None:
        jobs.create("a", ANSWER, "docs")
        jobs.fail("a", ANSWER, "Retrieve", ErrorRecord(code="ANY", message="m"))
        assert deployment.wait("a").status is JobStatus.FAILED

    def test_ends_at_its_time_limit(self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
        while_waiting(monkeypatch)
        jobs.create("a", ANSWER, "docs")
        jobs.enter("a", ANSWER, "Retrieve")
        with pytest.raises(TimeoutError, match="Job a is RUNNING in 'Retrieve' after 0 s"):
            deployment.wait("a", timeout_s=0)


class TestFollowIngestion:
    def test_gives_outcomes_as_they_come_in_until_all_are_there(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failed() -> None:
            error = ErrorRecord(code="DOCUMENT_EMPTY", message="m")
            ended("two", [{"name": "b.md", "status": "FAILED", "error": error.model_dump()}], error=error)

        while_waiting(
            monkeypatch,
            lambda: ended(
                "one", [{"name": "a.md", "status": "COMPLETED"}, {"name": "other.md", "status": "COMPLETED"}]
            ),
            lambda: jobs.create("running", INGEST, "docs"),
            failed,
        )
        seen = list(deployment.follow_ingestion("docs", ["a.md", "b.md"], START))
        assert [sorted(outcomes) for outcomes in seen] == [[], ["a.md"], ["a.md"], ["a.md", "b.md"]]
        assert seen[-1]["b.md"]["error"]["code"] == "DOCUMENT_EMPTY"

    def test_does_not_count_earlier_jobs_or_other_archives(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, minutes: Callable[[int], None]
    ) -> None:
        done = [{"name": "a.md", "status": "COMPLETED"}]
        minutes(1)
        ended("earlier", done)
        minutes(5)
        ended("elsewhere", done, archive_id="wiki")
        while_waiting(monkeypatch)
        since = START.replace("00:00:00", "00:03:00")
        with pytest.raises(TimeoutError, match="1 documents have no outcome after 0 s"):
            list(deployment.follow_ingestion("docs", ["a.md"], since, timeout_s=0))

    def test_waits_for_the_execution_that_has_taken_the_object(
        self, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ended("second", [{"name": "a.md", "status": "DUPLICATE"}])
        indexed = {"name": "a.md", "status": "COMPLETED"}
        while_waiting(monkeypatch, lambda: ended("first", [indexed]))
        seen = list(deployment.follow_ingestion("docs", ["a.md"], START))
        assert seen == [{}, {"a.md": indexed}]

    def test_ends_at_once_when_nothing_is_awaited(self, deployment: Deployment) -> None:
        assert list(deployment.follow_ingestion("docs", [], clock.now())) == [{}]


def test_the_answer_of_a_job_is_read_from_the_lake(deployment: Deployment) -> None:
    answer = Answer(
        job_id="a",
        archives=["docs"],
        status=AnswerStatus.ABSTAINED,
        text="",
        claims=[],
        citations=[],
        coverage=Coverage(),
        ledger=[],
        cost_usd=0,
        versions={},
        execution_arn="",
        created_at=START,
    )
    job = Job(
        job_id="a", kind=ANSWER, status=JobStatus.COMPLETED, archive_id="docs", created_at=START, updated_at=START
    )
    aws.lake().write_model(layout.answer_part("a", "answer"), answer)
    aws.lake().write_model("elsewhere.json", answer.model_copy(update={"text": "elsewhere"}))
    assert deployment.answer(job) == answer
    assert deployment.answer(job.model_copy(update={"result_key": "elsewhere.json"})).text == "elsewhere"


class Functions:
    """Lambda: keeps what functions are invoked with, answers what it is told to."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, dict[str, Any]]] = []
        self.result: Any = {}
        self.failed = False

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 (boto3's names)
        self.invoked.append((FunctionName, json.loads(Payload)))
        error = {"FunctionError": "Unhandled"} if self.failed else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(self.result).encode()), **error}


@pytest.fixture
def functions(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Functions:
    double, real = Functions(), aws.client
    monkeypatch.setattr(aws, "client", lambda name: double if name == "lambda" else real(name))
    return double


class TestInvoking:
    def test_an_archive_is_created_by_its_function(self, deployment: Deployment, functions: Functions) -> None:
        made = Archive(archive_id="docs", description="d", space=any_space(), store_id="docs-1", created_at=START)
        functions.result = made.model_dump(mode="json")
        assert deployment.create_archive("docs", "d", embedding_model="openai/text-embedding-3-small") == made
        event = {"archive_id": "docs", "description": "d", "embedding_model": "openai/text-embedding-3-small"}
        assert functions.invoked == [("CreateArchiveFunction", event)]

    def test_a_definition_reaches_the_function_whole(self, deployment: Deployment, functions: Functions) -> None:
        made = Archive(archive_id="docs", space=any_space(), store_id="docs-1", created_at=START, tag_hints=["tide"])
        functions.result = made.model_dump(mode="json")
        assert deployment.create_archive("docs", chunking={"kind": "fixed"}, tag_hints=["tide"]) == made
        event = {"archive_id": "docs", "description": "", "chunking": {"kind": "fixed"}, "tag_hints": ["tide"]}
        assert functions.invoked == [("CreateArchiveFunction", event)]

    def test_a_request_is_submitted_with_its_options(self, deployment: Deployment, functions: Functions) -> None:
        functions.result = {"job_id": "answer-docs-1", "execution_arn": "any"}
        assert deployment.submit("docs", "Why?", goal="g", max_claims=2) == "answer-docs-1"
        request = {"archives": ["docs"], "question": "Why?", "goal": "g", "max_claims": 2}
        assert functions.invoked == [("SubmitRequestFunction", {"request": request})]

    @pytest.mark.parametrize(
        "raised",
        [
            ArchiveExists("It is there."),
            InvalidRequest("The fields are wrong."),
            InvalidRequest("The mode is wrong.", action="Take another one."),
        ],
    )
    def test_an_error_of_the_product_is_raised_here_as_it_was_there(
        self, deployment: Deployment, functions: Functions, raised: OmniLakeError
    ) -> None:
        functions.failed = True
        functions.result = {"errorType": type(raised).__name__, "errorMessage": str(raised), "stackTrace": []}
        with pytest.raises(type(raised)) as here:
            deployment.submit("docs", "Why?")
        assert str(here.value) == str(raised)

    @pytest.mark.parametrize(
        ("result", "told"),
        [
            ({"errorType": "MemoryError", "errorMessage": "It broke."}, "MemoryError"),
            ({"errorMessage": "It broke."}, "an unnamed error"),
        ],
    )
    def test_any_other_error_of_a_function_is_a_failed_stage_without_its_message(
        self, deployment: Deployment, functions: Functions, result: dict[str, Any], told: str
    ) -> None:
        functions.failed, functions.result = True, result
        with pytest.raises(StageFailed, match=f"ended with {told}") as raised:
            deployment.submit("docs", "Why?")
        assert "It broke" not in str(raised.value)

    def test_a_request_is_submitted_once_under_its_key(self, deployment: Deployment, functions: Functions) -> None:
        functions.result = {"job_id": "answer-docs-1", "execution_arn": "any"}
        filters = [Filter(field="page", operator=FilterOperator.GE, value=4)]
        deployment.submit(["docs", "mails"], "Why?", idempotency_key="k", filters=filters)
        ((_, event),) = functions.invoked
        assert event["idempotency_key"] == "k"
        assert event["request"]["archives"] == ["docs", "mails"]
        assert event["request"]["filters"] == [{"field": "page", "operator": "ge", "value": 4}]

    def test_a_replay_asks_the_same_of_what_was_recorded(self, deployment: Deployment, functions: Functions) -> None:
        functions.result = {"job_id": "new", "execution_arn": "any"}
        asked = {"archives": ["docs"], "question": "Why?", "goal": "g"}
        _request("first", asked | {"destination_archive": "answers"})
        _request("second", asked | {"replay_of": "first"})
        assert deployment.replay("first") == deployment.replay("second") == "new"
        again = {"request": asked | {"replay_of": "first"}}
        assert functions.invoked == [("SubmitRequestFunction", again)] * 2

    def test_a_fork_asks_the_same_but_for_what_changes(self, deployment: Deployment, functions: Functions) -> None:
        functions.result = {"job_id": "new", "execution_arn": "any"}
        asked = {"archives": ["docs"], "question": "Why?", "providers": {"map": "small"}}
        _request("first", asked)
        _request("second", asked | {"replay_of": "first"})
        deployment.fork("first", providers={"compose": "large"})
        deployment.fork("second", as_of="2026-01-01")
        assert [event["request"] for _, event in functions.invoked] == [
            asked | {"providers": {"map": "small", "compose": "large"}, "forked_from": "first"},
            asked | {"as_of": "2026-01-01", "forked_from": "first"},
        ]

    def test_what_was_never_asked_can_not_be_asked_again(self, deployment: Deployment, functions: Functions) -> None:
        for again in (deployment.replay, deployment.fork):
            with pytest.raises(JobNotFound):
                again("none")
        assert functions.invoked == []


def _request(job_id: str, request: dict[str, Any]) -> None:
    aws.lake().write(layout.request(job_id), json.dumps(request).encode())


def test_the_prompt_that_was_asked_for_is_read_from_the_lake(deployment: Deployment) -> None:
    aws.lake().write("answers/a/prompt.json", b'{"system": "s"}')
    assert deployment.prompt(answer(prompt_key="answers/a/prompt.json")) == {"system": "s"}


def test_the_configuration_is_shown_and_put_by_its_function(deployment: Deployment, functions: Functions) -> None:
    made = product("extractive")
    told = made.model_dump(mode="json")
    functions.result = {"configuration": told, "hash": made.hash, "in_force": True, "version": "v"}
    assert deployment.configuration().configuration == made
    assert deployment.put_configuration(told).hash == made.hash
    assert functions.invoked == [
        ("ConfigureAnsweringFunction", {"action": "show", "configuration": {}}),
        ("ConfigureAnsweringFunction", {"action": "put", "configuration": told}),
    ]
