"""What programs can rely on: JSON in the API's shape, exit codes, and nothing drawn where there is no terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest
from click.testing import CliRunner, Result
from wire import Wire, any_archive, any_job, problem, reply

from omnilake import cli
from omnilake.cli import answers
from omnilake.configuration import product
from omnilake.entries import entry_id_of

DOCS = Path(__file__).resolve().parents[3] / "docs" / "command-line.md"

ENTRY_ID = entry_id_of("docs", "s3", "a.md")
STARTED = any_job("job-1", status="PENDING", links={"self": "/v1/jobs/job-1"})
ENDED = any_job("job-1", links={"self": "/v1/jobs/job-1"})
FAILED = any_job("job-1", status="FAILED", error={"code": "DOCUMENT_EMPTY", "message": "No bytes.", "action": "Fill."})
SOURCE = {
    "source_id": "s1",
    "source_type": "slack",
    "archive_id": "docs",
    "config": {"workspace": "T1"},
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}
ACCESS = {"owner": "iam:mara", "read": ["iam:ben"], "write": [], "administer": []}
CONFIGURATION = {
    "configuration": product("extractive").model_dump(mode="json"), "hash": "h", "in_force": True, "version": "v2",
}  # fmt: skip

JOBS = {
    "archive rm docs --with-entries --yes": "DELETE /v1/archives/docs",
    "archive reindex docs": "POST /v1/archives/docs/reindex",
    "add docs text": "POST /v1/archives/docs/entries",
    "collection start docs --prefix s3://b/p/": "POST /v1/archives/docs/collections",
    f"entries rm docs {ENTRY_ID} --yes": f"DELETE /v1/archives/docs/entries/{ENTRY_ID}",
    "sync s1": "POST /v1/sources/s1/syncs",
    "source sync s1": "POST /v1/sources/s1/syncs",
    "jobs retry job-0": "POST /v1/jobs/job-0/retry",
    "jobs redrive job-1": "POST /v1/jobs/job-1/redrive",
}
"""Commands that start a job: the call that starts it."""

CHANGES: dict[str, tuple[str, Any]] = {
    "archive create docs": ("POST /v1/archives", any_archive("docs")),
    "archive update docs --description d": ("PATCH /v1/archives/docs", any_archive("docs")),
    "archive access docs --read iam:ben": ("PUT /v1/archives/docs/access", ACCESS),
    "source put docs slack -c workspace=T1": ("POST /v1/sources", SOURCE),
    "jobs cancel job-1": ("POST /v1/jobs/job-1/cancel", any_job("job-1", status="CANCELLED")),
    "configuration put FILE": ("PUT /v1/configuration", CONFIGURATION),
    "configuration check FILE": ("POST /v1/configuration/check", CONFIGURATION),
}
"""Commands that change something at once: the call, and what the API answers."""

FORGETS = {
    "archive rm docs --yes": "DELETE /v1/archives/docs",
    "source rm s1 --yes": "DELETE /v1/sources/s1",
}
"""Commands whose call is answered without a body."""

ELSEWHERE = {"upload", "ask", "answer", "replay", "jobs watch", "local up"}
"""Have JSON too; tested below, or with the command."""

ONLY_JSON = {"archive show", "entries show", "source show", "configuration show"}
NO_JSON = {
    "entries text": "prints the text",
    "completion": "prints a script",
    "console": "serves until it is interrupted",
    "local console": "serves until it is interrupted",
    "local logs": "prints lines of text",
    "local down": "its exit code says it",
    "demo": "is for people",
}


def run(command: str) -> Result:
    return CliRunner().invoke(cli.cli, command.split(" "), terminal_width=200)


@pytest.fixture(autouse=True)
def _etags(wire: Wire) -> None:
    """What changes read first."""
    wire.routes |= {
        "GET /v1/archives/docs": reply(any_archive("docs"), etag='"1"'),
        "GET /v1/archives/docs/access": reply(ACCESS, etag='"1"'),
        "GET /v1/configuration": reply(CONFIGURATION, etag='"v1"'),
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "answering.json"
    path.write_text(json.dumps(CONFIGURATION["configuration"]))
    return str(path)


def commands(command: click.Command = cli.cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands(below, f"{path} {name}".strip())


class TestJson:
    def test_every_command_that_says_something_can_say_it_as_json(self) -> None:
        without = {name for name, each in commands() if "as_json" not in {option.name for option in each.params}}
        assert without == ONLY_JSON | set(NO_JSON)

    def test_every_command_that_changes_something_is_tried_here_or_with_the_command(self) -> None:
        asks = {name for name, _ in commands() if name.split(" ")[-1] in {"ls", "show", "failed", "items", "status"}}
        here = [*JOBS, *CHANGES, *FORGETS]
        tried = {name for name, _ in commands() if any(f"{told} ".startswith(f"{name} ") for told in here)}
        others = {name for name, _ in commands()} - tried - asks - set(NO_JSON)
        assert others == ELSEWHERE | {"diff", "search", "doctor"}

    @pytest.mark.parametrize("command", CHANGES)
    def test_a_change_prints_what_the_api_answers(self, wire: Wire, file: str, command: str) -> None:
        call, body = CHANGES[command]
        wire.routes[call] = reply(body)
        done = run(f"{command.replace('FILE', file)} --json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert {name: told[name] for name in body} == body

    @pytest.mark.parametrize("command", JOBS)
    @pytest.mark.parametrize(("options", "found"), [("--no-wait --json", STARTED), ("--json", ENDED)])
    def test_a_job_is_printed_as_the_api_accepts_it_or_where_it_is_waited_for_at_its_end(
        self, wire: Wire, command: str, options: str, found: dict[str, Any]
    ) -> None:
        body = found | {"entry_id": "e1"}
        wire.routes |= {JOBS[command]: reply(STARTED | {"entry_id": "e1"}, 202), "GET /v1/jobs/job-1": reply(found)}
        done = run(f"{command} {options}")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert {name: told[name] for name in body} == body

    @pytest.mark.parametrize("command", JOBS)
    def test_a_job_that_fails_is_json_as_well_and_exits_with_1(self, wire: Wire, command: str) -> None:
        wire.routes |= {JOBS[command]: reply(STARTED, 202), "GET /v1/jobs/job-1": reply(FAILED)}
        done = run(f"{command} --json")
        assert done.exit_code == 1
        assert json.loads(done.stdout)["error"]["code"] == "DOCUMENT_EMPTY"

    def test_documents_that_fail_exit_with_1(self, wire: Wire) -> None:
        job = ENDED | {"progress": {"documents": 3, "failed": 1}}
        wire.routes |= {"POST /v1/jobs/job-0/retry": reply(STARTED, 202), "GET /v1/jobs/job-1": reply(job)}
        done = run("jobs retry job-0 --json")
        assert (done.exit_code, json.loads(done.stdout)["progress"]["failed"]) == (1, 1)

    def test_a_watched_job_is_printed_at_its_end(self, wire: Wire) -> None:
        wire.replies += [reply(STARTED), reply(ENDED)]
        assert json.loads(run("jobs watch job-1 --json").stdout)["status"] == "COMPLETED"

    @pytest.mark.parametrize("command", FORGETS)
    def test_an_answer_without_a_body_prints_nothing(self, wire: Wire, command: str) -> None:
        wire.routes[FORGETS[command]] = reply(None, 204)
        done = run(f"{command} --json")
        assert (done.exit_code, done.stdout) == (0, "")
        assert run(command).stdout.split()[0] == command.split(" ")[2]

    @pytest.mark.parametrize(("option", "status"), [("--wait", "COMPLETED"), ("--no-wait", "PENDING")])
    def test_an_upload_prints_each_document_as_its_job_has_it(
        self, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, status: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("a.txt").write_text("Low tide at noon.")
        Path("empty.txt").touch()
        documents = [{"name": "a.txt", "status": "COMPLETED", "entry_id": "e1", "chunks": 1}]
        job = any_job("job-1", kind="ingest_document", ended_at="2026-01-01T00:00:02Z", documents=documents)
        target = {"upload_id": "u", "entry_id": "e1", "url": "https://s3.example/b", "fields": {"key": "k"}}
        wire.routes |= {
            "POST /v1/archives/docs/uploads": lambda _: reply(target, 201),
            "POST /b": lambda _: httpx2.Response(204),
            "GET /v1/jobs": lambda _: reply({"items": [job]}),
        }
        done = run(f"upload docs a.txt empty.txt {option} --json")
        assert done.exit_code == 1
        told = {each["name"]: each for each in json.loads(done.stdout)}
        assert (told["a.txt"]["status"], told["a.txt"]["entry_id"]) == (status, "e1")
        assert (told["empty.txt"]["status"], told["empty.txt"]["error"]["code"]) == ("FAILED", "DOCUMENT_EMPTY")


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Of the program, as a shell sees it."""
    monkeypatch.setattr(sys, "argv", ["omnilake", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class TestExitCodes:
    def test_the_docs_list_them_all(self) -> None:
        rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
        assert [int(code) for code, _ in rows] == [0, 1, 2, answers.ABSTAINED, cli.INTERRUPTED]

    def test_done_is_0(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        wire.routes["GET /v1/jobs/job-1"] = reply(ENDED)
        assert exit_code(monkeypatch, "jobs", "show", "job-1") == 0
        assert exit_code(monkeypatch, "--help") == 0

    @pytest.mark.parametrize(
        "answer",
        [
            problem(404, "JOB_NOT_FOUND"),
            problem(403, "FORBIDDEN"),
            problem(500, "INTERNAL"),
            httpx2.ConnectError("refused"),
        ],
    )
    def test_refused_or_failed_is_1_and_says_why_on_the_error_output_only(
        self,
        wire: Wire,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        answer: httpx2.Response | Exception,
    ) -> None:
        wire.routes["GET /v1/jobs/job-1"] = answer
        assert exit_code(monkeypatch, "jobs", "show", "job-1", "--json") == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert re.match(r"[A-Z_]+: ", shown.err)

    @pytest.mark.parametrize("arguments", [["jobs", "show"], ["nothing"], ["ask", "docs", "Why?", "--style", "long"]])
    def test_wrong_usage_is_2(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
    ) -> None:
        assert exit_code(monkeypatch, *arguments) == 2
        assert "Usage: " in capsys.readouterr().err

    def test_interrupted_is_130(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(_: httpx2.Request) -> httpx2.Response:
            raise KeyboardInterrupt

        wire.routes["GET /v1/jobs/job-1"] = interrupted
        assert exit_code(monkeypatch, "jobs", "show", "job-1") == 130
        assert capsys.readouterr().err.strip() == "Aborted."


class TestWithoutATerminal:
    @pytest.mark.parametrize("command", [*JOBS, "jobs watch job-1"])
    def test_nothing_is_drawn(self, wire: Wire, command: str) -> None:
        if command in JOBS:
            wire.routes[JOBS[command]] = reply(STARTED, 202)
        running = [reply(STARTED), reply(STARTED | {"status": "RUNNING", "state": "Fetch"}), reply(ENDED)]
        wire.routes |= {
            "GET /v1/jobs/job-1": lambda _: running.pop(0),
            "GET /v1/jobs/job-1/items": reply({"items": []}),
        }
        done = run(command)
        assert done.exit_code == 0, done.output
        assert done.stderr == ""
        assert "\x1b" not in done.stdout
        assert "\r" not in done.stdout
