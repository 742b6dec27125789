"""The command line: what it prints, and how it exits."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from any_deployment import any_deployment
from any_ingest import any_space
from click.testing import CliRunner, Result

from omnilake import cli, jobs
from omnilake.cli.upload import files_below
from omnilake.client.deployment import Upload
from omnilake.errors import ArchiveNotFound, OmniLakeError
from omnilake.models import (
    Answer,
    AnswerClaim,
    AnswerStatus,
    Archive,
    ChunkingConfig,
    Citation,
    Coverage,
    ErrorRecord,
    Job,
    JobKind,
    JobStatus,
    LedgerLine,
    NearestEvidence,
)

MOMENT = "2026-01-01T00:00:00.000Z"
INGEST, ANSWER = JobKind.INGEST_DOCUMENT, JobKind.ANSWER_REQUEST


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, arguments, terminal_width=200)


class TestJobs:
    @pytest.fixture(autouse=True)
    def _records(self, stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
        any_deployment("mine")
        for minute, (job_id, kind) in enumerate([("ingest-1", INGEST), ("answer-1", ANSWER), ("answer-2", ANSWER)]):
            monkeypatch.setattr(jobs, "now", lambda minute=minute: MOMENT.replace("00:00:00", f"00:{minute:02d}:00"))
            jobs.create(job_id, kind, "docs")
        jobs.enter("answer-2", ANSWER, "Retrieve")
        jobs.fail("answer-1", ANSWER, "Plan Retrieval", ErrorRecord(code="QUESTION_EMPTY", message="m"))

    def test_are_listed_newest_first_with_state_and_error(self) -> None:
        listed = run("--stack", "mine", "jobs", "ls")
        assert listed.exit_code == 0
        assert [line.split() for line in listed.output.splitlines()] == [
            ["2026-01-01T00:02:00.000Z", "RUNNING", "answer-2", "Retrieve"],
            ["2026-01-01T00:01:00.000Z", "FAILED", "answer-1", "Plan", "Retrieval", "QUESTION_EMPTY"],
            ["2026-01-01T00:00:00.000Z", "PENDING", "ingest-1"],
        ]

    @pytest.mark.parametrize(
        ("options", "listed"),
        [
            (["--kind", "ingest_document"], ["ingest-1"]),
            (["--status", "FAILED"], ["answer-1"]),
            (["--kind", "ingest_document", "--status", "FAILED"], []),
            (["--limit", "1", "--kind", "answer_request"], ["answer-2", "answer-1"]),
        ],
    )
    def test_can_be_narrowed_down(self, options: list[str], listed: list[str]) -> None:
        result = run("--stack", "mine", "jobs", "ls", *options)
        assert result.exit_code == 0
        assert [line.split()[2] for line in result.output.splitlines()] == listed

    @pytest.mark.parametrize("options", [["--kind", "other"], ["--status", "DONE"], ["--limit", "0"]])
    def test_wrong_options_are_wrong_usage(self, options: list[str]) -> None:
        assert run("--stack", "mine", "jobs", "ls", *options).exit_code == 2

    def test_one_is_shown_as_json(self) -> None:
        shown = run("--stack", "mine", "jobs", "show", "answer-1")
        assert shown.exit_code == 0
        assert Job.model_validate_json(shown.output) == jobs.get("answer-1")

    def test_the_stack_may_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMNILAKE_STACK", "mine")
        assert run("jobs", "ls").exit_code == 0

    @pytest.mark.parametrize(
        ("stack_name", "told"), [("mine", "JOB_NOT_FOUND: There is no job none."), ("other", "STAGE_FAILED: ")]
    )
    def test_what_is_not_there_is_told_without_a_stack_trace(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stack_name: str, told: str
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["omnilake", "--stack", stack_name, "jobs", "show", "none"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        shown = capsys.readouterr()
        assert shown.err.startswith(told)
        assert "Traceback" not in shown.err
        assert shown.out == ""


class FakeDeployment:
    """Answers what it is told to, and keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.job_given = any_job()
        self.answer_given = any_answer(AnswerStatus.ANSWERED)
        self.refusal: OmniLakeError | None = None

    def submit(self, archive_id: str, question: str, **options: Any) -> str:
        if self.refusal:
            raise self.refusal
        self.asked.append((archive_id, question, options))
        return self.job_given.job_id

    def wait(self, job_id: str, on_change: Callable[[Job], None] = lambda _: None) -> Job:
        assert job_id == self.job_given.job_id
        on_change(self.job_given)
        return self.job_given

    def answer(self, job: Job) -> Answer:
        assert job is self.job_given
        return self.answer_given


