"""The registry of sources, its schedules, and the secrets that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from any_ingest import any_archive

from omnilake import aws, connectors, schedules, secrets, sources
from omnilake.errors import ArchiveNotFound, SourceError, SourceNotFound, SourceTypeNotFound
from omnilake.models import ErrorRecord, Source, SourceStatus, StreamCursor
from omnilake.settings import settings


@pytest.fixture(autouse=True)
def _registry(stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(connectors.TYPES, "notes", "any_source:NotesConnector")
    secrets._provider.cache_clear()
    any_archive("harbour")
    any_archive("lighthouse")
    yield
    secrets._provider.cache_clear()


def put(archive_id: str = "harbour", url: str = "http://notes", **fields: Any) -> Source:
    config = {"base_url": url, **fields.pop("config", {})}
    return sources.put(archive_id, "notes", config, **fields)


def cursor(job_id: str, value: dict[str, Any] | None, stream: str = "notes") -> StreamCursor:
    return StreamCursor(source_id="s1", stream=stream, cursor=value, job_id=job_id, updated_at="now")


def test_should_keep_a_source_with_its_defaults() -> None:
    source = put()
    assert sources.get(source.source_id) == source
    assert (source.schedule, source.status) == ("rate(6 hours)", SourceStatus.IDLE)
    assert source.config == {"base_url": "http://notes"}


def test_should_change_what_a_source_is_read_by_and_keep_the_rest() -> None:
    first = put(config={"follow_deletions": True})
    sources.claim(first.source_id, "sync-1")
    second = put(config={"follow_deletions": False}, schedule="")
    assert second.source_id == first.source_id
    assert (second.schedule, second.created_at) == ("", first.created_at)
    assert (second.status, second.active_job_id) == (SourceStatus.SYNCING, "sync-1")


def test_should_list_sources_by_archive() -> None:
    one, two, other = put(), put(url="http://more"), put("lighthouse")
    assert {each.source_id for each in sources.find("harbour")} == {one.source_id, two.source_id}
    assert [each.source_id for each in sources.find("lighthouse")] == [other.source_id]
    assert len(list(sources.find())) == 3


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"config": {"token": "geheim"}}, "token"),
        ({"secret_name": "other/app/password"}, "omnilake/sources/"),
        ({"schedule": "every day"}, "schedule"),
        ({"schedule": "rate(6 hours) "}, "schedule"),
    ],
)
def test_should_refuse_what_does_not_fit_and_name_it(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(SourceError, match=named) as raised:
        put(**fields)
    assert "geheim" not in str(raised.value)


def test_should_refuse_an_unknown_type_and_an_unknown_archive() -> None:
    with pytest.raises(SourceTypeNotFound):
        sources.put("harbour", "carrier-pigeon", {})
    with pytest.raises(ArchiveNotFound):
        put("nowhere")


def test_should_take_only_schedules_that_the_service_knows() -> None:
    for schedule in ("", "rate(1 day)", "rate(30 minutes)", "cron(0 3 * * ? *)", "cron(0/15 8-18 ? * MON-FRI *)"):
        assert put(schedule=schedule).schedule == schedule


def test_should_move_a_cursor_only_from_where_the_sync_began() -> None:
    assert sources.advance(cursor("job-1", {"after": 1}), "")
    assert sources.advance(cursor("job-1", {"after": 1}), "")  # the same sync once more
    assert not sources.advance(cursor("job-2", {"after": 2}), "")  # began before job-1 ended
    assert sources.advance(cursor("job-2", {"after": 2}), "job-1")
    assert not sources.advance(cursor("job-1", {"after": 1}), "")  # late
    assert [(each.cursor, each.job_id) for each in sources.cursors("s1")] == [({"after": 2}, "job-2")]


def test_should_keep_cursors_of_streams_apart_and_numbers_whole() -> None:
    sources.advance(cursor("job-1", {"at": 1.25, "n": 3}, "channel/A"), "")
    sources.advance(cursor("job-1", None, "channel/B"), "")
    assert {each.stream: each.cursor for each in sources.cursors("s1")} == {
        "channel/A": {"at": 1.25, "n": 3},
        "channel/B": None,
    }


def test_should_not_forget_a_source_that_syncs() -> None:
    source = put()
    sources.claim(source.source_id, "sync-1")
    with pytest.raises(SourceError, match="sync of this source runs"):
        sources.delete(source.source_id)
    sources.release(source.source_id, "sync-1", ErrorRecord(code="X", message="x"))
    sources.advance(StreamCursor(source_id=source.source_id, stream="notes", job_id="j", updated_at="now"), "")
    sources.delete(source.source_id)
    assert sources.cursors(source.source_id) == []
    with pytest.raises(SourceNotFound):
        sources.get(source.source_id)


def test_should_let_only_the_sync_that_holds_a_source_let_it_go() -> None:
    source = put()
    sources.claim(source.source_id, "sync-1")
    assert not sources.release(source.source_id, "sync-2")
    assert sources.release(source.source_id, "sync-1")
    assert sources.get(source.source_id).last_synced_at


# --- schedules ------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> str:
    arns = {
        "OMNILAKE_SCHEDULE_GROUP": "syncs",
        "OMNILAKE_SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/syncs",
        "OMNILAKE_SCHEDULE_DEAD_LETTERS_ARN": "arn:aws:sqs:us-east-1:123456789012:dead",
        "OMNILAKE_START_SYNC_FUNCTION_ARN": "arn:aws:lambda:us-east-1:123456789012:function:start",
    }
    for name, value in arns.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    aws.client("scheduler").create_schedule_group(Name="syncs")
    return "syncs"


def test_should_make_change_and_take_away_a_schedule(group: str) -> None:
    schedules.put("s1", "rate(6 hours)")
    schedules.put("s1", "cron(0 3 * * ? *)")
    made = aws.client("scheduler").get_schedule(Name="s1", GroupName=group)
    assert made["ScheduleExpression"] == "cron(0 3 * * ? *)"
    target = made["Target"]
    assert json.loads(target["Input"]) == {"source_id": "s1", "occasion": "<aws.scheduler.scheduled-time>"}
    assert target["DeadLetterConfig"]["Arn"].endswith(":dead")
    schedules.put("s1", "")
    schedules.delete("s1")  # and once more
    assert aws.client("scheduler").list_schedules(GroupName=group)["Schedules"] == []


# --- secrets --------------------------------------------------------------------------------------------------------


def test_should_read_a_secret_and_a_new_value_when_asked_to() -> None:
    aws.client("secretsmanager").create_secret(Name="omnilake/sources/x", SecretString="one")
    assert secrets.read("omnilake/sources/x") == "one"
    aws.client("secretsmanager").put_secret_value(SecretId="omnilake/sources/x", SecretString="two")
    assert secrets.read("omnilake/sources/x") == "one"
    assert secrets.read("omnilake/sources/x", max_age_s=0) == "two"


def test_should_name_a_secret_that_is_not_there_or_no_text() -> None:
    with pytest.raises(SourceError, match="omnilake/sources/none can't be read: ResourceNotFoundException"):
        secrets.read("omnilake/sources/none")
    aws.client("secretsmanager").create_secret(Name="omnilake/sources/bin", SecretBinary=b"geheim")
    with pytest.raises(SourceError, match="holds no text") as raised:
        secrets.read("omnilake/sources/bin")
    assert "geheim" not in str(raised.value)
