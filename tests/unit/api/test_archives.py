"""Routes of archives: what their callers may see and change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import any_call
import pytest
from any_stored import MARA, NOAH, stored_archive

from omnilake import archives as registry
from omnilake import aws
from omnilake.api import archives, rpc_archives
from omnilake.api.access import Principal
from omnilake.errors import ArchiveExists, ArchiveInUse
from omnilake.settings import settings

Send = Callable[..., Any]
AS_NOAH = {"who": any_call.NOAH}
SCHEMA = {"type": "object", "properties": {"vote": {"type": "string"}}}
AS_ROOT = {"who": any_call.ROOT}


@pytest.fixture
def send(api: Callable[[Any], Send]) -> Send:
    return api(archives.router)


def test_a_new_archive_belongs_to_who_made_it(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(setting: str, event: dict[str, Any]) -> Any:
        assert setting == "create_archive_function_arn"
        assert event == {
            "archive_id": "minutes", "description": "d", "owner": MARA,
            "access": {"read": [], "write": [], "administer": []},
        }  # fmt: skip
        return stored_archive("minutes", event["owner"]).model_dump(mode="json")

    monkeypatch.setattr(archives, "call", create)
    answered = send("POST", "/v1/archives", {"archive_id": "minutes", "description": "d"})
    assert answered.status == 201
    assert answered.headers["location"] == "/v1/archives/minutes"
    assert answered.json["owner"] == MARA
    assert send("GET", "/v1/archives/minutes").headers["etag"] == answered.headers["etag"]


def test_a_shared_deployment_opens_new_archives_to_everyone(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def create(_: str, event: dict[str, Any]) -> Any:
        seen.append(event["access"])
        return stored_archive("minutes", event["owner"]).model_dump(mode="json")

    monkeypatch.setattr(archives, "call", create)
    monkeypatch.setenv("OMNILAKE_DEFAULT_ARCHIVE_ACCESS", "shared")
    settings.cache_clear()
    send("POST", "/v1/archives", {"archive_id": "minutes"})
    send("POST", "/v1/archives", {"archive_id": "minutes", "access": {"read": ["group:x"]}})
    assert seen == [
        {"read": ["*"], "write": ["*"], "administer": []},
        {"read": ["group:x"], "write": [], "administer": []},
    ]


def test_an_id_that_is_taken_is_a_conflict(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*_: Any) -> Any:
        raise ArchiveExists("Archive minutes exists with another owner.")

    monkeypatch.setattr(archives, "call", create)
    assert send("POST", "/v1/archives", {"archive_id": "minutes"}).status == 409


@pytest.mark.parametrize("archive_id", ["", "ab", "-x-", "Ümlaut", "a/b", "a b", "x" * 64, 5, None])
def test_an_id_that_is_none_is_refused(send: Send, archive_id: Any) -> None:
    answered = send("POST", "/v1/archives", {"archive_id": archive_id})
    assert (answered.status, answered.json["errors"][0]["field"]) == (422, "archive_id")


def test_what_a_caller_may_not_read_looks_as_if_it_were_not_there(send: Send) -> None:
    stored_archive("maras-own")
    stranger = send("GET", "/v1/archives/maras-own", **AS_NOAH)
    nowhere = send("GET", "/v1/archives/nowhere-at-all", **AS_NOAH)
    assert stranger == nowhere
    assert stranger.status == 404
    assert send("GET", "/v1/archives/maras-own", **AS_ROOT).status == 200
    for method, path in [("PATCH", ""), ("DELETE", ""), ("GET", "/access"), ("PUT", "/access")]:
        answered = send(method, f"/v1/archives/maras-own{path}", {} if method != "GET" else None, **AS_NOAH)
        assert answered.status == 404


def test_who_may_read_may_not_change(send: Send) -> None:
    stored_archive("maras-own", read=[NOAH], write=[NOAH])
    assert send("GET", "/v1/archives/maras-own", **AS_NOAH).status == 200
    answered = send("PATCH", "/v1/archives/maras-own", {"description": "mine"}, **AS_NOAH)
    assert (answered.status, answered.json["code"]) == (403, "FORBIDDEN")
    assert send("GET", "/v1/archives/maras-own/access", **AS_NOAH).status == 403


def test_a_list_holds_what_the_caller_may_read_page_by_page(send: Send) -> None:
    for number in range(7):
        stored_archive(f"archive-{number}", MARA if number % 2 else "jwt:other", read=[NOAH] if number == 2 else [])
    first = send("GET", "/v1/archives?limit=2")
    assert [each["archive_id"] for each in first.json["items"]] == ["archive-1", "archive-3"]
    cursor = first.json["next_cursor"]
    assert first.headers["link"] == f'</v1/archives?limit=2&cursor={cursor}>; rel="next"'
    second = send("GET", any_call.query("/v1/archives", limit=2, cursor=cursor))
    assert [each["archive_id"] for each in second.json["items"]] == ["archive-5"]
    assert second.json["next_cursor"] == ""
    assert "link" not in second.headers
    assert [each["archive_id"] for each in send("GET", "/v1/archives", **AS_NOAH).json["items"]] == ["archive-2"]
    assert len(send("GET", "/v1/archives", **AS_ROOT).json["items"]) == 7
    stolen = send("GET", any_call.query("/v1/archives", limit=2, cursor=cursor), **AS_NOAH)
    assert (stolen.status, stolen.json["code"]) == (400, "CURSOR_INVALID")


def test_a_change_says_what_it_is_made_from(send: Send) -> None:
    stored_archive("maras-own")
    path = "/v1/archives/maras-own"
    tag = send("GET", path).headers["etag"]
    assert send("PATCH", path, {"description": "new"}).status == 428
    changed = send("PATCH", path, {"description": "new", "tag_hints": ["a"]}, headers={"if-match": tag})
    assert (changed.status, changed.json["description"], changed.json["revision"]) == (200, "new", 2)
    assert changed.headers["etag"] != tag
    late = send("PATCH", path, {"description": "late"}, headers={"if-match": tag})
    assert (late.status, late.json["code"]) == (412, "REVISION_MISMATCH")
    assert registry.get_archive("maras-own").description == "new"


def test_a_change_that_does_not_fit_changes_nothing(send: Send) -> None:
    stored_archive("maras-own")
    for body in ({"chunking": {"max_tokens": 4_000}}, {"insights_schema": {"type": 5}}, {"archive_id": "other"}):
        answered = send("PATCH", "/v1/archives/maras-own", body, headers={"if-match": "*"})
        assert answered.status == 422, answered.text
    assert registry.get_archive("maras-own").revision == 1


def test_what_is_not_given_stays_and_a_schema_can_be_taken_away(send: Send) -> None:
    stored_archive("maras-own", read=[NOAH])
    path, any_tag = "/v1/archives/maras-own", {"if-match": "*"}
    send("PATCH", path, {"chunking": {"max_tokens": 100}, "insights_schema": SCHEMA}, headers=any_tag)
    changed = send("PATCH", path, {"insights_schema": None, "description": None}, headers=any_tag).json
    assert changed["chunking"]["max_tokens"] == 100
    assert changed["insights_schema"] is None
    assert changed["access"]["read"] == [NOAH]


def test_access_is_said_anew_as_a_whole(send: Send) -> None:
    stored_archive("maras-own", read=[NOAH])
    path = "/v1/archives/maras-own/access"
    before = send("GET", path)
    assert before.json == {"owner": MARA, "read": [NOAH], "write": [], "administer": []}
    after = send("PUT", path, {"write": ["group:x"]}, headers={"if-match": before.headers["etag"]})
    assert after.json == {"owner": MARA, "read": [], "write": ["group:x"], "administer": []}
    assert send("GET", "/v1/archives/maras-own", **AS_NOAH).status == 404
    assert send("PUT", path, {"write": []}).status == 428
    assert send("PUT", path, {"write": ["a*b"]}, headers={"if-match": "*"}).status == 422


def test_a_deletion_names_the_revision_it_was_decided_on(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_archive("maras-own")
    seen: list[Any] = []
    monkeypatch.setattr(archives, "call", lambda *called: seen.append(called))
    path = "/v1/archives/maras-own"
    assert send("DELETE", path).status == 428
    answered = send("DELETE", path, headers={"if-match": send("GET", path).headers["etag"]})
    assert (answered.status, answered.text) == (204, "")
    assert seen == [("delete_archive_function_arn", {"archive_id": "maras-own", "revision": 1})]


def test_an_archive_in_use_is_not_deleted(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_archive("maras-own")

    def delete(*_: Any) -> Any:
        raise ArchiveInUse("The archive has entries.")

    monkeypatch.setattr(archives, "call", delete)
    answered = send("DELETE", "/v1/archives/maras-own", headers={"if-match": "*"})
    assert (answered.status, answered.json["code"]) == (409, "ARCHIVE_IN_USE")


@pytest.mark.parametrize(
    "told", [{"tag_model_id": "claude"}, {"max_chunk_length": 500}, {"chunk_body_overlap_percentage": 10}]
)
def test_what_the_first_omnilakes_configuration_asks_for_in_vain_is_refused_by_name(
    api: Callable[[Any], Send], monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    monkeypatch.setattr(
        archives, "call", lambda _, event: stored_archive("minutes", event["owner"]).model_dump(mode="json")
    )
    rpc = api(rpc_archives.router)
    configuration = {"archive_type": "VECTOR", **dict.fromkeys(told)}
    body = {"archive_id": "minutes", "description": "d", "configuration": configuration}
    refused = rpc("POST", "/create_archive", body | {"configuration": told})
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, f"configuration.{next(iter(told))}")
    assert rpc("POST", "/create_archive", body).status == 201


class TestWithItsEntries:
    PATH = "/v1/archives/maras-own"
    WITH = f"{PATH}?with_entries=true"
    ANY: ClassVar = {"headers": {"if-match": "*"}}

    @pytest.fixture(autouse=True)
    def started(self, send: Send, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Names of the executions that were started."""
        seen: list[str] = []
        monkeypatch.setenv("OMNILAKE_REMOVAL_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:remove")
        settings.cache_clear()
        monkeypatch.setattr("omnilake.executions.start_once", lambda _, name, __: seen.append(name))
        stored_archive("maras-own", write=[NOAH])
        return seen

    def test_a_job_deletes_it_and_whoever_asks_again_gets_the_same(self, send: Send, started: list[str]) -> None:
        tag = send("GET", self.PATH).headers["etag"]
        answered = send("DELETE", self.WITH, headers={"if-match": tag})
        assert (answered.status, answered.json["kind"], answered.json["started_by"]) == (202, "remove_entries", MARA)
        job_id = answered.json["job_id"]
        assert answered.headers["location"] == f"/v1/jobs/{job_id}"
        assert send("GET", self.PATH).json["deletion_job_id"] == job_id
        again = send("DELETE", self.WITH, headers={"if-match": tag})
        assert (again.status, again.json["job_id"], set(started)) == (202, job_id, {job_id})
        assert send("DELETE", f"{self.PATH}?with_entries=x", **self.ANY).status == 422

    def test_it_has_to_be_as_it_was_read(self, send: Send, started: list[str]) -> None:
        assert send("DELETE", self.WITH).status == 428
        assert send("DELETE", self.WITH, headers={"if-match": '"stale"'}).status == 412
        assert started == []
        assert send("GET", self.PATH).json["deletion_job_id"] == ""

    def test_only_who_administers_it_may(self, send: Send, started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        assert send("DELETE", self.WITH, **self.ANY, **AS_NOAH).status == 403
        monkeypatch.setattr(archives, "caller", lambda: Principal(name=MARA, tenant="harbour"))
        assert send("DELETE", self.WITH, **self.ANY).json["code"] == "FORBIDDEN"
        assert started == []

    def test_sources_keep_it(self, send: Send, started: list[str]) -> None:
        item = {"source_id": "gitlab-1", "item": "definition", "listing": "sources"}
        aws.table("sources_table").put(item | {"archive_source": "maras-own#gitlab-1"})
        answered = send("DELETE", self.WITH, **self.ANY)
        assert (answered.status, answered.json["code"]) == (409, "ARCHIVE_IN_USE")
        assert "gitlab-1" in answered.json["detail"]
        assert started == []

    def test_an_archive_that_is_not_there_is_not_found(self, send: Send) -> None:
        assert send("DELETE", "/v1/archives/none-such?with_entries=true", **self.ANY).status == 404
