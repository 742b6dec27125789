"""Backlog, against a local server that answers as https://developer.nulab.com/docs/backlog/ describes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError
from synced_source import Source
from vendor_server import Reply, Request, Vendor, vendor

from omnilake.connectors.backlog import BacklogConfig, BacklogConnector
from omnilake.connectors.protocol import Credentials
from omnilake.errors import RateLimited, SourceError, TransientError

KEY = "Sekret-api-key"  # the test's own


@dataclass
class Space:
    """Projects of a space, as its API shows them."""

    projects: list[dict[str, Any]] = field(default_factory=list)
    issues: list[Any] = field(default_factory=list)
    comments: dict[int, list[Any]] = field(default_factory=dict)
    wikis: list[Any] = field(default_factory=list)
    documents: list[Any] = field(default_factory=list)
    trash: set[str] = field(default_factory=set)
    remarks: dict[str, list[Any]] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
    has_documents: bool = True

    def answer(self, request: Request) -> Reply:
        if request.query.get("apiKey") != KEY and request.headers.get("authorization") != "Bearer fresh":
            return Reply({"errors": [{"message": "Authentication failure.", "code": 11, "moreInfo": ""}]}, 401)
        path = request.path.removeprefix("/api/v2").strip("/").split("/")
        match path:
            case ["projects"]:
                return Reply(self.projects)
            case ["projects", _, "activities"]:
                return Reply(self.recent(request.query))
            case ["issues"]:
                since = request.query.get("updatedSince", "")
                found = [each for each in self.issues if not isinstance(each, dict) or each["updated"][:10] >= since]
                assert (request.query["sort"], request.query["order"]) == ("created", "asc")
                return Reply(paged(found, request.query))
            case ["issues", number, "comments"]:
                if not any(each.get("id") == int(number) for each in self.issues if isinstance(each, dict)):
                    return Reply({"errors": [{"message": "No such issue.", "code": 6}]}, 404)
                told = [e for e in self.comments.get(int(number), []) if e["id"] >= int(request.query.get("minId", 0))]
                return Reply(told[: int(request.query["count"])])
            case ["wikis"]:
                return Reply([{k: v for k, v in e.items() if k != "content"} for e in self.wikis])
            case ["wikis", number]:
                told = [each for each in self.wikis if each.get("id") == int(number)]
                return Reply(told[0]) if told else Reply({"errors": []}, 404)
            case ["documents", "tree"]:
                if not self.has_documents:
                    return Reply({"errors": []}, 404)
                active = [{"id": e["id"], "children": []} for e in self.documents if e["id"] not in self.trash]
                return Reply(
                    {
                        "projectId": 1,
                        "activeTree": {"id": "Active", "children": [*active[:1], {"id": "", "children": active[1:]}]},
                        "trashTree": {"id": "Trash", "children": [{"id": e, "children": []} for e in self.trash]},
                    }
                )
            case ["documents"]:
                return Reply(paged(self.documents, request.query))
            case ["documents", name, "comments"]:
                return Reply(self.remarks.get(name, []))
        return Reply({"errors": []}, 404)

    def recent(self, query: dict[str, str]) -> list[dict[str, Any]]:
        kinds = {int(query["activityTypeId[]"])} if "activityTypeId[]" in query else set(range(50))
        found = [e for e in self.activities if e["type"] in kinds and e["id"] >= int(query.get("minId", 0))]
        found.sort(key=lambda each: each["id"], reverse=query["order"] == "desc")
        return found[: int(query["count"])]

    def delete(self, issue: int) -> None:
        """Delete an issue, as the space shows it: gone from the list, told by an activity."""
        self.issues = [each for each in self.issues if each["id"] != issue]
        self.happen(4, {"id": issue, "key_id": issue})

    def happen(self, kind: int, content: Any) -> None:
        self.activities.append({"id": 1_000 + len(self.activities), "type": kind, "content": content})


def paged(items: list[Any], query: dict[str, str]) -> list[Any]:
    start = int(query.get("offset", 0))
    return items[start : start + int(query.get("count", 20))]


def project(number: int = 1, key: str = "PORT", rule: str = "markdown") -> dict[str, Any]:
    return {"id": number, "projectKey": key, "name": "Port", "textFormattingRule": rule, "useWiki": True}


def issue(number: int, updated: str = "2026-11-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "projectId": 1,
        "issueKey": f"PORT-{number}",
        "summary": f"Crane {number} is loud",
        "description": "It hums.",
        "issueType": {"id": 1, "name": "Bug"},
        "priority": {"id": 3, "name": "Normal"},
        "status": {"id": 1, "name": "Open"},
        "assignee": {"id": 5, "name": "Eguchi"},
        "category": [{"id": 1, "name": "Cranes"}],
        "milestone": [],
        "dueDate": "2026-12-24T00:00:00Z",
        "customFields": [{"id": 1, "name": "Berth", "value": {"id": 2, "name": "B7"}}, {"name": "x", "value": None}],
        "attachments": [{"id": 1, "name": "hum.wav"}],
        "created": "2026-01-01T00:00:00Z",
        "updated": updated,
    } | more


def comment(number: int, content: str | None) -> dict[str, Any]:
    return {
        "id": number,
        "content": content,
        "changeLog": [],
        "createdUser": {"name": "Mori"},
        "created": "2026-11-02T00:00:00Z",
        "updated": "2026-11-02T00:00:00Z",
    }


def wiki(number: int, updated: str = "2026-11-01T10:00:00Z", content: Any = "Berths and cranes.") -> dict[str, Any]:
    return {"id": number, "name": f"Guide/{number}", "content": content, "tags": [{"name": "ops"}], "updated": updated}


def document(name: str, updated: str = "2026-01-01T10:00:00Z", plain: Any = "Tides.") -> dict[str, Any]:
    return {"id": name, "projectId": 1, "title": f"Doc {name}", "plain": plain, "tags": [], "updated": updated}


@pytest.fixture
def space() -> Space:
    return Space(projects=[project()])


@pytest.fixture
def server(space: Space) -> Iterator[Vendor]:
    with vendor(space.answer) as running:
        yield running


def source(server: Vendor, secret: str = KEY, **config: Any) -> Source:
    settings = BacklogConfig.model_validate({"space_url": server.url, **config})
    return Source(lambda: BacklogConnector(settings, Credentials.parse(secret)))


def local(synced_ids: Any) -> set[str]:
    return {each.partition("/")[2] for each in synced_ids}


# --- issues ---------------------------------------------------------------------------------------------------------


def test_an_issue_comes_with_its_fields_and_comments(space: Space, server: Vendor) -> None:
    space.issues = [issue(1)]
    space.comments[1] = [comment(1, "First."), comment(2, None), comment(3, "Second.")]
    record = next(iter(source(server).sync().changed.values()))
    assert (record.title, record.url) == ("PORT-1 Crane 1 is loud", f"{server.url}/view/PORT-1")
    assert record.record_id == f"{server.url.removeprefix('http://')}/issue/1"
    for expected in ("- Status: Open", "- Berth: B7", "- Due: 2026-12-24", "- Attachments: hum.wav", "It hums."):
        assert expected in record.text
    assert record.text.index("First.") < record.text.index("Second.")
    assert record.text.count("Comment by Mori") == 2
    assert record.metadata == {"project": "PORT", "kind": "issue", "status": "Open", "issue_key": "PORT-1"}


def test_all_pages_of_issues_and_of_comments_are_read(space: Space, server: Vendor) -> None:
    space.issues = [issue(number) for number in range(1, 131)]
    space.comments[7] = [comment(number, f"Comment {number}.") for number in range(1, 251)]
    synced = source(server).sync()
    assert local(synced.changed) == {f"issue/{number}" for number in range(1, 131)}
    talk = synced.changed[f"{server.url.removeprefix('http://')}/issue/7"].text
    assert all(f"Comment {number}." in talk for number in range(1, 251))


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 45, 50])
def test_no_border_of_pages_loses_or_repeats_an_issue(space: Space, server: Vendor, count: int) -> None:
    space.issues = [issue(number) for number in range(1, count + 1)]
    synced = source(server, wikis=False, documents=False).sync()
    assert len(synced.changed) == count
    assert sum(len(page.records) for page in synced.pages) == count


@pytest.mark.parametrize("deleted", [3, 20, 60, 90])
def test_issues_deleted_while_pages_are_read_do_not_hide_others(
    space: Space, server: Vendor, deleted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.issues = [issue(number) for number in range(1, 91)]
    plain = space.answer
    lists: list[Request] = []

    def answer(request: Request) -> Reply:
        if request.path == "/api/v2/issues":
            lists.append(request)
            if len(lists) == 4:
                for number in range(1, deleted + 1):
                    space.delete(number)
        return plain(request)

    with vendor(answer) as shaky:
        tracked = source(shaky, wikis=False, documents=False)
        tracked.sync()
    assert local(tracked.records) == {f"issue/{number}" for number in range(deleted + 1, 91)}


def test_the_next_sync_asks_for_recent_changes_and_keeps_what_is_the_same(space: Space, server: Vendor) -> None:
    space.issues = [issue(1, "2026-01-01T00:00:00Z"), issue(2, "2099-01-01T00:00:00Z")]
    tracked = source(server)
    assert len(tracked.sync().changed) == 2
    server.requests.clear()
    assert tracked.sync().changed == {}
    asked = next(request for request in server.requests if request.path == "/api/v2/issues")
    assert len(asked.query["updatedSince"]) == 10
    assert not any(request.path == "/api/v2/issues/1/comments" for request in server.requests)
    space.issues[1] |= {"summary": "Quiet now", "updated": "2099-01-02T00:00:00Z"}
    assert [record.title for record in tracked.sync().changed.values()] == ["PORT-2 Quiet now"]


def test_an_edited_comment_is_found_by_looking_back(space: Space, server: Vendor) -> None:
    recent = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime())
    space.issues, space.comments[1] = [issue(1, recent)], [comment(1, "Before.")]
    tracked = source(server)
    tracked.sync()
    space.comments[1] = [comment(1, "After.")]
    assert "After." in next(iter(tracked.sync().changed.values())).text
    space.comments[1] = []
    assert "Comment" not in next(iter(tracked.sync().changed.values())).text


def test_deleted_issues_are_followed_by_their_activities_once(space: Space, server: Vendor) -> None:
    space.happen(1, {"id": 99})
    space.happen(4, {"id": 77, "key_id": 77})  # before the first sync: nothing to do
    space.issues = [issue(number) for number in range(1, 221)]
    tracked = source(server, wikis=False, documents=False)
    first = tracked.sync()
    assert first.deleted == []
    assert len(first.changed) == 220
    for number in range(1, 211):
        space.delete(number)
    space.happen(4, {"key_id": 5})  # malformed
    again = tracked.sync()
    assert len(again.deleted) == 210
    assert "which issue was deleted" in again.reasons
    assert local(tracked.records) == {f"issue/{number}" for number in range(211, 221)}
    last = tracked.sync()
    assert not any(record.deleted for page in last.pages for record in page.records)


def test_an_issue_deleted_during_its_own_first_sync_is_gone(space: Space, server: Vendor) -> None:
    space.issues = [issue(1), issue(2)]
    plain = space.answer

    def answer(request: Request) -> Reply:
        reply = plain(request)
        if request.path == "/api/v2/issues/2/comments":
            space.delete(2)
        return reply

    with vendor(answer) as shaky:
        tracked = source(shaky, wikis=False, documents=False)
        tracked.sync()
    assert local(tracked.records) == {"issue/1"}


def test_malformed_issues_are_told_and_the_others_land(space: Space, server: Vendor) -> None:
    space.issues = [issue(1), issue(2, summary=None, issueKey=None), {"updated": "2026-01-01"}, "what?", issue(3)]
    del space.issues[1]["summary"]
    synced = source(server).sync()
    assert local(synced.changed) == {"issue/1", "issue/3"}
    host = server.url.removeprefix("http://")
    assert [problem.item for problem in synced.problems] == [f"{host}/issue/2", "issue 2", "issue 3"]
    assert synced.problems[0].record_id == f"{host}/issue/2"


def test_backlogs_own_notation_reads_as_markdown(space: Space, server: Vendor) -> None:
    space.projects = [project(rule="backlog")]
    space.issues = [issue(1, description="* Cause\r\n** Part\n{code}\n* not a heading\n{/code}\n- item\n*Tight")]
    text = next(iter(source(server).sync().changed.values())).text
    assert "# Cause\n## Part\n```\n* not a heading\n```\n- item\n# Tight" in text


# --- wiki pages -----------------------------------------------------------------------------------------------------


def test_wiki_pages_are_read_when_they_changed_and_deleted_when_they_are_gone(space: Space, server: Vendor) -> None:
    space.wikis = [wiki(number) for number in range(1, 41)]
    tracked = source(server)
    synced = tracked.sync()
    assert local(synced.changed) == {f"wiki/{number}" for number in range(1, 41)}
    record = next(record for record in synced.changed.values() if record.title == "Guide/3")
    assert (record.url, record.text) == (f"{server.url}/alias/wiki/3", "# Guide/3\n\nBerths and cranes.")
    server.requests.clear()
    assert tracked.sync().changed == {}
    assert not any(request.path.startswith("/api/v2/wikis/") for request in server.requests)
    space.wikis = [wiki(2, "2026-11-05T00:00:00Z", "Changed."), *space.wikis[2:]]
    again = tracked.sync()
    assert (local(again.changed), local(again.deleted)) == ({"wiki/2"}, {"wiki/1"})


def test_a_malformed_wiki_page_is_told_and_is_not_taken_for_deleted(space: Space, server: Vendor) -> None:
    space.wikis = [wiki(1), wiki(2), wiki(3)]
    tracked = source(server)
    tracked.sync()
    space.wikis = [wiki(1), wiki(2, "2026-12-01T00:00:00Z", content=17), {"name": "no id"}]
    again = tracked.sync()
    assert (again.changed, again.deleted) == ({}, [])
    assert len(again.problems) == 2
    space.wikis = [wiki(1), wiki(2, "2026-12-01T00:00:00Z", content="Mended.")]
    mended = tracked.sync()
    assert (local(mended.changed), local(mended.deleted)) == ({"wiki/2"}, {"wiki/3"})


# --- documents ------------------------------------------------------------------------------------------------------


def test_documents_come_with_their_comments_and_go_with_the_trash(space: Space, server: Vendor) -> None:
    names = [f"{number:032x}" for number in range(60)]
    space.documents = [document(name) for name in names]
    space.trash = {names[5]}
    space.remarks[names[0]] = [
        {
            "plain": "Why?",
            "created": "2026-04-01T00:03:47Z",
            "createdUser": {"name": "Mori"},
            "replies": [{"plain": "So."}],
        }
    ]
    tracked = source(server)
    synced = tracked.sync()
    assert local(synced.changed) == {f"document/{name}" for name in names if name != names[5]}
    record = next(record for record in synced.changed.values() if record.title == f"Doc {names[0]}")
    assert record.url == f"{server.url}/document/PORT/{names[0]}"
    assert "Why?" in record.text
    assert "So." in record.text
    space.trash = {names[5], names[6]}
    space.documents[7] = document(names[7], "2026-11-05T00:00:00Z", "Changed.")
    del space.documents[8]
    again = tracked.sync()
    assert local(again.changed) == {f"document/{names[7]}"}
    assert local(again.deleted) == {f"document/{names[6]}", f"document/{names[8]}"}


def test_a_space_without_documents_has_none(space: Space, server: Vendor) -> None:
    space.has_documents = False
    space.issues = [issue(1)]
    assert local(source(server).sync().changed) == {"issue/1"}


def test_comments_of_documents_that_are_not_to_be_seen_are_left_out(space: Space, server: Vendor) -> None:
    name = "0" * 32
    space.documents = [document(name)]
    plain = space.answer
    with vendor(lambda r: Reply({}, 403) if r.path.endswith(f"{name}/comments") else plain(r)) as strict:
        assert local(source(strict).sync().changed) == {f"document/{name}"}


# --- projects -------------------------------------------------------------------------------------------------------


def test_only_the_projects_that_are_asked_for_are_read(space: Space, server: Vendor) -> None:
    space.projects = [project(1, "PORT"), project(2, "SEA")]
    names = {stream.name for stream in source(server, projects=["sea"]).connect().plan({})}
    assert names == {"2/issues", "2/wikis", "2/documents"}


def test_a_project_that_is_no_longer_there_is_deleted(space: Space, server: Vendor) -> None:
    space.projects = [project(1, "PORT"), project(2, "SEA")]
    space.wikis = [wiki(1)]
    tracked = source(server, projects=["PORT", "SEA"])
    tracked.sync()
    assert tracked.known["2/wikis"]
    space.projects = [project(1, "PORT")]
    tracked.sync()
    assert all(each.deleted for each in tracked.known["2/wikis"].values())
    assert tracked.known["1/wikis"]


@pytest.mark.parametrize("projects", [["NONE"], ["PORT", "NONE"]])
def test_a_project_that_never_was_seen_is_an_error(space: Space, server: Vendor, projects: list[str]) -> None:
    with pytest.raises(SourceError, match="NONE"):
        source(server, projects=projects).sync()


def test_a_key_that_sees_nothing_deletes_nothing(space: Space, server: Vendor) -> None:
    space.wikis = [wiki(1)]
    tracked = source(server)
    tracked.sync()
    space.projects = []
    with pytest.raises(SourceError, match="no project"):
        tracked.sync()
    assert tracked.records


# --- limits, credentials, faults ------------------------------------------------------------------------------------


def test_a_rate_limit_is_waited_out(space: Space, server: Vendor) -> None:
    space.issues = [issue(1)]
    reset = str(int(time.time()) + 30)
    limits = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    tracked = source(server, wikis=False, documents=False)
    tracked.connect().plan({})
    plain, left = space.answer, [Reply({"errors": []}, 429, limits)]
    with vendor(lambda r: left.pop() if left and r.path.endswith("/comments") else plain(r)) as limited:
        synced = source(limited, wikis=False, documents=False).sync()
    assert 28 <= synced.waits[0] <= 31
    assert local(synced.changed) == {"issue/1"}


def test_a_rate_limit_in_planning_is_told(server: Vendor) -> None:
    server.faults.append(Reply({}, 429))
    with pytest.raises(RateLimited):
        source(server).sync()


def test_an_oauth_token_goes_as_bearer_and_an_expired_one_is_told(space: Space, server: Vendor) -> None:
    space.issues = [issue(1)]
    assert source(server, '{"access_token": "fresh"}').sync().changed
    assert all("apiKey" not in request.query for request in server.requests)
    with pytest.raises(SourceError, match="expired"):
        source(server, '{"access_token": "stale"}').sync()


@pytest.mark.parametrize("secret", ["", '{"other": "x"}'])
def test_a_secret_without_a_key_is_told(server: Vendor, secret: str) -> None:
    with pytest.raises(SourceError, match="token"):
        source(server, secret).sync()


def test_the_key_is_in_no_record_no_log_and_no_error(
    space: Space, server: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    space.issues, space.wikis, space.documents = [issue(1)], [wiki(1)], [document("a" * 32)]
    synced = source(server).sync()
    assert all(KEY not in record.model_dump_json() for record in synced.changed.values())
    for fault in (Reply(b"<html>", 200), Reply({}, 401), Reply({}, 403), Reply({}, 500), Reply({}, 302)):
        server.faults.append(fault)
        with pytest.raises((SourceError, TransientError)) as caught:
            source(server).sync()
        assert KEY not in str(caught.value)
    with pytest.raises(TransientError) as refused:
        source(Vendor("http://127.0.0.1:1")).sync()
    assert KEY not in str(refused.value)
    assert KEY not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_transient(server: Vendor, status: int) -> None:
    server.faults.append(Reply({}, status))
    with pytest.raises(TransientError):
        source(server).sync()


@pytest.mark.parametrize("body", [{"a": 1}, None, 3, "text"])
def test_another_answer_than_a_list_is_an_error(server: Vendor, body: Any) -> None:
    server.faults.append(Reply(body))
    with pytest.raises(SourceError):
        source(server).sync()


@pytest.mark.parametrize(
    "url", ["http://space.backlog.com", "ftp://x", "https://", "https://u:p@x.backlog.com", "https://x.backlog.com?a=b"]
)
def test_an_address_that_would_give_the_key_away_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        BacklogConfig(space_url=url)


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert BacklogConfig(space_url=" https://Space.backlog.JP/ ").space_url == "https://space.backlog.jp"
