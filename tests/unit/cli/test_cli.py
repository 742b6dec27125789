"""The command line: what it prints, and how it exits."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest
from click.testing import CliRunner, Result
from wire import Reply, Wire, any_archive, problem, reply

from omnilake import cli
from omnilake.answering.comparison import AnswerDiff, compare, content_hash
from omnilake.cli import connection
from omnilake.cli.upload import expanded, files_below
from omnilake.client.uploading import Upload
from omnilake.models import (
    Answer,
    AnswerClaim,
    AnswerStatus,
    Budget,
    ChunkingConfig,
    Citation,
    Coverage,
    Degradation,
    ErrorRecord,
    InformationRequest,
    Job,
    JobKind,
    JobStatus,
    LedgerLine,
    NearestEvidence,
    WrittenBack,
)

MOMENT = "2026-01-01T00:00:00.000Z"
ANSWER = JobKind.ANSWER_REQUEST


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, arguments, terminal_width=200)


class Lake:
    """The API of one answer: keeps what is asked, answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.job_given = any_job()
        self.answer_given = any_answer(AnswerStatus.ANSWERED)
        self.earlier = self.answer_given
        self.refusal: httpx2.Response | None = None
        routes: dict[str, Reply] = {
            "POST /v1/requests": self._submit,
            "POST /v1/requests/answer-1/replay": lambda _: self._started(("replay", "answer-1", {})),
            "POST /v1/requests/answer-1/fork": lambda told: self._started(
                ("fork", "answer-1", json.loads(told.content)["changes"])
            ),
            "GET /v1/jobs/answer-docs-1": lambda _: reply(self.job_given.model_dump(mode="json")),
            "GET /v1/answers/answer-docs-1": lambda _: reply(self.answer_given.model_dump(mode="json")),
            "GET /v1/answers/answer-1": lambda _: reply(self.earlier.model_dump(mode="json")),
            "GET /v1/answers/answer-docs-1/prompt": reply({"system": "Answer.", "user": "How long?"}),
            "GET /v1/answers/answer-1/diff/answer-docs-1": self._diff,
            "GET /v1/answers/answer-1/diff/answer-2": self._diff,
        }
        self.wire = Wire(routes=routes)

    def _submit(self, request: httpx2.Request) -> httpx2.Response:
        if self.refusal is not None:
            return self.refusal
        told = json.loads(request.content)
        key = request.headers["idempotency-key"]
        named = {"key": key} if len(key) < 36 else {}  # one that was made is a UUID
        return self._started((" ".join(told.pop("archives")), told.pop("question"), told | named))

    def _started(self, asked: tuple[str, str, dict[str, Any]]) -> httpx2.Response:
        self.asked.append(asked)
        return reply({"job_id": "answer-docs-1"}, 202)

    def _diff(self, request: httpx2.Request) -> httpx2.Response:
        return reply(compare(self.earlier, self.answer_given).model_dump(mode="json"))


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
def deployment(monkeypatch: pytest.MonkeyPatch) -> Lake:
    made = Lake()
    monkeypatch.setattr(connection, "connect", lambda stack: made.wire.client())
    monkeypatch.setenv("COLUMNS", "200")
    return made


FAILED = any_job(JobStatus.FAILED, ErrorRecord(code="QUESTION_EMPTY", message="It has no word.", action="Ask [x]."))


