"""Slack's connector against its documented API on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from any_sync import Lake
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from slack_service import DAY, MONDAY, TOKEN, Workspace, slack
from vendor_server import Reply, Vendor

from omnilake.connectors import slack as module
from omnilake.connectors.protocol import Credentials, Stream
from omnilake.connectors.slack import SlackConfig, SlackConnector
from omnilake.errors import RateLimited, SourceError, TransientError

Connect = Callable[..., SlackConnector]


@pytest.fixture(autouse=True)
def _no_names_of_other_tests() -> Iterator[None]:
    module._DIRECTORIES.clear()
    yield
    module._DIRECTORIES.clear()


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def api(workspace: Workspace) -> Iterator[Vendor]:
    with slack(workspace) as running:
        yield running


@pytest.fixture
def connect(api: Vendor) -> Connect:
    def made(token: str = TOKEN, **config: Any) -> SlackConnector:
        fields = {"workspace": "T1", "base_url": f"{api.url}/api", **config}
        return SlackConnector(SlackConfig.model_validate(fields), Credentials.parse(token))

    return made


def texts(lake: Lake, record_id: str) -> list[str]:
    return [message.text for message in lake.documents[record_id].messages]


# --- what becomes a record ----------------------------------------------------------------------------------------


def test_messages_of_a_day_are_one_record_and_a_thread_is_one(workspace: Workspace, connect: Connect) -> None:
    workspace.say(MONDAY + 60, "good morning <@U2>")
    root = workspace.say(MONDAY + 120, "the lock is stuck", user="U2")
    workspace.say(MONDAY + 3_600, "turn it off and on", thread=root)
    workspace.say(MONDAY + 7_200, "lunch at 12 &amp; tea")
    workspace.say(MONDAY + DAY, "tuesday")
    lake = Lake().sync(connect(), "slack")

    assert sorted(lake.documents) == ["T1/C1/2026-06-01", "T1/C1/2026-06-02", f"T1/C1/thread/{root}"]
    assert texts(lake, "T1/C1/2026-06-01") == ["good morning @Ben Ode", "lunch at 12 & tea"]
    thread = lake.documents[f"T1/C1/thread/{root}"]
    assert [(each.author, each.text) for each in thread.messages] == [
        ("Ben Ode", "the lock is stuck"),
        ("Ann Lee", "turn it off and on"),
    ]
    assert thread.title == "#general: the lock is stuck"
    assert thread.url == f"https://harbour.slack.com/archives/C1/p{root.replace('.', '')}"
    assert thread.messages[1].url.endswith(f"?thread_ts={root}&cid=C1")
    assert (thread.effective_on, thread.updated_at) == ("2026-06-01T00:02:00Z", "2026-06-01T01:00:00.000Z")
    assert thread.metadata == {"channel": "general", "channel_id": "C1"}


def test_a_history_of_many_pages_loses_and_doubles_nothing(workspace: Workspace, connect: Connect) -> None:
    for number in range(20):
        workspace.say(MONDAY + number * 9_000, f"message {number}")
    root = workspace.say(MONDAY + 5, "a long thread")
    for number in range(10):
        workspace.say(MONDAY + 3 * DAY + number, f"reply {number}", thread=root)
    lake = Lake().sync(connect(), "slack")
    said = [
        text for record_id in sorted(lake.documents) for text in texts(lake, record_id) if "thread" not in record_id
    ]
    assert said == [f"message {number}" for number in range(20)]
    assert texts(lake, f"T1/C1/thread/{root}") == ["a long thread", *[f"reply {number}" for number in range(10)]]


@given(
    st.lists(st.tuples(st.integers(0, 3 * DAY * 1_000), st.booleans()), max_size=14, unique_by=lambda each: each[0]),
    st.integers(1, 5),
)
@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_message_is_read_once_at_whatever_times_and_page_sizes(
    workspace: Workspace, connect: Connect, times: list[tuple[int, bool]], most: int
) -> None:
    """Times that touch the borders of pages and days, some a microsecond apart."""
    workspace.messages["C1"], workspace.most = [], most
    for milliseconds, replied in times:
        ts = workspace.say(MONDAY + milliseconds / 1_000, f"m{milliseconds}")
        if replied:
            workspace.say(MONDAY + 10 * DAY + milliseconds / 1_000, f"r{milliseconds}", thread=ts)
    lake = Lake().sync(connect(), "slack")
    said = [message.text for record in lake.documents.values() for message in record.messages]
    assert sorted(said) == sorted(
        [f"m{each}" for each, _ in times] + [f"r{each}" for each, replied in times if replied]
    )
    assert lake.sync(connect(), "slack").written == []


def test_messages_a_microsecond_apart_at_the_border_of_a_day_go_to_their_days(
    workspace: Workspace, connect: Connect
) -> None:
    workspace.most = 1
    for ts in ("1780358399.999999", "1780358400.000000", "1780358400.000001"):
        workspace.messages["C1"].append({"type": "message", "user": "U1", "text": ts, "ts": ts})
    lake = Lake().sync(connect(), "slack")
    assert texts(lake, "T1/C1/2026-06-01") == ["1780358399.999999"]
    assert texts(lake, "T1/C1/2026-06-02") == ["1780358400.000000", "1780358400.000001"]


def test_who_joined_is_no_document(workspace: Workspace, connect: Connect) -> None:
    workspace.say(MONDAY, "<@U1> has joined the channel", subtype="channel_join")
    assert Lake().sync(connect(), "slack").documents == {}


# --- incremental --------------------------------------------------------------------------------------------------


def test_a_second_sync_reads_the_last_days_again_and_writes_nothing_that_is_the_same(
    workspace: Workspace, connect: Connect, api: Vendor
) -> None:
    for day in range(30):
        workspace.say(MONDAY + day * DAY, f"day {day}")
    lake = Lake().sync(connect(), "slack")
    assert lake.cursors == {"channel/C1": {"day": "2026-06-30"}}
    api.requests.clear()
    workspace.say(MONDAY + 29 * DAY + 60, "one more")
    lake.sync(connect(), "slack")
    assert lake.changed == ["T1/C1/2026-06-30"]
    assert texts(lake, "T1/C1/2026-06-30") == ["day 29", "one more"]
    oldest = {request.form["oldest"] for request in api.requests if request.path.endswith("history")}
    assert oldest == {f"{MONDAY + 22 * DAY}.000000"}


def test_edits_and_deletions_inside_the_days_are_followed(workspace: Workspace, connect: Connect) -> None:
    edited, gone = workspace.say(MONDAY, "old words"), workspace.say(MONDAY + DAY, "a mistake")
    root = workspace.say(MONDAY + 2 * DAY, "a question")
    reply = workspace.say(MONDAY + 2 * DAY + 1, "an answer", thread=root)
    lake = Lake().sync(connect(), "slack")

    workspace.edit(edited, "new words")
    workspace.delete(gone)
    workspace.edit(reply, "a better answer")
    lake.sync(connect(), "slack")
    assert lake.changed == ["T1/C1/2026-06-01", f"T1/C1/thread/{root}"]
    assert lake.deleted == ["T1/C1/2026-06-02"]
    assert texts(lake, "T1/C1/2026-06-01") == ["new words"]
    assert texts(lake, f"T1/C1/thread/{root}") == ["a question", "a better answer"]

    workspace.delete(reply)
    workspace.delete(root)
    lake.sync(connect(), "slack")
    assert lake.deleted == [f"T1/C1/thread/{root}"]


def test_a_first_reply_moves_a_message_out_of_its_day_into_a_thread(workspace: Workspace, connect: Connect) -> None:
    root = workspace.say(MONDAY, "anyone here?")
    lake = Lake().sync(connect(), "slack")
    workspace.say(MONDAY + 60, "yes", thread=root)
    lake.sync(connect(), "slack")
    assert list(lake.documents) == [f"T1/C1/thread/{root}"]


def test_an_old_thread_is_followed_while_it_is_alive(workspace: Workspace, connect: Connect) -> None:
    root = workspace.say(MONDAY, "an old question")
    workspace.say(MONDAY + 20 * DAY, "a late answer", thread=root)
    workspace.say(MONDAY + 21 * DAY, "something else")
    lake = Lake().sync(connect(), "slack")
    workspace.say(MONDAY + 22 * DAY, "another", thread=root)
    assert lake.sync(connect(), "slack").changed == [f"T1/C1/thread/{root}"]
    workspace.messages["C1"] = [each for each in workspace.messages["C1"] if each.get("thread_ts") != root]
    assert lake.sync(connect(), "slack").deleted == [f"T1/C1/thread/{root}"]


def test_a_reply_that_was_sent_to_the_channel_too_wakes_an_old_thread(workspace: Workspace, connect: Connect) -> None:
    root = workspace.say(MONDAY, "an old question")
    workspace.say(MONDAY + 5, "an answer", thread=root)
    workspace.say(MONDAY + 30 * DAY, "something else")
    lake = Lake().sync(connect(), "slack")
    workspace.say(MONDAY + 31 * DAY, "found it!", thread=root, subtype="thread_broadcast")
    assert lake.sync(connect(), "slack").changed == [f"T1/C1/thread/{root}"]
    assert texts(lake, f"T1/C1/thread/{root}")[-1] == "found it!"


def test_a_channel_that_is_deleted_takes_its_records_along(workspace: Workspace, connect: Connect) -> None:
    workspace.channel("C2", "random")
    workspace.say(MONDAY, "here", channel="C2")
    workspace.say(MONDAY, "there")
    lake = Lake().sync(connect(), "slack")
    del workspace.channels["C2"], workspace.messages["C2"]
    lake.sync(connect(), "slack")
    assert lake.deleted == ["T1/C2/2026-06-01"]
    assert list(lake.cursors) == ["channel/C1"]


def test_a_channel_that_was_archived_keeps_its_records(workspace: Workspace, connect: Connect) -> None:
    workspace.say(MONDAY, "kept")
    lake = Lake().sync(connect(), "slack")
    workspace.channels["C1"] |= {"is_archived": True, "is_member": False}
    assert lake.sync(connect(), "slack").written == []
    assert list(lake.documents) == ["T1/C1/2026-06-01"]


def test_an_empty_workspace_is_no_error(workspace: Workspace, connect: Connect) -> None:
    lake = Lake().sync(connect(), "slack")
    assert (lake.written, lake.problems) == ([], [])


# --- channels -----------------------------------------------------------------------------------------------------


def test_only_wanted_readable_channels_are_planned(workspace: Workspace, connect: Connect) -> None:
    workspace.channel("C2", "random")
    workspace.channel("C3", "elsewhere", is_member=False)
    workspace.channel("G1", "secret", is_private=True)

    def names(**config: Any) -> list[str]:
        return [stream.name for stream in connect(**config).plan({})]

    assert names() == ["channel/C1", "channel/C2"]
    assert names(private_channels=True) == ["channel/C1", "channel/C2", "channel/G1"]
    assert names(channels=["#random"]) == ["channel/C2"]
    assert names(channels=["C1"]) == ["channel/C1"]
    with pytest.raises(SourceError, match="sees no channel nowhere"):
        connect(channels=["nowhere"]).plan({})


def test_a_token_of_another_workspace_is_refused(connect: Connect) -> None:
    assert connect(workspace="harbour").plan({})
    with pytest.raises(SourceError, match="another Slack workspace"):
        connect(workspace="lighthouse").plan({})


def test_a_channel_that_can_not_be_read_is_told_of_and_others_go_on(workspace: Workspace, connect: Connect) -> None:
    workspace.channel("C2", "closed")
    del workspace.messages["C2"]
    workspace.say(MONDAY, "open")
    lake = Lake().sync(connect(), "slack")
    assert list(lake.documents) == ["T1/C1/2026-06-01"]
    assert [(each.item, "channel_not_found" in each.reason) for each in lake.problems] == [("#closed", True)]


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "30"}), RateLimited, r"Wait 30 s\."),
        (Reply(b"", 429), RateLimited, r"Wait 60 s\."),
        (Reply({"ok": False, "error": "ratelimited"}), RateLimited, r"Wait 60 s\."),
        (Reply({"ok": False, "error": "token_expired"}), SourceError, "token has expired"),
        (Reply({"ok": False, "error": "token_revoked"}), SourceError, "token was revoked"),
        (Reply({"ok": False, "error": "invalid_auth"}), SourceError, "token is not valid"),
        (Reply({"ok": False, "error": "account_inactive"}), SourceError, "not active"),
        (
            Reply({"ok": False, "error": "missing_scope", "needed": "channels:history"}),
            SourceError,
            "lacks the scope channels:history",
        ),
        (Reply({"ok": False, "error": "internal_error"}), TransientError, "conversations.history"),
        (Reply(b"<html>Bad gateway</html>", 502), TransientError, "502"),
        (Reply(b"<html>secret words</html>"), SourceError, "status 200"),
        (Reply([1, 2]), SourceError, "not that of its API"),
        (Reply({"ok": True}), SourceError, "holds no messages"),
        (Reply({"ok": False, "error": "something_new"}), SourceError, "something_new"),
    ],
)
def test_what_slack_refuses_is_told_as_what_it_is(
    connect: Connect, api: Vendor, reply: Reply, error: type[Exception], said: str
) -> None:
    (stream,) = connect().plan({})
    api.faults.append(reply)
    with pytest.raises(error, match=said) as raised:
        connect().fetch(stream, None, {})
    assert TOKEN not in str(raised.value)
    assert "secret words" not in str(raised.value)


def test_no_connection_is_transient_and_a_wrong_address_is_not(api: Vendor) -> None:
    def connected(base_url: str) -> SlackConnector:
        return SlackConnector(SlackConfig(workspace="T1", base_url=base_url), Credentials.parse(TOKEN))

    with pytest.raises(TransientError, match="could not be reached"):
        connected("http://127.0.0.1:9/api/").plan({})
    with pytest.raises(SourceError, match="no token"):
        SlackConnector(SlackConfig(workspace="T1"), Credentials.parse(""))


def test_a_rate_limit_among_the_names_goes_on_where_it_came(
    workspace: Workspace, connect: Connect, api: Vendor
) -> None:
    workspace.users = [{"id": f"U{number}", "name": f"u{number}"} for number in range(10)]
    workspace.say(MONDAY, "hello", user="U9")
    (stream,) = connect().plan({})
    limits = iter([True, False])
    real = workspace._paged

    def paged(name: str, items: list[Any], form: dict[str, str]) -> Reply:
        if name == "members" and form.get("cursor") == "3" and next(limits):
            return Reply(b"", 429, {"Retry-After": "1"})
        return real(name, items, form)

    workspace._paged = paged  # type: ignore[method-assign]
    with pytest.raises(RateLimited):
        connect().fetch(stream, None, {})
    page = connect().fetch(stream, None, {})
    assert page.records[0].messages[0].author == "u9"
    cursors = [request.form.get("cursor", "") for request in api.requests if request.path.endswith("users.list")]
    assert cursors == ["", "3", "3", "6", "9"]


def test_malformed_messages_are_listed_and_their_neighbours_read(workspace: Workspace, connect: Connect) -> None:
    workspace.most = 10
    workspace.say(MONDAY, "good")
    workspace.raw = [
        "no object",
        {"type": "message", "text": "no time"},
        {"type": "message", "text": 7, "ts": f"{MONDAY + 1}.000000"},
        {"type": "message", "text": "bad time", "ts": "yesterday"},
        {"type": "message", "ts": f"{MONDAY + 2}.000000", "text": "odd author", "user": {"id": 1}},
    ]
    lake = Lake().sync(connect(), "slack")
    assert texts(lake, "T1/C1/2026-06-01") == ["good", "odd author"]
    assert len(lake.problems) == 4
    assert all("no time" not in problem.reason for problem in lake.problems)


def test_a_page_without_any_time_stops_rather_than_losing_what_is_below_it(connect: Connect, api: Vendor) -> None:
    (stream,) = connect().plan({})
    api.faults.append(Reply({"ok": True, "messages": [{"text": "x"}], "has_more": True}))
    with pytest.raises(SourceError, match="no message has a time"):
        connect().fetch(stream, None, {})


def test_a_first_sync_may_be_limited_to_the_last_days(connect: Connect, api: Vendor) -> None:
    connect(history_days=30).fetch(Stream(name="channel/C1", options=_OPTIONS), None, {})
    assert int(float(api.requests[-1].form["oldest"])) % DAY == 0


_OPTIONS = {"channel": "C1", "name": "general", "url": "https://harbour.slack.com/"}
