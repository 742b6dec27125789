"""GitLab's connector against its documented API on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from any_sync import Lake
from gitlab_service import PROJECT, TOKEN, Project, gitlab
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from vendor_server import Reply, Request, Vendor

from omnilake.connectors.gitlab import GitLabConfig, GitLabConnector
from omnilake.connectors.protocol import Credentials
from omnilake.errors import RateLimited, SourceError, TransientError

Connect = Callable[..., GitLabConnector]


@pytest.fixture
def project() -> Project:
    return Project()


@pytest.fixture
def api(project: Project) -> Iterator[Vendor]:
    with gitlab(project) as running:
        yield running


@pytest.fixture
def connect(api: Vendor) -> Connect:
    def made(token: str = TOKEN, **config: Any) -> GitLabConnector:
        fields = {"base_url": api.url, "project": PROJECT, **config}
        return GitLabConnector(GitLabConfig.model_validate(fields), Credentials.parse(token))

    return made


def at(minute: int) -> str:
    return f"2026-06-{1 + minute // 1_440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00.000Z"


def last_parts(record_ids: list[str]) -> list[str]:
    return [record_id.partition(f"{PROJECT}/")[2] for record_id in record_ids]


# --- what becomes a record ----------------------------------------------------------------------------------------


def test_an_issue_is_a_record_with_its_comments(project: Project, connect: Connect, api: Vendor) -> None:
    project.put(1, "Lock is stuck", at(0), milestone={"title": "Summer"})
    project.comment(1, "Oil it.", at(10))
    project.comment(1, "closed via commit", at(11), system=True)
    project.comment(1, "between us", at(12), internal=True)
    lake = Lake().sync(connect(), "gitlab")
    (record,) = lake.documents.values()
    assert record.record_id == f"{api.url.removeprefix('http://')}/{PROJECT}/issues/1"
    assert (record.title, record.media_type) == ("Lock is stuck (#1)", "text/markdown")
    assert record.text == (
        "# Lock is stuck\n\nAbout Lock is stuck.\n\n## Comments\n\n### Ben Ode, 2026-06-01 00:10\n\nOil it."
    )
    assert record.url == f"https://gitlab.example/{PROJECT}/-/issues/1"
    assert record.updated_at == at(12)
    assert record.metadata == {
        "kind": "issue",
        "state": "opened",
        "author": "Ann Lee",
        "labels": "harbour",
        "milestone": "Summer",
        "created_at": at(0),
    }


def test_merge_requests_and_wiki_pages_are_records(project: Project, connect: Connect) -> None:
    project.put(4, "Add a lamp", at(0), "merge_requests")
    project.comment(4, "Looks good.", at(1), "merge_requests")
    project.wiki["guides/night watch"] = "Wake at four."
    lake = Lake().sync(connect(), "gitlab")
    merge_request, page = lake.documents.values()
    assert merge_request.title == "Add a lamp (!4)"
    assert "Looks good." in merge_request.text
    assert last_parts([page.record_id]) == ["wiki/guides/night watch"]
    assert page.text == "# Night Watch\n\nWake at four."
    assert page.url == f"https://gitlab.example/{PROJECT}/-/wikis/guides/night%20watch"


def test_internal_comments_and_confidential_issues_come_only_when_wanted(project: Project, connect: Connect) -> None:
    project.put(1, "Open", at(0))
    project.comment(1, "between us", at(1), internal=True)
    project.put(2, "Hidden", at(2), confidential=True)
    assert last_parts(list(Lake().sync(connect(), "gitlab").documents)) == ["issues/1"]
    lake = Lake().sync(connect(confidential=True), "gitlab")
    assert last_parts(list(lake.documents)) == ["issues/1", "issues/2"]
    assert "between us" in next(iter(lake.documents.values())).text


@given(st.lists(st.integers(0, 12), max_size=25), st.integers(1, 6))
@hypothesis_settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_issue_is_read_once_whatever_the_times_and_pages(
    project: Project, connect: Connect, times: list[int], most: int
) -> None:
    """Many of one time, at the borders of pages."""
    project.items["issues"], project.most = [], most
    for iid, minute in enumerate(times):
        project.put(iid, f"Issue {iid}", at(minute))
    lake = Lake().sync(connect(), "gitlab")
    assert len(lake.changed) == len(lake.documents) == len(times)
    assert lake.sync(connect(), "gitlab").written == []


# --- incremental --------------------------------------------------------------------------------------------------


def test_a_second_sync_reads_from_a_little_before_the_last_change(
    project: Project, connect: Connect, api: Vendor
) -> None:
    for iid in range(8):
        project.put(iid, f"Issue {iid}", at(iid * 60))
    lake = Lake().sync(connect(), "gitlab")
    assert lake.cursors["issues"] == {"after": at(420), "syncs": 1}
    api.requests.clear()
    project.put(2, "Issue 2, renamed", at(500))
    lake.sync(connect(), "gitlab")
    assert last_parts(lake.changed) == ["issues/2"]
    asked = [request.query["updated_after"] for request in api.requests if request.path.endswith("/issues")]
    assert asked == [at(415)]


def test_an_item_that_is_late_within_the_overlap_is_not_lost(project: Project, connect: Connect) -> None:
    """Its transaction ended after the sync although its time is before the cursor."""
    project.put(1, "First", at(60))
    lake = Lake().sync(connect(), "gitlab")
    project.put(2, "Late", at(57))
    assert last_parts(lake.sync(connect(), "gitlab").changed) == ["issues/2"]


def test_an_item_that_changes_while_pages_are_read_moves_no_other_out_of_sight(
    project: Project, connect: Connect, api: Vendor
) -> None:
    for iid in range(9):
        project.put(iid, f"Issue {iid}", at(iid))
    real, changed = project._ordered, iter([True])

    def ordered(kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        if query.get("updated_after", "") > at(0) and next(changed, False):
            project.put(0, "Issue 0, edited", at(100))
            project.remove(1)
        return real(kind, query)

    project._ordered = ordered  # type: ignore[method-assign]
    lake = Lake().sync(connect(), "gitlab")
    assert {f"issues/{iid}" for iid in range(2, 9)} <= set(last_parts(lake.changed))
    assert any(record.title == "Issue 0, edited (#0)" for record in lake.documents.values())


def test_deletions_are_seen_by_a_listing_every_few_syncs(project: Project, connect: Connect) -> None:
    for iid in range(7):
        project.put(iid, f"Issue {iid}", at(iid))
    lake = Lake().sync(connect(list_every=3), "gitlab")
    project.remove(5)
    project.put(6, "Issue 6, renamed", at(90))
    assert lake.sync(connect(list_every=3), "gitlab").deleted == []
    lake.sync(connect(list_every=3), "gitlab")
    assert (last_parts(lake.deleted), lake.changed) == (["issues/5"], [])
    assert lake.sync(connect(list_every=3), "gitlab").written == []


def test_a_listing_reads_what_was_overlooked(project: Project, connect: Connect) -> None:
    project.put(1, "Issue 1", at(0))
    project.comment(1, "one", at(60))
    lake = Lake().sync(connect(list_every=1), "gitlab")
    project.notes["issues", 1] = []  # a comment is deleted: the issue's time of change stays
    project.items["issues"][0]["user_notes_count"] = 0
    project.put(2, "Restored", at(1))  # long before the cursor
    lake.sync(connect(list_every=1), "gitlab")
    assert sorted(last_parts(lake.changed)) == ["issues/1", "issues/2"]
    assert not any("## Comments" in record.text for record in lake.documents.values())


def test_an_issue_that_moved_or_became_confidential_goes_at_once(project: Project, connect: Connect) -> None:
    project.put(1, "Issue 1", at(0))
    project.put(2, "Issue 2", at(1))
    lake = Lake().sync(connect(), "gitlab")
    project.put(1, "Issue 1", at(50), moved_to_id=99, state="closed")
    project.put(2, "Issue 2", at(51), confidential=True)
    assert last_parts(lake.sync(connect(), "gitlab").deleted) == ["issues/1", "issues/2"]


def test_wiki_pages_that_change_or_go_are_followed(project: Project, connect: Connect) -> None:
    project.wiki = {f"page{number:02d}": "words" for number in range(25)}
    lake = Lake().sync(connect(), "gitlab")
    assert len(lake.documents) == 25
    project.wiki["page03"] = "other words"
    del project.wiki["page24"]
    lake.sync(connect(), "gitlab")
    assert (last_parts(lake.changed), last_parts(lake.deleted)) == (["wiki/page03"], ["wiki/page24"])


def test_what_the_project_or_the_source_switches_off_goes(project: Project, connect: Connect) -> None:
    project.put(1, "Issue 1", at(0))
    project.wiki["page"] = "words"
    lake = Lake().sync(connect(), "gitlab")
    project.facts["wiki_access_level"] = "disabled"
    assert last_parts(lake.sync(connect(), "gitlab").deleted) == ["wiki/page"]
    assert last_parts(lake.sync(connect(issues=False), "gitlab").deleted) == ["issues/1"]
    assert lake.documents == {}


def test_an_empty_project_is_no_error(connect: Connect) -> None:
    lake = Lake().sync(connect(), "gitlab")
    assert (lake.written, lake.problems) == ([], [])


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply({"message": "429 Too Many Requests"}, 429, {"Retry-After": "42"}), RateLimited, r"Wait 42 s\."),
        (Reply({}, 429), RateLimited, r"Wait 60 s\."),
        (Reply({"error": "invalid_token"}, 401), SourceError, "invalid, expired or revoked"),
        (Reply({"error": "insufficient_scope"}, 403), SourceError, "refuses access"),
        (Reply({}, 500), TransientError, "500"),
        (Reply({}, 503, {"Retry-After": "5"}), RateLimited, r"Wait 5 s\."),
        (Reply(b"<html>sign in, secret words</html>"), SourceError, "something else than JSON"),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:1/elsewhere"}), SourceError, "redirects"),
        (Reply({"no": "list"}), SourceError, "not that of its API"),
    ],
)
def test_what_gitlab_refuses_is_told_as_what_it_is(
    connect: Connect, api: Vendor, reply: Reply, error: type[Exception], said: str
) -> None:
    connector = connect()
    stream = connector.plan({})[0]
    api.faults.append(reply)
    with pytest.raises(error, match=said) as raised:
        connector.fetch(stream, None, {})
    assert TOKEN not in str(raised.value)
    assert "secret words" not in str(raised.value)


def test_a_project_that_the_token_does_not_see_is_named_as_such(connect: Connect) -> None:
    with pytest.raises(SourceError, match="no such project"):
        connect(project="harbour/other").plan({})


def test_malformed_items_are_listed_and_their_neighbours_read(project: Project, connect: Connect) -> None:
    project.put(1, "Good", at(0))
    project.put(5, "Also good", at(3))
    project.raw = [
        "no object",
        {"title": "no number", "updated_at": at(1)},
        {"iid": 3, "updated_at": at(2)},
        {"iid": 4, "title": "no time"},
    ]
    project.most = 10
    lake = Lake().sync(connect(), "gitlab")
    assert last_parts(lake.changed) == ["issues/1", "issues/5"]
    assert [problem.item.partition(" after")[0] for problem in lake.problems] == [
        "issues, item 2",
        "issues, item 3",
        "issues 3",
        "issues 4",
    ]


def test_a_malformed_wiki_page_is_listed_and_not_deleted(project: Project, connect: Connect, api: Vendor) -> None:
    project.wiki = {"bad": "words", "good": "words"}
    lake = Lake().sync(connect(), "gitlab")
    real = project.answer

    def broken(request: Request) -> Reply:
        return Reply({"slug": "bad"}) if request.path.endswith("/wikis/bad") else real(request)

    project.answer = broken  # type: ignore[method-assign]
    with gitlab(project) as second:
        connector = connect(base_url=second.url)
        connector._host = api.url.removeprefix("http://")  # the same server at another address
        lake.sync(connector, "gitlab")
    assert (lake.written, [problem.item for problem in lake.problems]) == ([], ["wiki page bad"])