def any_job(status: JobStatus = JobStatus.COMPLETED, error: ErrorRecord | None = None) -> Job:
    return Job(
        job_id="answer-docs-1",
        kind=ANSWER,
        status=status,
        archive_id="docs",
        state="Publish Answer",
        progress={"evidence": 3},
        created_at=MOMENT,
        updated_at=MOMENT,
        error=error,
    )


def any_answer(status: AnswerStatus) -> Answer:
    answered = status is AnswerStatus.ANSWERED
    cited = Citation(
        number=1,
        entry_id="e",
        version="v",
        chunk_id="c",
        source="s3://landing/[draft].vtt",
        title="",
        section="Minutes",
        page=4,
        time_s=75.5,
        start=10,
        end=20,
        quote="It lasts ninety seconds.",
    )
    near = NearestEvidence(source="s3://landing/bread.md", title="", similarity=0.31, text="Bread is baked.")
    return Answer(
        job_id="answer-docs-1",
        archives=["docs"],
        status=status,
        text="It lasts ninety seconds. [1]" if answered else "",
        claims=[AnswerClaim(text="It lasts ninety seconds.", citations=[1], score=1)] if answered else [],
        citations=[cited] if answered else [],
        reasons=[] if answered else ["Nothing comes near the question."],
        nearest=[] if answered else [near],
        coverage=Coverage(retrievers={"vector": "ok"}, chunks_matched=9, chunks_read=3, chunks_dropped={"limit": 6}),
        ledger=[LedgerLine(state="Compose Answer", provider="p", model="m", input_tokens=40, output_tokens=7)],
        cost_usd=0.0125,
        versions={},
        execution_arn="",
        created_at=MOMENT,
    )


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = FakeDeployment()
    monkeypatch.setattr(importlib.import_module("omnilake.cli.ask"), "Deployment", lambda _: made)
    monkeypatch.setenv("COLUMNS", "200")
    return made


FAILED = any_job(JobStatus.FAILED, ErrorRecord(code="QUESTION_EMPTY", message="It has no word.", action="Ask [x]."))


