"""``omnilake source``: what it sends, what it prints, how it exits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from any_deployment import any_deployment
from any_ingest import any_archive
from click.testing import CliRunner, Result

from omnilake import aws, cli, jobs, layout, sources
from omnilake.client.deployment import Deployment
from omnilake.connectors.protocol import Problem
from omnilake.models import ErrorRecord, JobKind, Source, StreamCursor
from omnilake.syncing.parts import Counts, Manifest

SYNC = JobKind.SYNC_SOURCE


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, ("--stack", "mine", "source", *arguments), terminal_width=200)


@pytest.fixture
def invoked(stack: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Functions that the client invoked. Start Sync answers with the job ``sync-1``."""
    any_deployment("mine")
    any_archive("harbour")
    calls: list[tuple[str, dict[str, Any]]] = []

    def invoke(self: Deployment, output: str, event: dict[str, Any]) -> dict[str, Any]:
        calls.append((output, event))
        if output == "PutSourceFunction":
            return sources.put(**event).model_dump(mode="json")
        return {"job_id": "sync-1", "started": True}

    monkeypatch.setattr(Deployment, "_invoke", invoke)
    return calls


@pytest.fixture
def source(invoked: list[Any]) -> Source:
    return sources.put("harbour", "slack", {"workspace": "T1"}, secret_name="omnilake/sources/slack")


def test_put_sends_fields_as_json_or_text(invoked: list[Any], tmp_path: Any) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"workspace": "T1", "lookback_days": 3}')
    done = run(
        "put", "harbour", "slack", "--config-file", str(file), "-c", "lookback_days=9", "-c", 'channels=["general"]',
        "--no-schedule",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    (_, event) = invoked[0]
    assert event["config"] == {"workspace": "T1", "lookback_days": 9, "channels": ["general"]}
    assert event["schedule"] == ""
    assert "on demand" in done.output


@pytest.mark.parametrize("arguments", [["put", "harbour", "pigeon"], ["put", "harbour", "slack", "-c", "workspace"]])
def test_wrong_usage_exits_with_2(invoked: list[Any], arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_ls_and_show(source: Source) -> None:
    listed = run("ls", "harbour")
    assert listed.output.split()[:4] == [source.source_id, "harbour", "slack", "IDLE"]
    assert run("ls", "other").output == ""
    cursor = StreamCursor(
        source_id=source.source_id, stream="channel/C1", cursor={"day": "2026-06-01"}, job_id="j", updated_at="now"
    )
    sources.advance(cursor, "")
    shown = json.loads(run("show", source.source_id).output)
    assert shown["cursors"] == {"channel/C1": {"day": "2026-06-01"}}
    assert shown["secret_name"] == "omnilake/sources/slack"


def test_sync_waits_and_tells_what_was_left_out(source: Source, invoked: list[Any]) -> None:
    problems_key = aws.lake().write_models("problems", [Problem(item="#general, 1.0", reason="it has no time")])
    manifest = Manifest(
        job_id="sync-1",
        source_id=source.source_id,
        source_type="slack",
        archive_id="harbour",
        started_at="now",
        complete=True,
        counts=Counts(),
        batches=[],
        problems_key=problems_key,
    )
    key = layout.connector_manifest(source.source_id, "sync-1")
    aws.lake().write_model(key, manifest)
    jobs.create("sync-1", SYNC, "harbour")
    jobs.complete("sync-1", SYNC, "Advance Cursor", result_key=key, records=4, malformed=1)
    done = run("sync", source.source_id, "--full")
    assert done.exit_code == 0, done.output
    assert invoked[-1] == ("StartSyncFunction", {"source_id": source.source_id, "full": True})
    assert "records 4" in done.output
    assert "left out: #general, 1.0: it has no time" in done.output


def test_sync_that_fails_exits_with_1_and_says_why(source: Source) -> None:
    jobs.create("sync-1", SYNC, "harbour")
    jobs.fail("sync-1", SYNC, "Plan Sync", ErrorRecord(code="SOURCE_REJECTED", message="The token has expired."))
    done = run("sync", source.source_id)
    assert done.exit_code == 1
    assert "SOURCE_REJECTED: The token has expired." in done.output


def test_rm_names_the_source(source: Source, invoked: list[Any]) -> None:
    assert run("rm", source.source_id).exit_code == 0
    assert invoked[-1] == ("DeleteSourceFunction", {"source_id": source.source_id})
