"""``omnilake entries``: what it lists and shows of an archive, and how it exits."""

from __future__ import annotations

import json
import sys

import pytest
from any_deployment import any_deployment
from any_ingest import any_archive
from click.testing import CliRunner, Result

from omnilake import aws, cli, entries, layout
from omnilake.ingest import landing
from omnilake.models import DocumentStatus, ErrorRecord, Insights

NAME, OTHER = "runbooks/pier-seven.md", "broken.pdf"
PIER = entries.entry_id_of("harbour", landing.SOURCE_TYPE, NAME)
BROKEN = entries.entry_id_of("harbour", landing.SOURCE_TYPE, OTHER)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ("--stack", "mine", "entries", *arguments), terminal_width=200)


def add(entry_id: str, version: str, name: str, minute: int, archive_id: str = "harbour") -> None:
    assert entries.register(
        entry_id,
        version,
        archive_id=archive_id,
        job_id=f"job-{minute}",
        name=name,
        source=f"s3://landing/{name}",
        size=7,
        content_hash=f"{minute:064x}",
    )


@pytest.fixture(autouse=True)
def _documents(stack: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions of one document, the newer without insights; one that failed; one of another archive."""
    any_deployment("mine")
    any_archive("harbour")
    for minute, (entry_id, version, name) in enumerate([(PIER, "1", NAME), (BROKEN, "1", OTHER), (PIER, "2", NAME)]):
        monkeypatch.setattr(entries, "now", lambda minute=minute: f"2026-01-01T00:0{minute}:00.000Z")
        add(entry_id, version, name, minute)
        failed = name == OTHER
        entries.finish(
            entry_id,
            version,
            archive_id="harbour",
            status=DocumentStatus.FAILED if failed else DocumentStatus.COMPLETED,
            error=ErrorRecord(code="CORRUPT_DOCUMENT", message="m") if failed else None,
            chunks=0 if failed else minute + 1,
            insights_error="RATE_LIMITED" if minute == 2 else "",
        )
    add(entries.entry_id_of("other", landing.SOURCE_TYPE, NAME), "1", NAME, 3, "other")
    insights = Insights(title="Pier Seven", summary="Ein Überblick.", tags=["ferry"], provider="deterministic")
    aws.lake().write_model(layout.entry_insights(PIER, "1"), insights)


def test_ls_names_versions_the_latest_first_with_chunks_and_errors() -> None:
    listed = run("ls", "harbour")
    assert listed.exit_code == 0, listed.output
    assert [line.split() for line in listed.output.splitlines()] == [
        ["2026-01-01T00:02:00.000Z", "COMPLETED", "3", "chunks", NAME, "RATE_LIMITED"],
        ["2026-01-01T00:01:00.000Z", "FAILED", "0", "chunks", OTHER, "CORRUPT_DOCUMENT"],
        ["2026-01-01T00:00:00.000Z", "COMPLETED", "1", "chunks", NAME],
    ]


def test_ls_leaves_out_other_statuses_and_what_is_beyond_the_limit() -> None:
    assert [line.split()[-1] for line in run("ls", "harbour", "--status", "FAILED").output.splitlines()] == [
        "CORRUPT_DOCUMENT"
    ]
    (line,) = run("ls", "harbour", "--limit", "1").output.splitlines()
    assert line.startswith("2026-01-01T00:02")
    nothing = run("ls", "empty")
    assert (nothing.exit_code, nothing.output) == (0, "")


@pytest.mark.parametrize(
    "arguments", [["ls"], ["ls", "harbour", "--status", "LOST"], ["ls", "harbour", "--limit", "0"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("name", [NAME, PIER])
def test_show_prints_all_versions_of_one_entry_each_with_its_insights(name: str) -> None:
    shown = run("show", "harbour", name)
    assert shown.exit_code == 0, shown.output
    newest, oldest = json.loads(shown.output)
    assert (newest["version"], newest["insights"], newest["insights_error"]) == ("2", None, "RATE_LIMITED")
    assert (oldest["version"], oldest["chunks"], oldest["archive_id"]) == ("1", 1, "harbour")
    assert (oldest["insights"]["title"], oldest["insights"]["tags"]) == ("Pier Seven", ["ferry"])
    assert "Überblick" in shown.output


def test_show_finds_an_entry_whose_identity_is_not_its_name() -> None:
    entry_id = entries.entry_id_of("harbour", "slack", "C1", "1700000000.1")
    add(entry_id, "1", "general/2026-01-01", 4)
    (only,) = json.loads(run("show", "harbour", "general/2026-01-01").output)
    assert (only["entry_id"], only["insights"]) == (entry_id, None)


@pytest.mark.parametrize("name", ["absent.md", "e" * 32])
def test_show_of_what_is_not_there_exits_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["omnilake", "--stack", "mine", "entries", "show", "harbour", name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    assert end.value.code == 1
    assert told.out == ""
    assert told.err.startswith("ENTRY_NOT_FOUND: ")
