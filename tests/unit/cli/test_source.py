"""``omnilake source`` and ``omnilake sync``: what they send, what they print, how they exit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from wire import Wire, any_job, reply

from omnilake import cli

SOURCE = {
    "source_id": "s1",
    "source_type": "slack",
    "archive_id": "harbour",
    "config": {"workspace": "T1"},
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}


def run(*arguments: str, **told: Any) -> Result:
    return CliRunner().invoke(cli.cli, arguments, terminal_width=200, **told)


def sync_job(**fields: Any) -> dict[str, Any]:
    return any_job("sync-1", **{"kind": "sync_source", "state": "Advance Cursor", **fields})


def test_put_sends_fields_as_json_or_text(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"workspace": "T1", "lookback_days": 3}')
    wire.replies.append(reply(SOURCE, 201))
    done = run(
        "source", "put", "harbour", "slack", "--config-file", str(file), "-c", "lookback_days=9",
        "-c", 'channels=["general"]', "--secret", "omnilake/sources/slack", "--no-schedule",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert wire.paths() == ["POST /v1/sources"]
    assert wire.bodies() == [
        {
            "archive_id": "harbour",
            "source_type": "slack",
            "config": {"workspace": "T1", "lookback_days": 9, "channels": ["general"]},
            "secret_name": "omnilake/sources/slack",
            "schedule": "",
        }
    ]
    assert done.output.split()[:4] == ["s1", "harbour", "slack", "IDLE"]
    assert "on demand" in done.output


@pytest.mark.parametrize("arguments", [["put", "harbour"], ["put", "harbour", "slack", "-c", "workspace"]])
def test_wrong_usage_exits_with_2(wire: Wire, arguments: list[str]) -> None:
    assert run("source", *arguments).exit_code == 2
    assert wire.calls == []


def test_ls_shows_those_of_an_archive_with_their_errors(wire: Wire) -> None:
    error = {"code": "SOURCE_REJECTED", "message": "m"}
    wire.replies.append(reply({"items": [SOURCE | {"status": "FAILED", "error": error}]}))
    listed = run("source", "ls", "harbour")
    assert listed.output.split()[:4] == ["s1", "harbour", "slack", "FAILED"]
    assert listed.output.rstrip().endswith("SOURCE_REJECTED")
    assert dict(wire.calls[0].url.params) == {"archive_id": "harbour"}


def test_json_of_what_does_not_tell_how_far_a_source_is_read_has_no_cursors(wire: Wire) -> None:
    wire.replies += [reply({"items": [SOURCE]}), reply(SOURCE)]
    (listed,) = json.loads(run("source", "ls", "--json").output)
    put = json.loads(run("source", "put", "harbour", "slack", "-c", "workspace=T1", "--json").output)
    assert listed["source_id"] == put["source_id"] == "s1"
    assert "cursors" not in listed
    assert "cursors" not in put


def test_show(wire: Wire) -> None:
    cursor = {"source_id": "s1", "stream": "C1", "cursor": {"ts": "17"}, "job_id": "sync-1", "updated_at": "2026-01-02"}
    wire.replies.append(reply(SOURCE | {"cursors": [cursor]}))
    shown = json.loads(run("source", "show", "s1").output)
    assert (shown["config"], shown["cursors"][0]["cursor"]) == ({"workspace": "T1"}, {"ts": "17"})
    assert wire.paths() == ["GET /v1/sources/s1"]


def test_a_source_is_forgotten_after_a_question(wire: Wire) -> None:
    assert run("source", "rm", "s1", input="n\n").exit_code == 1
    assert wire.calls == []
    wire.replies.append(reply(None, 204))
    assert run("source", "rm", "s1", "--yes").output == "s1  forgotten\n"
    assert wire.paths() == ["DELETE /v1/sources/s1"]


@pytest.mark.parametrize("command", [["sync"], ["source", "sync"]])
def test_a_sync_is_waited_for_and_what_was_left_out_is_told(wire: Wire, command: list[str]) -> None:
    item = {"name": "C1/17", "status": "FAILED", "error": {"code": "RECORD_INVALID", "message": "It has no text."}}
    wire.replies += [
        reply({"job_id": "sync-1"}, 202),
        reply(sync_job(status="RUNNING", state="Fetch Pages")),
        reply(sync_job(progress={"records": 12})),
        reply({"items": [item]}),
    ]
    done = run(*command, "s1", "--full")
    assert done.exit_code == 0
    assert wire.bodies()[0] == {"full": True}
    assert done.stdout == "sync-1\nrecords 12\n"
    assert done.stderr == "left out: C1/17: It has no text.\n"


def test_a_sync_that_fails_says_why_and_exits_with_1(wire: Wire) -> None:
    error = {"code": "SOURCE_REJECTED", "message": "The token is refused.", "action": "Renew it."}
    wire.replies += [reply({"job_id": "sync-1"}, 202), reply(sync_job(status="FAILED", error=error))]
    done = run("sync", "s1")
    assert done.exit_code == 1
    assert "SOURCE_REJECTED: The token is refused. Renew it." in done.stderr


def test_a_sync_may_be_only_started(wire: Wire) -> None:
    wire.replies.append(reply({"job_id": "sync-1"}, 202))
    assert run("sync", "s1", "--no-wait").output == "sync-1\n"
    assert len(wire.calls) == 1