class TestAsk:
    def test_json_is_the_whole_answer(self, deployment: Lake) -> None:
        result = run("ask", "docs", "How long?", "--json")
        assert result.exit_code == 0
        assert Answer.model_validate_json(result.output) == deployment.answer_given
        assert deployment.asked == [("docs", "How long?", {})]

    def test_options_are_handed_on(self, deployment: Lake) -> None:
        assert run("ask", "docs", "Why?", "--goal", "g", "--evidence", "5", "--claims", "2", "--json").exit_code == 0
        assert deployment.asked[0][2] == {"goal": "g", "evidence_limit": 5, "max_claims": 2}

    @pytest.mark.parametrize(
        ("options", "asked"),
        [
            (["--mode", "inclusive", "--tag", "tide", "--tag", "sea"], {"mode": "INCLUSIVE", "tags": ["tide", "sea"]}),
            (["--related", "answer-1"], {"mode": "RELATED", "related_to": "answer-1"}),
            (["--business", "b1", "--region", "eu"], {"tenant": {"business_id": "b1", "region": "eu"}}),
            (["--model", "map=small", "--model", "judge=j"], {"providers": {"map": "small", "judge": "j"}}),
            (["--max-cost", "0", "--max-tokens", "9000"], {"max_cost": 0, "max_tokens": 9000}),
            (["--as-of", "2026-01-01", "--style", "steps"], {"as_of": "2026-01-01", "style": "steps"}),
            (
                ["--retriever", "recent", "--to", "answers"],
                {"retrievers": ["recent"], "destination_archive": "answers"},
            ),
            (["--key", "k"], {"key": "k"}),
            (["--prompt-only"], {"deliver": "prompt"}),
            (["--quote"], {"deliver": "quote"}),
        ],
    )
    def test_each_option_is_a_field_of_the_request(
        self, deployment: Lake, options: list[str], asked: dict[str, Any]
    ) -> None:
        assert run("ask", "docs", "Why?", *options).exit_code == 0
        assert deployment.asked == [("docs", "Why?", asked)]
        InformationRequest.model_validate(
            {"archives": ["docs"], "question": "Why?"} | {name: asked[name] for name in set(asked) - {"key"}}
        )

    def test_several_archives_are_asked_at_once(self, deployment: Lake) -> None:
        assert run("ask", "docs", "Why?", "--also", "mails", "--also", "notes").exit_code == 0
        assert deployment.asked[0][0] == "docs mails notes"

    @pytest.mark.parametrize(
        ("told", "field", "operator", "value"),
        [
            ("title=Tides", "title", "eq", "Tides"),
            ("received_at:ge=2026-01-01", "received_at", "ge", "2026-01-01"),
            ("metadata.year=2026", "metadata.year", "eq", "2026"),
            ("metadata.a:b:ne=c", "metadata.a", "", ""),
            ("page:in=1, 2", "page", "in", [1, 2]),
            ("tag:in=a,b", "tag", "in", ["a", "b"]),
            ("time:lt=7.5", "time", "lt", 7.5),
            ("column.price:gt=12", "column.price", "gt", 12),
            ("column.name=12 a", "column.name", "eq", "12 a"),
            ("source:prefix=s3://x/?a=b", "source", "prefix", "s3://x/?a=b"),
        ],
    )
    def test_a_filter_is_field_operator_and_value(
        self, deployment: Lake, told: str, field: str, operator: str, value: Any
    ) -> None:
        result = run("ask", "docs", "Why?", "--filter", told)
        if not operator:
            assert result.exit_code == 2
            return
        assert deployment.asked[0][2] == {"filters": [{"field": field, "operator": operator, "value": value}]}

    def test_an_answer_can_be_shown_again_by_its_job(self, deployment: Lake) -> None:
        shown, asked = run("answer", "answer-docs-1"), run("ask", "docs", "Why?")
        assert (shown.exit_code, shown.output) == (0, asked.output)
        told = json.loads(run("answer", "answer-docs-1", "--json").output)
        assert told["job_id"] == deployment.answer_given.job_id
        deployment.answer_given = any_answer(AnswerStatus.ABSTAINED)
        assert run("answer", "answer-docs-1").exit_code == 3

    def test_ctrl_c_says_how_to_come_back_to_the_job(self, deployment: Lake) -> None:
        def interrupted(_: httpx2.Request) -> httpx2.Response:
            raise KeyboardInterrupt

        deployment.wire.routes["GET /v1/jobs/answer-docs-1"] = interrupted
        assert "The job goes on. Come back to it: omnilake answer answer-docs-1\n" in run("ask", "docs", "Why?").output

    def test_a_prompt_is_printed_as_it_is(self, deployment: Lake) -> None:
        deployment.answer_given = any_answer(AnswerStatus.PROMPT)
        result = run("ask", "docs", "Why?", "--prompt-only")
        assert (result.exit_code, result.output) == (0, "Answer.\n\nHow long?\n")
        result = run("ask", "docs", "Why?", "--prompt-only", "--json")
        assert json.loads(result.output) == {"system": "Answer.", "user": "How long?"}

    def test_a_quote_says_what_the_answer_would_take(self, deployment: Lake) -> None:
        budget = Budget(
            calls=12, input_tokens=90_000, output_tokens=4_000, cost_usd=0.25, seconds=8.4, chunks=900, groups=11
        )
        deployment.answer_given = any_answer(AnswerStatus.QUOTED).model_copy(update={"budget": budget})
        result = run("ask", "docs", "Why?", "--quote")
        assert result.exit_code == 0
        told = "12 calls, 90,000 tokens in, 4,000 out, $0.2500, about 8 s; 900 chunks in 11 groups"
        assert told in result.output

    def test_a_person_sees_what_was_done_worse_and_where_it_was_written_to(self, deployment: Lake) -> None:
        answer = deployment.answer_given
        degraded = [Degradation(step="map", to="small", reason="budget")]
        claims = [claim.model_copy(update={"conflict": "length"}) for claim in answer.claims * 2]
        deployment.answer_given = answer.model_copy(
            update={
                "claims": claims,
                "coverage": answer.coverage.model_copy(update={"degraded": degraded, "groups_remembered": 3}),
                "written_back": WrittenBack(archive_id="answers", entry_id="e9", job_id="collect-1"),
                "citations": [answer.citations[0].model_copy(update={"url": "s3://landing/a.pdf#page=4"})],
            }
        )
        shown = run("ask", "docs", "Why?").output
        for told in (
            "The sources contradict one another: length",
            "degraded: map → small (budget)",
            "(3 remembered)",
            "written to answers: entry e9, job collect-1",
            "s3://landing/a.pdf#page=4",
        ):
            assert told in shown

    @pytest.mark.parametrize(
        "options",
        [
            ["--evidence", "0"],
            ["--evidence", "10001"],
            ["--claims", "51"],
            ["--other"],
            ["--filter", "title"],
            ["--filter", "=a"],
            ["--filter", "page:above=3"],
            ["--model", "map"],
            ["--model", "dream=large"],
            ["--max-cost", "-1"],
            ["--prompt-only", "--quote"],
        ],
    )
    def test_wrong_options_are_wrong_usage(self, deployment: Lake, options: list[str]) -> None:
        assert run("ask", "docs", "Why?", *options).exit_code == 2
        assert deployment.asked == []

    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_an_abstention_exits_with_3(self, deployment: Lake, options: list[str]) -> None:
        deployment.answer_given = any_answer(AnswerStatus.ABSTAINED)
        result = run("ask", "docs", "How long?", *options)
        assert result.exit_code == 3
        assert "Nothing comes near the question." in result.output
        assert "0.31" in result.output

    def test_a_failed_job_is_its_record_in_json_and_exits_with_1(self, deployment: Lake) -> None:
        deployment.job_given = FAILED
        result = run("ask", "docs", "How long?", "--json")
        assert result.exit_code == 1
        assert json.loads(result.output)["error"]["code"] == "QUESTION_EMPTY"

    def test_a_failed_job_is_told_with_what_to_do_and_exits_with_1(self, deployment: Lake) -> None:
        deployment.job_given = FAILED
        result = run("ask", "docs", "How long?")
        assert result.exit_code == 1
        assert "QUESTION_EMPTY: It has no word. Ask [x]." in result.output
        assert "answer-docs-1" in result.output

    def test_a_person_sees_claims_citations_coverage_and_cost(self, deployment: Lake) -> None:
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

    def test_each_state_that_is_left_is_a_line_on_the_terminals_error_output(
        self, deployment: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        at = MOMENT.replace("00.000Z", "0{}.000Z")
        entered = {"Plan Retrieval": at.format(1), "Retrieve": at.format(3)}
        deployment.job_given = any_job().model_copy(update={"entered": entered, "ended_at": at.format(7)})
        result = run("ask", "docs", "How long?", "--json")
        assert re.findall(r"(\d\.\d\d) s {2}([A-Z][a-z]+(?: [A-Z][a-z]+)?)", click.unstyle(result.stderr)) == [
            ("2.00", "Plan Retrieval"),
            ("4.00", "Retrieve"),
        ]
        assert Answer.model_validate_json(result.stdout) == deployment.answer_given

    def test_a_refusal_is_told_without_a_stack_trace(
        self, deployment: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        deployment.refusal = problem(404, "ARCHIVE_NOT_FOUND", "There is no archive of that id.")
        monkeypatch.setattr(sys, "argv", ["omnilake", "ask", "docs", "How long?", "--json"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        assert capsys.readouterr().err.startswith("ARCHIVE_NOT_FOUND: There is no archive of that id.")

    @pytest.mark.parametrize(("status", "code"), [(AnswerStatus.ANSWERED, None), (AnswerStatus.ABSTAINED, 3)])
    def test_the_program_exits_with_the_commands_code(
        self, deployment: Lake, monkeypatch: pytest.MonkeyPatch, status: AnswerStatus, code: int | None
    ) -> None:
        deployment.answer_given = any_answer(status)
        monkeypatch.setattr(sys, "argv", ["omnilake", "ask", "docs", "How long?", "--json"])
        ended: int | str | None = None
        try:
            cli.main()
        except SystemExit as end:
            ended = end.code
        assert ended == code


class TestReplay:
    @pytest.fixture(autouse=True)
    def _said(self, deployment: Lake) -> None:
        said = any_answer(AnswerStatus.ANSWERED)
        deployment.earlier = deployment.answer_given = said.model_copy(update={"content_hash": content_hash(said)})

    def test_the_same_answer_is_identical(self, deployment: Lake) -> None:
        result = run("replay", "answer-1")
        assert result.exit_code == 0
        assert f"identical to answer-1: sha256 {deployment.earlier.content_hash}" in result.output
        assert deployment.asked == [("replay", "answer-1", {})]

    def test_another_answer_is_told_and_exits_with_1(self, deployment: Lake) -> None:
        deployment.answer_given = deployment.earlier.model_copy(update={"content_hash": "0" * 64})
        result = run("replay", "answer-1")
        assert result.exit_code == 1
        assert f"differs from answer-1: sha256 {'0' * 64}, was {deployment.earlier.content_hash}" in result.output

    def test_with_a_model_or_a_date_it_forks_and_shows_the_difference(self, deployment: Lake) -> None:
        deployment.answer_given = any_answer(AnswerStatus.ABSTAINED)
        result = run("replay", "answer-1", "--model", "compose=large", "--as-of", "2026-01-01")
        assert result.exit_code == 0
        assert deployment.asked == [("fork", "answer-1", {"providers": {"compose": "large"}, "as_of": "2026-01-01"})]
        assert "- It lasts ninety seconds." in result.output
        assert "status: ANSWERED → ABSTAINED" in result.output

    def test_a_replay_that_fails_says_why(self, deployment: Lake) -> None:
        deployment.job_given = FAILED
        assert run("replay", "answer-1").exit_code == 1

    def test_two_answers_are_compared(self, deployment: Lake) -> None:
        shown = run("diff", "answer-1", "answer-2")
        assert shown.exit_code == 0
        assert "0 added, 0 removed, 0 changed, 1 unchanged; they say the same, byte for byte" in shown.output
        told = run("diff", "answer-1", "answer-2", "--json")
        assert AnswerDiff.model_validate_json(told.output).identical


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


def test_globs_are_expanded_and_what_matches_nothing_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.md", "a/1.md", "a/2.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    monkeypatch.chdir(tmp_path)
    assert expanded(["**/*.md", "b.md"]) == [Path("a/1.md"), Path("b.md")]
    assert expanded([f"{tmp_path}/a/*"]) == [tmp_path / "a" / "1.md", tmp_path / "a" / "2.txt"]
    with pytest.raises(click.BadParameter):
        expanded(["*.pdf"])


class TestArchives:
    @pytest.fixture
    def defined(self, wire: Wire) -> list[dict[str, Any]]:
        """What archives were created with."""
        defined: list[dict[str, Any]] = []

        def create(request: httpx2.Request) -> httpx2.Response:
            defined.append({name: value for name, value in json.loads(request.content).items() if value != ""})
            return reply(any_archive("docs", store_id="s-1"), 201)

        wire.routes["POST /v1/archives"] = create
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
