"""``omnilake entries``, ``add``, ``upload``, ``collection`` and ``search``: what they send and print, how they exit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from click.testing import CliRunner, Result
from wire import Reply, Wire, any_job, problem, reply

from omnilake import cli
from omnilake.entries import entry_id_of

PIER = entry_id_of("harbour", "s3", "runbooks/pier-seven.md")
ENTRY = {"entry_id": PIER, "version": "2", "archive_id": "harbour", "name": "runbooks/pier-seven.md", "chunks": 3}


def run(*arguments: str, **told: Any) -> Result:
    return CliRunner().invoke(cli.cli, arguments, terminal_width=200, **told)


class TestEntries:
    def test_are_listed_with_status_chunks_and_name(self, wire: Wire) -> None:
        completed = ENTRY | {"status": "COMPLETED", "updated_at": "2026-01-01"}
        error = {"code": "DOCUMENT_CORRUPT", "message": "m"}
        failed = completed | {"status": "FAILED", "chunks": 0, "error": error}
        wire.replies.append(reply({"items": [completed, failed]}))
        listed = run("entries", "ls", "harbour", "--status", "COMPLETED", "--limit", "5")
        assert [line.split() for line in listed.output.splitlines()] == [
            ["2026-01-01", "COMPLETED", "3", "chunks", PIER, "runbooks/pier-seven.md"],
            ["2026-01-01", "FAILED", PIER, "runbooks/pier-seven.md", "DOCUMENT_CORRUPT"],
        ]
        assert dict(wire.calls[0].url.params) == {"status": "COMPLETED", "limit": "5"}

    def test_a_text_that_nobody_named_is_listed_by_its_title(self, wire: Wire) -> None:
        digest = "9f8a4c03e1ddf52d9c98fa4167d94cdf"
        unnamed = ENTRY | {"name": digest, "title": "Mara is on call."}
        wire.replies.append(reply({"items": [unnamed, unnamed | {"title": ""}]}))
        first, second = run("entries", "ls", "harbour").output.splitlines()
        assert first.endswith(f"{PIER}  Mara is on call.")
        assert second.endswith(f"{PIER}  {digest}")

    def test_are_shown_by_path_with_all_versions(self, wire: Wire) -> None:
        insights = {"title": "Pier Seven", "summary": "Ein Überblick.", "tags": ["ferry"], "provider": "deterministic"}
        newest, oldest = ENTRY | {"insights": insights}, ENTRY | {"version": "1"}
        wire.replies += [reply(newest), reply(newest), reply({"items": [ENTRY, oldest]})]
        done = run("entries", "show", "harbour", "runbooks/pier-seven.md")
        shown = json.loads(done.output)
        assert [each["version"] for each in shown] == ["2", "1"]
        assert [each["insights"] and each["insights"]["tags"] for each in shown] == [["ferry"], None]
        assert "Überblick" in done.output
        assert wire.paths()[2] == f"GET /v1/archives/harbour/entries/{PIER}/versions"

    def test_whose_identity_is_not_their_path_are_looked_for(self, wire: Wire) -> None:
        other = ENTRY | {"entry_id": "e" + "1" * 31, "name": "mail/7"}
        wire.replies += [problem(404, "ENTRY_NOT_FOUND"), reply({"items": [ENTRY, other]})]
        wire.replies += [reply(other), reply({"items": [other]})]
        assert run("entries", "show", "harbour", "mail/7").exit_code == 0
        assert wire.paths()[3] == f"GET /v1/archives/harbour/entries/{other['entry_id']}/versions"

    def test_text_is_printed_as_it_is(self, wire: Wire) -> None:
        wire.replies.append(reply({"text": "Ein Überblick.", "start": 0, "end": 14, "total": 14}))
        assert run("entries", "text", "harbour", PIER, "--version", "1").output == "Ein Überblick.\n"
        assert dict(wire.calls[0].url.params) == {"version": "1"}

    def test_a_long_text_is_read_to_its_end(self, wire: Wire) -> None:
        wire.replies.append(reply(ENTRY))
        wire.replies.append(reply({"text": "High tide ", "start": 0, "end": 10, "total": 17}))
        wire.replies.append(reply({"text": "at six.", "start": 10, "end": 17, "total": 17}))
        assert run("entries", "text", "harbour", PIER).output == "High tide at six.\n"
        assert [dict(call.url.params) for call in wire.calls[1:]] == [
            {"version": "2"},  # all parts of one version, whatever is published meanwhile
            {"version": "2", "start": "10"},
        ]

    def test_are_removed_after_a_question(self, wire: Wire) -> None:
        assert run("entries", "rm", "harbour", PIER, input="n\n").exit_code == 1
        assert wire.calls == []
        wire.replies += [reply({"job_id": "remove-1"}, 202), reply(any_job("remove-1", progress={"removed": 1}))]
        assert run("entries", "rm", "harbour", PIER, "--yes").output == "remove-1\ncompleted  removed 1\n"
        assert wire.paths()[0] == f"DELETE /v1/archives/harbour/entries/{PIER}"


class TestAdd:
    def test_a_text_becomes_an_entry(self, wire: Wire) -> None:
        wire.replies += [reply({"job_id": "ingest-1", "entry_id": "e1"}, 202), reply(any_job("ingest-1"))]
        done = run("add", "harbour", "High tide at six.", "--source", "https://a.example", "--key", "k")
        assert done.output == "entry e1\ningest-1\ncompleted\n"
        assert wire.bodies()[0] == {"content": "High tide at six.", "sources": ["https://a.example"]}
        assert wire.calls[0].headers["idempotency-key"] == "k"

    def test_a_text_comes_from_the_standard_input(self, wire: Wire) -> None:
        wire.replies += [reply({"job_id": "ingest-1", "entry_id": "e1"}, 202), reply(any_job("ingest-1"))]
        done = run("add", "harbour", "--file", "-", "--no-wait", "--json", input="Low tide at noon.")
        assert json.loads(done.output)["entry_id"] == "e1"
        assert wire.bodies()[0]["content"] == "Low tide at noon."

    @pytest.mark.parametrize("options", [[], ["text", "--file", "-"]])
    def test_one_text_is_needed(self, wire: Wire, options: list[str]) -> None:
        assert run("add", "harbour", *options).exit_code == 2


class TestUpload:
    @pytest.fixture
    def told(self, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What uploads were asked for. One of the two files fails."""
        monkeypatch.chdir(tmp_path)
        for name in ("a.txt", "b.pdf"):
            (tmp_path / name).write_bytes(b"x")
        asked: list[dict[str, Any]] = []

        def target(request: httpx2.Request) -> httpx2.Response:
            asked.append(json.loads(request.content))
            return reply({"upload_id": "u", "url": "https://s3.example/b", "fields": {"key": "k"}}, 201)

        error = {"code": "DOCUMENT_EMPTY", "message": "No bytes.", "action": ""}
        documents = [
            {"name": "a.txt", "status": "COMPLETED", "chunks": 4},
            {"name": "b.pdf", "status": "FAILED", "error": error},
            {"name": "b.pdf", "status": "DUPLICATE"},
        ]
        job = any_job("ingest-1", kind="ingest_document", ended_at="2026-01-01T00:00:02Z", documents=documents[:1])
        later = job | {"job_id": "ingest-2", "documents": documents[1:]}
        lists: list[Reply] = [reply({"items": [job]}), reply({"items": [later, job]})]
        wire.routes |= {
            "POST /v1/archives/harbour/uploads": target,
            "POST /b": lambda _: httpx2.Response(204),
            "GET /v1/jobs": lambda _: lists.pop(0) if len(lists) > 1 else lists[0],  # type: ignore[dict-item,return-value]
        }
        return asked

    def test_files_are_sent_and_waited_for_and_failures_are_listed(self, told: list[dict[str, Any]]) -> None:
        done = run("upload", "harbour", "*.txt", "b.pdf", "-m", "team=sea", "--effective-on", "2026-01-02")
        assert done.exit_code == 1
        assert "b.pdf: DOCUMENT_EMPTY: No bytes." in done.output
        assert "1 completed, 1 failed, 4 chunks" in done.output
        assert sorted(each["name"] for each in told) == ["a.txt", "b.pdf"]
        assert told[0]["metadata"] == {"team": "sea", "omnilake-effective-on": "2026-01-02"}

    def test_they_may_be_only_sent(self, told: list[dict[str, Any]]) -> None:
        assert run("upload", "harbour", "a.txt", "--no-wait").exit_code == 0

    @pytest.mark.parametrize("option", ["--wait", "--no-wait"])
    def test_a_file_that_is_not_taken_is_listed_and_the_others_go_on(
        self, wire: Wire, told: list[dict[str, Any]], option: str
    ) -> None:
        taken = wire.routes["POST /v1/archives/harbour/uploads"]

        def target(request: httpx2.Request) -> httpx2.Response:
            if json.loads(request.content)["name"] == "long.txt":
                return problem(422, "FIELDS_INVALID", errors=[{"field": "name", "message": "It is too long."}])
            return taken(request)  # type: ignore[operator]

        wire.routes["POST /v1/archives/harbour/uploads"] = target
        Path("empty.txt").touch()
        Path("long.txt").write_text("x")
        done = run("upload", "harbour", "empty.txt", "long.txt", "a.txt", option)
        assert done.exit_code == 1
        assert "empty.txt: DOCUMENT_EMPTY: " in done.output
        assert "long.txt: FIELDS_INVALID: " in done.output
        assert "name: It is too long." in done.output
        assert [each["name"] for each in told] == ["a.txt"]
        assert ("1 completed, 2 failed, 4 chunks" in done.output) == (option == "--wait")

    def test_an_archive_that_is_not_there_is_no_matter_of_single_files(
        self, wire: Wire, told: list[dict[str, Any]]
    ) -> None:
        wire.routes["POST /v1/archives/harbour/uploads"] = lambda _: problem(404, "ARCHIVE_NOT_FOUND")
        done = run("upload", "harbour", "a.txt", "b.pdf")
        assert done.exit_code == 1
        assert "a.txt" not in done.output

    def test_a_source_is_of_one_file(self, told: list[dict[str, Any]]) -> None:
        assert run("upload", "harbour", "a.txt", "b.pdf", "--source", "https://a.example").exit_code == 2
        assert run("upload", "harbour", "none.txt").exit_code == 2
        assert told == []


