"""``omnilake jobs``: what it lists, how it draws a job, and how it exits."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from wire import Wire, any_job, problem, reply

from omnilake import cli
from omnilake.cli.timeline import bar, rows_of
from omnilake.client.types import JobRecord

AT = "2026-01-01T00:00:0{}.000Z"
LEDGER = [
    {"state": "Summarise Groups", "provider": "p", "model": "m", "calls": 3, "input_tokens": 9_000, "cost_usd": 0.02},
    {
        "state": "Compose Answer", "provider": "p", "model": "m",
        "calls": 1, "input_tokens": 400, "output_tokens": 70, "cost_usd": 0.0125,
    },
]  # fmt: skip


def answered(**fields: Any) -> dict[str, Any]:
    entered = {"Plan Retrieval": AT.format(1), "Retrieve": AT.format(2), "Compose Answer": AT.format(6)}
    return any_job(
        "answer-1",
        created_at=AT.format(0),
        ended_at=AT.format(8),
        entered=entered,
        ledger=LEDGER,
        cost_usd=0.0325,
        started_by="iam:arn:aws:iam::1:role/analyst",
        **fields,
    )


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ("jobs", *arguments), terminal_width=200)


class TestList:
    def test_is_a_line_each_with_state_and_error(self, wire: Wire) -> None:
        error = {"code": "QUESTION_EMPTY", "message": "m"}
        jobs = [
            any_job("answer-2", status="RUNNING", state="Retrieve"),
            any_job("answer-1", status="FAILED", error=error),
        ]
        wire.replies.append(reply({"items": jobs, "next_cursor": ""}))
        assert [line.split() for line in run("ls").output.splitlines()] == [
            ["2026-01-01T00:00:00Z", "RUNNING", "answer-2", "Retrieve"],
            ["2026-01-01T00:00:00Z", "FAILED", "answer-1", "QUESTION_EMPTY"],
        ]

    def test_options_narrow_it_down(self, wire: Wire) -> None:
        wire.replies.append(reply({"items": []}))
        options = ["--kind", "ingest_document", "--status", "FAILED", "--archive", "docs", "--since", "2026-01-01"]
        assert run("ls", *options, "--limit", "7").exit_code == 0
        assert dict(wire.calls[0].url.params) == {
            "kind": "ingest_document", "status": "FAILED", "archive_id": "docs", "since": "2026-01-01", "limit": "7",
        }  # fmt: skip

    def test_json_is_one_list(self, wire: Wire) -> None:
        wire.replies.append(reply({"items": [any_job("a"), any_job("b")]}))
        assert [each["job_id"] for each in json.loads(run("ls", "--json").output)] == ["a", "b"]

    @pytest.mark.parametrize("options", [["--kind", "other"], ["--status", "DONE"], ["--limit", "0"]])
    def test_wrong_options_are_wrong_usage(self, wire: Wire, options: list[str]) -> None:
        assert run("ls", *options).exit_code == 2
        assert wire.calls == []


class TestShow:
    def test_draws_states_with_times_tokens_and_money(self, wire: Wire) -> None:
        wire.replies.append(reply(answered()))
        lines = [line.rstrip() for line in run("show", "answer-1").output.splitlines()]
        assert lines[0] == "answer-1  answer_request  COMPLETED"
        assert any(re.fullmatch(r"  by +iam:arn:aws:iam::1:role/analyst", line) for line in lines)
        states = [re.split(r" *━+ *| {2,}", line) for line in lines]
        assert ["Plan Retrieval", "1.00"] in states
        assert ["Retrieve", "4.00"] in states
        assert ["Compose Answer", "2.00", "1", "400", "70", "0.0125"] in states
        assert ["Summarise Groups", "3", "9,000", "0.0200"] in states
        assert ["whole job", "8.00", "4", "9,400", "70", "0.0325"] in states

    def test_bars_stand_where_the_states_were(self, wire: Wire) -> None:
        wire.replies.append(reply(answered()))
        drawn = {line.split("  ")[0]: line for line in run("show", "answer-1").output.splitlines() if "━" in line}
        first, second = drawn["Plan Retrieval"], drawn["Retrieve"]
        assert first.rindex("━") < second.index("━")
        assert second.count("━") == 4 * first.count("━")

    @pytest.mark.parametrize("width", [60, 80, 100, 200])
    def test_figures_are_never_cut_off_and_bars_give_way(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, width: int
    ) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        wire.replies.append(reply(answered()))
        output = run("show", "answer-1").output
        states = [re.split(r" *━+ *| {2,}", line.rstrip()) for line in output.splitlines()]
        assert ["Compose Answer", "2.00", "1", "400", "70", "0.0125"] in states
        assert ["whole job", "8.00", "4", "9,400", "70", "0.0325"] in states
        assert "…" not in output
        assert ("━" in output) is (width > 60)

    def test_says_how_to_look_into_the_execution(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        told = answered(execution_arn="arn:1", links={"execution": "https://console.example/arn:1"})
        wire.replies += [reply(told), reply(told)]
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        assert "see       https://console.example/arn:1" in run("show", "answer-1").output
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert "see       omnilake local console arn:1" in run("show", "answer-1").output

    def test_json_is_the_record(self, wire: Wire) -> None:
        wire.replies.append(reply(answered()))
        assert JobRecord.model_validate_json(run("show", "answer-1", "--json").output).cost_usd == 0.0325

    def test_a_running_job_has_a_state_that_lasts(self) -> None:
        job = JobRecord.model_validate(answered() | {"status": "RUNNING", "ended_at": ""})
        assert [(row.state, row.seconds) for row in rows_of(job)][2] == ("Compose Answer", None)

    @given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
    def test_a_bar_has_a_mark_and_never_leaves_its_column(self, offset: float, seconds: float, whole: float) -> None:
        drawn = bar(offset, seconds, whole, width=32)
        assert 1 <= len(drawn) <= 32
        assert drawn.strip(" ").strip("━") == ""
        assert "━" in drawn

    def test_what_is_not_there_is_told_without_a_stack_trace(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wire.replies.append(problem(404, "JOB_NOT_FOUND", "There is no job of that id."))
        monkeypatch.setattr(sys, "argv", ["omnilake", "jobs", "show", "none"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        shown = capsys.readouterr()
        assert shown.err.startswith("JOB_NOT_FOUND: There is no job of that id.")
        assert shown.out == ""


class TestActions:
    def test_watch_draws_the_job_at_its_end(self, wire: Wire) -> None:
        wire.replies += [reply(any_job("answer-1", status="RUNNING")), reply(answered())]
        result = run("watch", "answer-1")
        assert result.exit_code == 0
        assert "Compose Answer" in result.output

    def test_watch_exits_with_1_when_the_job_fails(self, wire: Wire) -> None:
        error = {"code": "QUESTION_EMPTY", "message": "It has no word.", "action": "Ask."}
        wire.replies.append(reply(any_job("answer-1", status="FAILED", error=error)))
        result = run("watch", "answer-1")
        assert result.exit_code == 1
        assert result.output.count("QUESTION_EMPTY: It has no word. Ask.") == 1

    def test_cancel_tells_what_became_of_it(self, wire: Wire) -> None:
        wire.replies.append(reply(any_job("answer-1", status="CANCELLED")))
        assert run("cancel", "answer-1").output == "answer-1  CANCELLED\n"
        assert wire.paths() == ["POST /v1/jobs/answer-1/cancel"]

    @pytest.mark.parametrize("action", ["retry", "redrive"])
    def test_what_fails_again_is_listed_and_exits_with_1(self, wire: Wire, action: str) -> None:
        job = any_job("collect-2", kind="ingest_collection", progress={"documents": 3, "completed": 2, "failed": 1})
        item = {"name": "a.pdf", "status": "FAILED", "error": {"code": "DOCUMENT_EMPTY", "message": "No bytes."}}
        wire.replies += [reply({"job_id": "collect-2"}, 202), reply(job), reply({"items": [item]})]
        result = run(action, "collect-1")
        assert result.exit_code == 1
        assert "a.pdf: DOCUMENT_EMPTY: No bytes." in result.output
        assert "omnilake jobs retry collect-2" in result.output
        assert wire.paths()[0] == f"POST /v1/jobs/collect-1/{action}"
        assert dict(wire.calls[2].url.params)["status"] == "FAILED"

    def test_documents_of_a_job_are_a_line_each_with_the_reason(self, wire: Wire) -> None:
        error = {"code": "DOCUMENT_EMPTY", "message": "No bytes."}
        items = [
            {"name": "a.pdf", "status": "FAILED", "entry_id": "e1", "error": error},
            {"name": "b.txt", "status": "COMPLETED", "entry_id": "e2"},
        ]
        wire.replies.append(reply({"items": items}))
        assert run("items", "job-1", "--status", "FAILED").output.splitlines() == [
            "FAILED      e1  a.pdf  DOCUMENT_EMPTY: No bytes.",
            "COMPLETED   e2  b.txt",
        ]
        assert wire.paths() == ["GET /v1/jobs/job-1/items?status=FAILED"]

    def test_one_that_is_only_started_is_named(self, wire: Wire) -> None:
        wire.replies.append(reply({"job_id": "collect-2"}, 202))
        assert run("retry", "collect-1", "--no-wait").output == "collect-2\n"
