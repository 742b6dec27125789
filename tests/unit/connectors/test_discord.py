"""Discord, against a local server that answers as https://docs.discord.com/developers describes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from synced_source import Source, Synced
from vendor_server import Reply, Request, Vendor, vendor

from omnilake.connectors.discord import DiscordConfig, DiscordConnector, made_at, snowflake
from omnilake.connectors.protocol import Credentials
from omnilake.errors import SourceError, TransientError

GUILD = "900"
TOKEN = "Sekret.bot.token"  # the test's own
START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def at(days: float = 0, minutes: float = 0) -> int:
    """An id of something that was made so long after START."""
    return snowflake(START + timedelta(days=days, minutes=minutes))


def said(number: int, content: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "type": 0,
        "content": content or f"Message {number}.",
        "author": {"id": "5", "username": "mori", "global_name": "Mori"},
        "timestamp": made_at(number).isoformat(),
        "edited_timestamp": None,
        "mentions": [],
        "attachments": [],
        "embeds": [],
    } | more


@dataclass
class Guild:
    """A server, as its API shows it."""

    channels: list[dict[str, Any]] = field(default_factory=list)
    messages: dict[str, list[Any]] = field(default_factory=dict)
    active: list[dict[str, Any]] = field(default_factory=list)
    archived: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)  # channels that the bot may not read
    extra: dict[str, str] = field(default_factory=dict)  # headers of lists of messages
    page: int = 100

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bot {TOKEN}":
            return Reply({"message": "401: Unauthorized", "code": 0}, 401)
        assert request.headers["user-agent"].startswith("DiscordBot (")
        match request.path.strip("/").split("/"):
            case ["guilds", guild, *_] if guild != GUILD:
                return Reply({"message": "Unknown Guild", "code": 10004}, 404)
            case ["guilds", _, "channels"]:
                return Reply(self.channels)
            case ["guilds", _, "roles"]:
                return Reply([{"id": "71", "name": "harbour-masters"}])
            case ["guilds", _, "threads", "active"]:
                return Reply({"threads": self.active, "members": []})
            case ["channels", channel, "threads", "archived", "public"]:
                listed = sorted(self.archived.get(channel, []), key=archived_at, reverse=True)
                if "before" in request.query:
                    listed = [each for each in listed if archived_at(each) < request.query["before"]]
                shown = listed[: min(self.page, int(request.query["limit"]))]
                return Reply({"threads": shown, "members": [], "has_more": len(listed) > len(shown)})
            case ["channels", channel, "messages"]:
                if channel in self.hidden:
                    return Reply({"message": "Missing Access", "code": 50001}, 403)
                if channel not in self.messages:
                    return Reply({"message": "Unknown Channel", "code": 10003}, 404)
                told = [e for e in self.messages[channel] if number(e) > int(request.query["after"])]
                told = sorted(told, key=number)[: int(request.query["limit"])]
                return Reply(told[::-1], headers=self.extra)
            case ["channels", channel]:
                if channel in self.messages:
                    return Reply({"id": channel, "name": f"called-{channel}", "type": 12})
        return Reply({"message": "Unknown Channel", "code": 10003}, 404)


def archived_at(thread: dict[str, Any]) -> str:
    return str(thread["thread_metadata"]["archive_timestamp"])


def number(message: Any) -> int:
    return int(message["id"]) if isinstance(message, dict) and str(message.get("id", "")).isdecimal() else 10**19


def channel(channel_id: str = "10", name: str = "cranes", kind: int = 0) -> dict[str, Any]:
    return {"id": channel_id, "name": name, "type": kind}


def thread(number: int, name: str = "Loud crane", parent: str = "10", last: int = 0, archived: str = "") -> Any:
    return {
        "id": str(number),
        "name": name,
        "type": 11,
        "parent_id": parent,
        "last_message_id": str(last or number),
        "thread_metadata": {"archived": bool(archived), "archive_timestamp": archived or made_at(number).isoformat()},
    }


@pytest.fixture
def guild() -> Guild:
    return Guild(channels=[channel()], messages={"10": []})


@pytest.fixture
def server(guild: Guild) -> Iterator[Vendor]:
    with vendor(guild.answer) as running:
        yield running


class Clock:
    """Waiting moves it on at once."""

    ahead = 0.0
    monotonic = staticmethod(time.monotonic)
    real = staticmethod(time.time)

    @classmethod
    def time(cls) -> float:
        return float(cls.real()) + cls.ahead


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "ahead", 0.0)
    monkeypatch.setattr("omnilake.connectors.discord.time", Clock)


def source(server: Vendor, secret: str = TOKEN, **config: Any) -> Source:
    settings = DiscordConfig.model_validate({"guild_id": GUILD, "base_url": server.url, **config})

    def waited(seconds: int) -> None:
        Clock.ahead += seconds

    return Source(lambda: DiscordConnector(settings, Credentials.parse(secret)), waited)


def texts(synced: Synced, record_id: str) -> list[str]:
    return [message.text for message in synced.changed[record_id].messages]


# --- channels -------------------------------------------------------------------------------------------------------


def test_messages_are_gathered_by_channel_and_day(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(0, 1), "One."), said(at(0, 2), "Two."), said(at(1), "Three.")]
    synced = source(server).sync()
    assert set(synced.changed) == {f"{GUILD}/10/2026-11-01", f"{GUILD}/10/2026-11-02"}
    record = synced.changed[f"{GUILD}/10/2026-11-01"]
    assert (record.title, record.effective_on) == ("#cranes, 2026-11-01", "2026-11-01T00:00:00Z")
    first = record.messages[0]
    assert (first.author, first.text, first.posted_at) == ("Mori", "One.", "2026-11-01T09:01:00.000Z")
    assert first.url == f"https://discord.com/channels/{GUILD}/10/{at(0, 1)}"


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
def test_no_border_of_pages_loses_or_repeats_a_message(guild: Guild, server: Vendor, count: int) -> None:
    guild.messages["10"] = [said(at(minutes=minute * 20)) for minute in range(count)]
    synced = source(server).sync()
    found = [message.url for record in synced.changed.values() for message in record.messages]
    assert len(found) == len(set(found)) == count


def test_a_long_day_goes_on_in_further_records(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(minutes=0) + second) for second in range(1_150)]
    tracked = source(server)
    synced = tracked.sync()
    day = f"{GUILD}/10/2026-11-01"
    assert {name: len(record.messages) for name, record in synced.changed.items()} == {
        day: 500,
        f"{day}/2": 500,
        f"{day}/3": 150,
    }
    guild.messages["10"] = guild.messages["10"][:700]
    again = tracked.sync()
    assert again.deleted == [f"{day}/3"]
    assert len(tracked.records[f"{day}/2"].messages) == 200


def test_messages_of_one_moment_are_all_kept(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at() + place) for place in range(120)]
    assert len(next(iter(source(server).sync().changed.values())).messages) == 120


def test_an_edit_and_a_deletion_within_the_look_back_are_followed(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(day), f"Day {day}.") for day in range(12)] + [said(at(11, 5), "Twelve.")]
    tracked = source(server)
    assert len(tracked.sync().changed) == 12
    server.requests.clear()
    guild.messages["10"][10] |= {"content": "Edited.", "edited_timestamp": "2026-11-12T00:00:00Z"}
    del guild.messages["10"][8]
    guild.messages["10"][0] |= {"content": "Edited too early to be seen."}
    again = tracked.sync()
    assert texts(again, f"{GUILD}/10/2026-11-11") == ["Edited."]
    assert again.deleted == [f"{GUILD}/10/2026-11-09"]
    assert set(again.changed) == {f"{GUILD}/10/2026-11-11"}
    asked = next(request for request in server.requests if request.path == "/channels/10/messages")
    assert int(asked.query["after"]) == snowflake(datetime(2026, 11, 5, tzinfo=UTC)) - 1


def test_a_deleted_last_message_leaves_the_day_without_it(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(0, 1), "Stays."), said(at(0, 2), "Goes.")]
    tracked = source(server)
    tracked.sync()
    guild.messages["10"].pop()
    assert texts(tracked.sync(), f"{GUILD}/10/2026-11-01") == ["Stays."]


def test_the_first_sync_goes_back_as_far_as_it_is_told_to(guild: Guild, server: Vendor) -> None:
    now = datetime.now(UTC)
    guild.messages["10"] = [said(snowflake(now - timedelta(days=40))), said(snowflake(now - timedelta(days=2)))]
    assert len(source(server, history_days=30).sync().changed) == 1


# --- threads --------------------------------------------------------------------------------------------------------


def test_threads_active_and_archived_are_records_of_their_own(guild: Guild, server: Vendor) -> None:
    one, two = at(0, 10), at(1, 10)
    guild.messages |= {
        "10": [said(one, "It hums."), said(at(0, 11), "Aside.")],
        str(one): [
            said(at(0, 12), type=21, referenced_message=said(one, "It hums.")) | {"content": ""},
            said(at(0, 13), "Still?"),
        ],
        str(two): [said(two, "Oil it.")],
    }
    guild.active = [thread(one, last=at(0, 13)), thread(at(5), parent="other")]
    guild.archived["10"] = [thread(two, "Oil", archived="2026-11-03T00:00:00.123000+00:00")]
    synced = source(server).sync()
    assert texts(synced, f"{GUILD}/10/thread/{one}") == ["It hums.", "Still?"]
    record = synced.changed[f"{GUILD}/10/thread/{two}"]
    assert (record.title, record.effective_on) == ("#cranes: Oil", "2026-11-02T09:10:00Z")
    assert record.messages[0].thread == str(two)
    assert texts(synced, f"{GUILD}/10/2026-11-01") == ["It hums.", "Aside."]


def test_posts_of_a_forum_are_read_and_the_next_sync_reads_only_recent_ones(guild: Guild, server: Vendor) -> None:
    guild.channels = [channel("20", "questions", 15)]
    posts = [at(day) for day in range(30)]
    guild.archived["20"] = [
        thread(post, f"Post {post}", "20", archived=(made_at(post) + timedelta(hours=1)).isoformat()) for post in posts
    ]
    guild.messages = {str(post): [said(post, "How?"), said(post + 1, "So.")] for post in posts}
    guild.page = 7
    tracked = source(server)
    assert len(tracked.sync().changed) == 30
    server.requests.clear()
    guild.messages[str(posts[28])].append(said(posts[28] + 2, "Or so."))
    again = tracked.sync()
    assert set(again.changed) == {f"{GUILD}/20/thread/{posts[28]}"}
    assert again.deleted == []
    assert len({r.path for r in server.requests if r.path.endswith("/messages")}) <= 9


def test_deleted_threads_are_deleted_and_private_ones_that_are_archived_stay(guild: Guild, server: Vendor) -> None:
    gone, private, old = at(10, 1), at(10, 2), at(0, 3)
    guild.messages |= {
        "10": [said(at(10), "Now.")],
        str(gone): [said(gone)],
        str(private): [said(private)],
        str(old): [said(old), said(at(9), "Late answer.")],
    }
    guild.active = [thread(gone), thread(private), thread(old, last=at(9))]
    tracked = source(server)
    assert len(tracked.sync().changed) == 4
    guild.active = []  # archived, and so in no list that the bot sees
    del guild.messages[str(gone)], guild.messages[str(old)]
    again = tracked.sync()
    assert sorted(again.deleted) == sorted([f"{GUILD}/10/thread/{gone}", f"{GUILD}/10/thread/{old}"])
    assert f"{GUILD}/10/thread/{private}" in tracked.records


def test_a_long_thread_goes_on_in_further_records(guild: Guild, server: Vendor) -> None:
    post = at()
    guild.messages[str(post)] = [said(post + place) for place in range(720)]
    guild.active = [thread(post)]
    tracked = source(server)
    name = f"{GUILD}/10/thread/{post}"
    synced = tracked.sync()
    assert {key: len(record.messages) for key, record in synced.changed.items()} == {name: 500, f"{name}/2": 220}
    guild.messages[str(post)] = guild.messages[str(post)][:500]
    again = tracked.sync()
    assert (again.deleted, again.changed) == ([f"{name}/2"], {})


def test_threads_can_be_left_out(guild: Guild, server: Vendor) -> None:
    guild.channels.append(channel("20", "questions", 15))
    guild.active = [thread(at())]
    guild.messages["10"] = [said(at())]
    assert set(source(server, threads=False).sync().changed) == {f"{GUILD}/10/2026-11-01"}
    assert not any("threads" in request.path for request in server.requests)


# --- what a message says --------------------------------------------------------------------------------------------


def test_mentions_files_embeds_polls_and_forwards_are_readable(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [
        said(
            at(),
            "<@5> and <@!6> ask <@&71> in <#10>, not <#11>, at <t:1767225600:F> <:crane:123>",
            mentions=[{"id": "5", "username": "mori", "global_name": "Mori"}, {"id": "6", "username": "eguchi"}],
            attachments=[{"filename": "plan.pdf", "description": "the berths", "url": "https://cdn/x?ex=1&is=2"}],
            embeds=[{"title": "Tide", "description": "High", "fields": [{"name": "At", "value": "9:00"}]}],
            poll={"question": {"text": "When?"}, "answers": [{"poll_media": {"text": "Now"}}]},
            sticker_items=[{"name": "Wave"}],
            message_snapshots=[{"message": {"content": "Forwarded."}}],
        ),
        said(at(0, 1), "https://example.com/a", embeds=[{"url": "https://example.com/a", "title": "Preview"}]),
    ]
    synced = source(server).sync()
    whole, link = texts(synced, f"{GUILD}/10/2026-11-01")
    assert "@Mori and @eguchi ask @harbour-masters in #cranes, not #11, at 2026-01-01 00:00 UTC :crane:" in whole
    for expected in ("[file: plan.pdf, the berths]", "Tide", "High", "At: 9:00", "Poll: When?", "- Now", "Forwarded."):
        assert expected in whole
    assert "cdn" not in whole  # addresses of files expire: they would change the record with every sync
    assert link == "https://example.com/a"


def test_who_joined_and_what_was_pinned_is_no_message(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(0, kind), "x", type=kind) for kind in (1, 2, 3, 4, 5, 6, 7, 8, 12, 18)]
    assert source(server).sync().changed == {}


def test_malformed_messages_are_told_and_the_others_land(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [
        said(at(0, 1), "Good."),
        said(at(0, 2), author=None),
        said(at(0, 3)) | {"content": 7},
        {"content": "no id"},
        "what?",
        said(at(0, 4), author={"username": 3}),
    ]
    synced = source(server).sync()
    assert texts(synced, f"{GUILD}/10/2026-11-01") == ["Good."]
    assert len(synced.problems) == 5


def test_a_missing_intent_is_told(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(minutes=minute)) | {"content": ""} for minute in range(30)]
    assert "Message Content" in source(server).sync().reasons


# --- servers, limits, faults ----------------------------------------------------------------------------------------


def test_only_the_channels_that_are_asked_for_are_read(guild: Guild, server: Vendor) -> None:
    guild.channels = [channel(), channel("11", "tides"), channel("12", "voices", 2), channel("13", "category", 4)]
    guild.messages |= {"11": [], "12": []}
    assert [s.name for s in source(server).connect().plan({})] == ["channel/10", "channel/11", "channel/12"]
    assert [s.name for s in source(server, channels=["#tides"]).connect().plan({})] == ["channel/11"]
    with pytest.raises(SourceError, match="nowhere"):
        source(server, channels=["nowhere"]).sync()


def test_a_channel_that_is_no_longer_there_is_deleted(guild: Guild, server: Vendor) -> None:
    guild.channels.append(channel("11", "tides"))
    guild.messages |= {"10": [said(at())], "11": [said(at())]}
    tracked = source(server)
    tracked.sync()
    guild.channels.pop()
    assert tracked.sync().deleted == [f"{GUILD}/11/2026-11-01"]


def test_a_channel_that_may_not_be_read_is_told_and_keeps_what_is_known(guild: Guild, server: Vendor) -> None:
    guild.channels.append(channel("11", "tides"))
    guild.messages |= {"10": [said(at())], "11": [said(at())]}
    tracked = source(server)
    tracked.sync()
    guild.hidden.add("11")
    guild.messages["10"].append(said(at(0, 1)))
    again = tracked.sync()
    assert (set(again.changed), again.deleted) == ({f"{GUILD}/10/2026-11-01"}, [])
    assert [problem.item for problem in again.problems] == ["#tides"]


def test_a_channel_deleted_during_the_sync_ends_quietly(guild: Guild, server: Vendor) -> None:
    del guild.messages["10"]
    synced = source(server).sync()
    assert (synced.changed, synced.problems) == ({}, [])


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_rate_limit_is_waited_out(guild: Guild, server: Vendor, everywhere: bool) -> None:
    guild.messages["10"] = [said(at(minutes=minute)) for minute in range(150)]
    limited = [
        Reply(
            {"message": "You are being rate limited.", "retry_after": 4.2, "global": everywhere},
            429,
            {"Retry-After": "5"} | ({"X-RateLimit-Global": "true"} if everywhere else {}),
        )
    ]
    plain = guild.answer
    with vendor(lambda r: limited.pop() if limited and r.query.get("after", "0") != "0" else plain(r)) as busy:
        synced = source(busy).sync()
    assert synced.waits == [5]
    assert sum(len(record.messages) for record in synced.changed.values()) == 150


def test_a_limit_that_is_used_up_is_kept_to_without_trying(guild: Guild, server: Vendor) -> None:
    guild.messages["10"] = [said(at(minutes=minute)) for minute in range(150)]
    guild.extra = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "2.5"}
    synced = source(server).sync()
    assert synced.waits == [3, 3]
    assert sum(len(record.messages) for record in synced.changed.values()) == 150
    assert sum(request.path.endswith("/messages") for request in server.requests) == 2


def test_a_token_that_is_not_valid_or_of_no_member_is_told(guild: Guild, server: Vendor) -> None:
    with pytest.raises(SourceError, match="token"):
        source(server, "other").sync()
    with pytest.raises(SourceError):
        source(server, guild_id="901").sync()
    with pytest.raises(SourceError, match="token"):
        source(server, "").sync()


@pytest.mark.parametrize("written", [f"Bot {TOKEN}", f'{{"token": "{TOKEN}"}}'])
def test_the_token_may_be_written_in_any_of_its_ways(guild: Guild, server: Vendor, written: str) -> None:
    assert source(server, written).sync().problems == []


@pytest.mark.parametrize("fault", [Reply({}, 500), Reply({}, 502), Reply({}, 503)])
def test_a_server_error_is_transient(server: Vendor, fault: Reply) -> None:
    server.faults.append(fault)
    with pytest.raises(TransientError):
        source(server).sync()


@pytest.mark.parametrize("body", [b"<html>", {"a": 1}, None, 7])
def test_an_answer_that_is_not_the_apis_is_an_error(server: Vendor, body: Any) -> None:
    server.faults.append(Reply(body))
    with pytest.raises(SourceError):
        source(server).sync()


def test_the_token_is_in_no_record_no_log_and_no_error(
    guild: Guild, server: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guild.messages["10"] = [said(at())]
    synced = source(server).sync()
    assert all(TOKEN not in record.model_dump_json() for record in synced.changed.values())
    for fault in (Reply({}, 401), Reply({}, 403), Reply({}, 500), Reply({}, 302)):
        server.faults.append(fault)
        with pytest.raises((SourceError, TransientError)) as caught:
            source(server).sync()
        assert TOKEN not in str(caught.value)
    assert TOKEN not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "config",
    [{"guild_id": "x"}, {"guild_id": "1", "base_url": "http://discord.example"}, {}, {"guild_id": "1", "a": 1}],
)
def test_a_configuration_that_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DiscordConfig.model_validate(config)


def test_ids_are_times() -> None:
    assert made_at(175928847299117063).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] == "2016-04-30T11:18:25.796"
    assert made_at(snowflake(START)) == START
