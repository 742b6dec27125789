"""Routes of sources and their types: what people declare, and who may see and change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import any_call
import pytest
from any_stored import MARA, stored_archive

from omnilake import clock, jobs, sources
from omnilake.api import rpc_sources
from omnilake.api import sources as routes
from omnilake.errors import SourceBusy, SourceError
from omnilake.models import JobKind, StreamCursor
from omnilake.syncing.starting import start_sync

Send = Callable[..., Any]
AS_NOAH = {"who": any_call.NOAH}
AS_ROOT = {"who": any_call.ROOT}
NOAH = "iam:arn:aws:iam::123456789012:role/reader"
WIKI = {"name": "wiki", "required_fields": ["space", "page"], "description": "Pages of our wiki."}
PAGE = {"archive_id": "notes", "source_type": "wiki", "config": {"space": "a", "page": "b/c"}}


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions behind the routes, in this process, without schedules."""

    def call(setting: str, event: dict[str, Any]) -> Any:
        if setting == "put_source_function_arn":
            told = {name: event[name] for name in ("secret_name", "schedule")}
            made = sources.put(event["archive_id"], event["source_type"], event["config"], **told)
            return made.model_dump(mode="json")
        if setting == "delete_source_function_arn":
            sources.delete(event["source_id"])
            return event
        jobs.create("sync-1", JobKind.SYNC_SOURCE, "notes", source_id=event["source_id"])
        return {"job_id": "sync-1", "started": True}

    monkeypatch.setattr(routes, "call", call)


@pytest.fixture
def send(api: Callable[..., Send], function: None) -> Send:
    sent = api(routes.router)
    stored_archive("notes", MARA)
    return sent


def test_a_declared_type_identifies_its_sources_by_its_fields(send: Send) -> None:
    assert send("POST", "/v1/source-types", WIKI).status == 201
    made = send("POST", "/v1/sources", PAGE)
    assert (made.status, made.json["schedule"]) == (201, "")
    assert send("POST", "/v1/sources", PAGE).json["source_id"] == made.json["source_id"]
    other = PAGE | {"config": {"space": "a/b", "page": "c"}}
    assert send("POST", "/v1/sources", other).json["source_id"] != made.json["source_id"]
    assert send("GET", made.headers["location"]).json["config"] == PAGE["config"]
    with pytest.raises(SourceError, match="Nothing reads"):
        start_sync(made.json["source_id"])


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"space": "a"},
        {"space": "a", "page": ""},
        {"space": "a", "page": "b", "colour": "red"},
        {"space": 1, "page": 2},
    ],
)
def test_fields_of_a_declared_type_have_to_fit(send: Send, config: Any) -> None:
    send("POST", "/v1/source-types", WIKI)
    answered = send("POST", "/v1/sources", PAGE | {"config": config})
    assert (answered.status, answered.json["code"]) == (422, "SOURCE_REJECTED")


def test_types_are_listed_with_those_of_connectors(send: Send) -> None:
    send("POST", "/v1/source-types", WIKI)
    told = {each["name"]: each["builtin"] for each in send("GET", "/v1/source-types").json["items"]}
    assert (told["wiki"], told["gitlab"], told["website"]) == (False, True, True)
    assert send("GET", "/v1/source-types/wiki").json["required_fields"] == ["space", "page"]
    assert send("GET", "/v1/source-types/nothing").status == 404


def test_a_type_is_declared_once_and_deleted_when_nothing_is_of_it(send: Send) -> None:
    assert send("POST", "/v1/source-types", WIKI).status == 201
    assert send("POST", "/v1/source-types", WIKI).status == 201
    assert send("POST", "/v1/source-types", WIKI | {"required_fields": ["space"]}).status == 409
    assert send("POST", "/v1/source-types", WIKI | {"name": "gitlab"}).status == 422
    made = send("POST", "/v1/sources", PAGE).json
    assert send("DELETE", "/v1/source-types/wiki").status == 403
    assert send("DELETE", "/v1/source-types/wiki", **AS_ROOT).status == 409
    assert send("DELETE", f"/v1/sources/{made['source_id']}").status == 204
    assert send("DELETE", "/v1/source-types/wiki", **AS_ROOT).status == 204
    assert send("DELETE", "/v1/source-types/gitlab", **AS_ROOT).status == 422