class TestCollection:
    def test_is_started_and_waited_for(self, wire: Wire) -> None:
        job = any_job("collect-1", kind="ingest_collection", progress={"documents": 2, "completed": 2})
        wire.replies += [reply({"job_id": "collect-1"}, 202), reply(job)]
        done = run("collection", "start", "harbour", "--prefix", "s3://b/p/")
        assert (done.exit_code, done.output) == (0, "collect-1\ncompleted  completed 2, documents 2\n")
        assert wire.bodies()[0] == {"prefix": "s3://b/p/"}


class TestSearch:
    RESULT: ClassVar = {
        "entry_id": "e1", "version": "1", "chunk_id": "c1", "source": "s3://landing/[draft].md", "section": "Tides",
        "start": 10, "end": 30, "text": "High  tide\nat six.", "scores": {"fused": 0.75},
    }  # fmt: skip

    def test_passages_are_shown_with_place_and_score(self, wire: Wire) -> None:
        wire.replies.append(reply({"results": [self.RESULT]}))
        done = run("search", "harbour", "When?", "--filter", "page:ge=4", "--limit", "3", "--also", "notes")
        assert "1. s3://landing/[draft].md, Tides, characters 10-30  0.750" in done.output
        assert "High tide at six." in done.output
        assert wire.bodies() == [
            {
                "archives": ["harbour", "notes"],
                "question": "When?",
                "evidence_limit": 3,
                "filters": [{"field": "page", "operator": "ge", "value": 4}],
            }
        ]

    def test_json_has_all_of_it(self, wire: Wire) -> None:
        wire.replies.append(reply({"results": [self.RESULT], "store_versions": {"s": 3}}))
        told = json.loads(run("search", "harbour", "When?", "--json").output)
        assert (told["results"][0]["chunk_id"], told["store_versions"]) == ("c1", {"s": 3})

    def test_nothing_found_is_said(self, wire: Wire) -> None:
        wire.replies.append(reply({"results": []}))
        assert run("search", "harbour", "When?").output == "Nothing was found.\n"