class TestAsk:
    def test_json_is_the_whole_answer(self, deployment: FakeDeployment) -> None:
        result = run("ask", "docs", "How long?", "--json")
        assert result.exit_code == 0
        assert Answer.model_validate_json(result.output) == deployment.answer_given
        assert deployment.asked == [("docs", "How long?", {"goal": "", "evidence_limit": 24, "max_claims": 6})]

    def test_options_are_handed_on(self, deployment: FakeDeployment) -> None:
        assert run("ask", "docs", "Why?", "--goal", "g", "--evidence", "5", "--claims", "2", "--json").exit_code == 0
        assert deployment.asked[0][2] == {"goal": "g", "evidence_limit": 5, "max_claims": 2}

    @pytest.mark.parametrize("options", [["--evidence", "0"], ["--evidence", "1001"], ["--claims", "51"], ["--other"]])
    def test_wrong_options_are_wrong_usage(self, deployment: FakeDeployment, options: list[str]) -> None:
        assert run("ask", "docs", "Why?", *options).exit_code == 2
        assert deployment.asked == []

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_an_abstention_exits_with_3(self, deployment: FakeDeployment, options: list[str]) -> None:
        deployment.answer_given = any_answer(AnswerStatus.ABSTAINED)
        result = run("ask", "docs", "How long?", *options)
        assert result.exit_code == 3
        assert "Nothing comes near the question." in result.output
        assert "0.31" in result.output

    def test_a_failed_job_is_its_record_in_json_and_exits_with_1(self, deployment: FakeDeployment) -> None:
        deployment.job_given = FAILED
        result = run("ask", "docs", "How long?", "--json")
        assert result.exit_code == 1
        assert json.loads(result.output)["error"]["code"] == "QUESTION_EMPTY"

    def test_a_failed_job_is_told_with_what_to_do_and_exits_with_1(self, deployment: FakeDeployment) -> None:
        deployment.job_given = FAILED
        result = run("ask", "docs", "How long?")
        assert result.exit_code == 1
        assert "QUESTION_EMPTY: It has no word. Ask [x]." in result.output
        assert "answer-docs-1" in result.output

    def test_a_person_sees_claims_citations_coverage_and_cost(self, deployment: FakeDeployment) -> None:
        result = run("ask", "docs", "How long?")
        assert result.exit_code == 0
        for shown in (
            "• It lasts ninety seconds. [1]",
            "[1] s3://landing/[draft].vtt, page 4, at 1:15, Minutes, characters 10-20",
            "9 chunks matched, 3 read, dropped: 6 limit; retrievers: vector ok",
            "40 tokens in, 7 out, $0.0125",
            "job: answer-docs-1",
        ):
            assert shown in result.output

    def test_a_refusal_is_told_without_a_stack_trace(
        self, deployment: FakeDeployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        deployment.refusal = ArchiveNotFound("There is no archive of that id.")
        monkeypatch.setattr(sys, "argv", ["omnilake", "ask", "docs", "How long?", "--json"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        assert capsys.readouterr().err.startswith("ARCHIVE_NOT_FOUND: There is no archive of that id.")

    @pytest.mark.parametrize(("status", "code"), [(AnswerStatus.ANSWERED, None), (AnswerStatus.ABSTAINED, 3)])
    def test_the_program_exits_with_the_commands_code(
        self, deployment: FakeDeployment, monkeypatch: pytest.MonkeyPatch, status: AnswerStatus, code: int | None
    ) -> None:
        deployment.answer_given = any_answer(status)
        monkeypatch.setattr(sys, "argv", ["omnilake", "ask", "docs", "How long?", "--json"])
        ended: int | str | None = None
        try:
            cli.main()
        except SystemExit as end:
            ended = end.code
        assert ended == code


def test_files_below_a_folder_are_named_by_their_path_and_hidden_ones_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    for name in ("b.md", "a/1.md", ".hidden", ".git/config", "a/.cache/x"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert files_below(folder) == [
        Upload(folder / "a" / "1.md", "handbook/a/1.md"),
        Upload(folder / "b.md", "handbook/b.md"),
    ]
    assert files_below(folder / "b.md") == [Upload(folder / "b.md", "b.md")]


class TestArchives:
    @pytest.fixture
    def defined(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What archives were created with."""
        defined: list[dict[str, Any]] = []

        class Creating:
            def __init__(self, stack: str) -> None:
                self.stack = stack

            def create_archive(self, archive_id: str, **definition: Any) -> Archive:
                defined.append({"archive_id": archive_id, **definition})
                return Archive(archive_id=archive_id, space=any_space(), store_id="s-1", created_at=MOMENT)

        monkeypatch.setattr(importlib.import_module("omnilake.cli.archive"), "Deployment", Creating)
        return defined

    def test_are_created_with_defaults_of_the_product(self, defined: list[dict[str, Any]]) -> None:
        result = run("archive", "create", "docs")
        assert result.output.startswith("docs  store s-1  space ")
        assert defined == [{"archive_id": "docs"}]

    def test_are_created_with_the_chunking_that_options_ask_for(self, defined: list[dict[str, Any]]) -> None:
        sizes = ["--max-tokens", "128", "--overlap", "16", "--parent-tokens", "800", "--gap-minutes", "30"]
        run("archive", "create", "docs", "--chunking", "fixed", *sizes, "--no-contextual-headers")
        chunking = {
            "kind": "fixed", "max_tokens": 128, "overlap_tokens": 16, "parent_tokens": 800, "gap_minutes": 30,
            "contextual_headers": False,
        }  # fmt: skip
        assert defined == [{"archive_id": "docs", "chunking": chunking}]
        ChunkingConfig.model_validate(chunking)

    def test_are_created_from_a_file_over_which_options_win(
        self, defined: list[dict[str, Any]], tmp_path: Path
    ) -> None:
        told = {"description": "d", "tag_hints": ["tide"], "chunking": {"kind": "rows", "max_tokens": 64}}
        path = tmp_path / "archive.json"
        path.write_text(json.dumps(told))
        run("archive", "create", "docs", "--definition", str(path), "--max-tokens", "32", "--description", "e")
        assert defined == [
            {"archive_id": "docs", **told, "description": "e", "chunking": {"kind": "rows", "max_tokens": 32}}
        ]

    @pytest.mark.parametrize("content", ["[]", "{", '{"chunking": 3}', '{"archive_id": "other"}'])
    def test_a_file_that_is_no_definition_is_wrong_usage(
        self, defined: list[dict[str, Any]], tmp_path: Path, content: str
    ) -> None:
        path = tmp_path / "archive.json"
        path.write_text(content)
        assert run("archive", "create", "docs", "--definition", str(path)).exit_code == 2
        assert run("archive", "create", "docs", "--chunking", "semantic").exit_code == 2
        assert defined == []