def test_sources_are_seen_by_who_may_read_their_archive(send: Send) -> None:
    send("POST", "/v1/source-types", WIKI)
    made = send("POST", "/v1/sources", PAGE).json["source_id"]
    assert [each["source_id"] for each in send("GET", "/v1/sources").json["items"]] == [made]
    assert send("GET", "/v1/sources", **AS_NOAH).json["items"] == []
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"config": {}}),
        ("DELETE", "", None),
        ("POST", "/syncs", {}),
    ):
        answered = send(method, f"/v1/sources/{made}{path}", body, **AS_NOAH)
        assert (answered.status, answered.json["code"]) == (404, "SOURCE_NOT_FOUND")
    assert send("POST", "/v1/sources", PAGE, **AS_NOAH).status == 404


def test_a_source_is_changed_as_it_was_read_and_keeps_its_identity(send: Send) -> None:
    told = {"archive_id": "notes", "source_type": "website", "config": {"start_url": "https://docs.example.com/"}}
    made = send("POST", "/v1/sources", told)
    path = f"/v1/sources/{made.json['source_id']}"
    later = {"config": told["config"], "schedule": "rate(1 day)"}
    changed = send("PUT", path, later, headers={"if-match": made.headers["etag"]})
    assert (changed.status, changed.json["schedule"]) == (200, "rate(1 day)")
    assert send("PUT", path, later, headers={"if-match": '"old"'}).status == 412
    other = {"config": {"start_url": "https://other.example.com/"}}
    assert send("PUT", path, other).status == 422
    assert send("DELETE", path, headers={"if-match": '"old"'}).status == 412


def test_a_source_tells_how_far_its_streams_are_ingested(send: Send) -> None:
    told = {"archive_id": "notes", "source_type": "website", "config": {"start_url": "https://docs.example.com/"}}
    made = send("POST", "/v1/sources", told)
    path = f"/v1/sources/{made.json['source_id']}"
    assert send("GET", path).json["cursors"] == []
    cursor = StreamCursor(
        source_id=made.json["source_id"], stream="pages", cursor={"page": 3}, job_id="sync-1", updated_at=clock.now()
    )
    assert sources.advance(cursor, "")
    found = send("GET", path)
    assert [(each["stream"], each["cursor"]) for each in found.json["cursors"]] == [("pages", {"page": 3})]
    later = {"config": told["config"], "schedule": "rate(1 day)"}
    assert send("PUT", path, later, headers={"if-match": found.headers["etag"]}).status == 200


def test_a_sync_is_a_job(send: Send) -> None:
    told = {"archive_id": "notes", "source_type": "website", "config": {"start_url": "https://docs.example.com/"}}
    made = send("POST", "/v1/sources", told).json
    answered = send("POST", f"/v1/sources/{made['source_id']}/syncs", {"full": True})
    assert (answered.status, answered.headers["location"]) == (202, "/v1/jobs/sync-1")
    assert send("POST", f"/v1/sources/{made['source_id']}/syncs", {"fast": True}).status == 422


def test_a_source_that_syncs_is_not_deleted(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    send("POST", "/v1/source-types", WIKI)
    made = send("POST", "/v1/sources", PAGE).json["source_id"]

    def busy(*_: Any) -> Any:
        raise SourceBusy("A sync of this source runs.")

    monkeypatch.setattr(routes, "call", busy)
    assert send("DELETE", f"/v1/sources/{made}").status == 409


def test_a_type_is_no_source(send: Send) -> None:
    send("POST", "/v1/source-types", WIKI)
    assert send("GET", "/v1/sources").json["items"] == []
    assert send("GET", "/v1/sources/type%23wiki").status in {404, 422}


def test_omnilakes_own_paths(api: Callable[..., Send], function: None) -> None:
    rpc = api(rpc_sources.router)
    stored_archive("notes", MARA)
    assert rpc("POST", "/create_source_type", {"name": "wiki", "required_fields": ["space", "page"]}).status == 201
    assert rpc("POST", "/describe_source_type", {"name": "wiki"}).json["name"] == "wiki"
    told = {"source_type": "wiki", "source_arguments": PAGE["config"]}
    assert rpc("POST", "/add_source", told).json["errors"][0]["field"] == "archive_id"
    made = rpc("POST", "/add_source", told | {"archive_id": "notes"}).json
    named = {"source_id": made["source_id"], "source_type": "wiki"}
    assert rpc("POST", "/describe_source", named).json["source_id"] == made["source_id"]
    assert rpc("POST", "/delete_source", named | {"force": True}).json == {"source_id": made["source_id"]}
    assert rpc("POST", "/describe_source", named).status == 404
