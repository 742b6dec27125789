"""Chats: what a reader saw on the screen, message by message, and nothing of what was not said."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnilake.errors import CorruptDocument, DocumentError, InvalidRecord, NoTextFound
from omnilake.extraction import ExtractionLimits, read_record, slack
from omnilake.extraction.conversation import FORMAT, in_threads, read_conversation, read_messages, recognise
from omnilake.extraction.discord import plain_text as discord_text
from omnilake.models import ExtractedDocument, Message, Processor, Record, SegmentKind

LIMITS = ExtractionLimits()
NAMES = slack.Names({"U1": "Ann Lee", "U2": "Bo"}, {"C1": "harbour"})


def read(content: Any, title: str = "chat") -> ExtractedDocument:
    conversation = recognise(content)
    assert conversation is not None
    return read_conversation(conversation, title, LIMITS)


def said(document: ExtractedDocument) -> list[str]:
    return [document.text[s.start : s.end] for s in document.segments if s.kind is SegmentKind.MESSAGE]


def neutral(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"format": FORMAT, "messages": list(messages), **fields}


def slack_message(ts: str, text: str, user: str = "U1", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": ts, **fields}


def texts(*messages: dict[str, Any], names: slack.Names = NAMES) -> list[str]:
    return [message.text for message in slack.messages([list(messages)], names)]


def test_a_conversation_is_lines_of_messages_below_lines_of_days() -> None:
    document = read(
        neutral(
            {"author": "Ann", "text": "Late.", "posted_at": "2026-03-05T23:59:00Z"},
            {"author": "", "text": "The bridge opens.", "posted_at": "2026-03-06T02:00:00+02:00"},
            {"author": "Bo", "text": "Two\n\nlines.", "posted_at": "2026-03-06T00:01:00"},
            title="#harbour",
            metadata={"topic": "Ferries"},
        )
    )
    assert document.text == ("2026-03-05\n\nAnn: Late.\n\n2026-03-06\n\nThe bridge opens.\nBo: Two\n\nlines.")
    assert document.processor is Processor.CONVERSATION
    assert document.title == "#harbour"
    assert document.metadata == {
        "topic": "Ferries", "first_message_on": "2026-03-05", "last_message_on": "2026-03-06"
    }  # fmt: skip
    last = document.segments[-1]
    assert (last.kind, last.speaker, last.section, last.thread) == (SegmentKind.MESSAGE, "Bo", "2026-03-06", None)
    assert last.posted_at == datetime.fromisoformat("2026-03-06T00:01:00+00:00").timestamp()
    assert document.segments[2].speaker is None or document.segments[2].kind is SegmentKind.HEADING


def test_replies_stand_after_their_parent_and_each_below_its_own_day() -> None:
    document = read(
        neutral(
            {"text": "other", "posted_at": "2026-03-05T10:05:00Z"},
            {"text": "reply", "posted_at": "2026-03-07T10:00:00Z", "thread": "t"},
            {"text": "parent", "posted_at": "2026-03-05T10:00:00Z", "thread": "t"},
        )
    )
    assert said(document) == ["parent", "reply", "other"]
    assert [s.section for s in document.segments if s.kind is SegmentKind.MESSAGE] == [
        "2026-03-05", "2026-03-07", "2026-03-05"
    ]  # fmt: skip
    assert [s.thread for s in document.segments] == ["t", "t", "t", "t", None, None]


moments = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29))
any_message = st.builds(
    Message,
    author=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    posted_at=moments.map(datetime.isoformat),
    thread=st.sampled_from(["", "", "a", "b"]),
)


@settings(max_examples=200)
@given(st.lists(any_message, max_size=12))
def test_every_message_is_there_once_word_for_word_and_threads_stay_together(messages: list[Message]) -> None:
    try:
        document = read_messages(messages, "chat", LIMITS)
    except NoTextFound:
        return
    position = 0
    for segment in document.segments:
        assert position <= segment.start < segment.end <= len(document.text)
        assert not document.text[position : segment.start].strip()
        position = segment.end
    kept = [segment for segment in document.segments if segment.kind is SegmentKind.MESSAGE]
    spoken = [message for message in messages if message.text.strip()]
    assert len(kept) <= len(spoken)
    for message in messages:
        if message.text.strip() and message.text.isprintable():
            assert message.text.strip() in document.text
    threads = [segment.thread for segment in kept]
    for name in {"a", "b"} & set(threads):
        places = [place for place, thread in enumerate(threads) if thread == name]
        assert places == list(range(places[0], places[-1] + 1))


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["", "a", "b"])), max_size=15))
def test_ordering_by_thread_loses_nothing_and_keeps_time_within_threads(shape: list[tuple[int, str]]) -> None:
    messages = [
        (float(time), Message(text=str(n), posted_at="", thread=thread)) for n, (time, thread) in enumerate(shape)
    ]
    ordered = in_threads(messages)
    assert sorted(m.text for _, m in ordered) == sorted(m.text for _, m in messages)
    for thread in ("a", "b"):
        times = [time for time, message in ordered if message.thread == thread]
        assert times == sorted(times)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (neutral({"text": "x"}), "message 1"),
        (neutral({"text": "x", "posted_at": "2026-03-05"}, {"text": 5, "posted_at": ""}), "message 2"),
        (neutral({"text": "x", "posted_at": "", "SECRET": 1}), "message 1"),
        ({"format": FORMAT}, "outside"),
        (neutral(SECRET=1), "outside"),
        (neutral({"text": "x", "posted_at": "yesterday"}), "Message 1"),
        (neutral({"text": "x", "posted_at": "0001-01-01T00:00:00+14:00"}), "Message 1"),
    ],
)
def test_what_says_it_is_a_conversation_and_is_not_is_corrupt(content: Any, where: str) -> None:
    with pytest.raises(CorruptDocument, match=where) as refused:
        read(content)
    assert "SECRET" not in str(refused.value)


def test_half_an_emoji_in_the_json_does_not_cost_the_message() -> None:
    document = read(
        json.loads('{"format": "' + FORMAT + '", "messages": [{"text": "seal \\ud83e", "posted_at": "2026-03-05"}]}')
    )
    assert said(document) == ["seal"]


@pytest.mark.parametrize(
    "content",
    [
        None, 5, "text", [], {}, [1], [{}], [{"type": "message", "ts": "yesterday"}], {"messages": []},
        [{"type": "message", "ts": "1772700000.000100"}, {"type": "order"}],
        {"messages": [{"role": "user", "content": "hi"}]},
        {"guild": {}, "channel": {}, "messages": [{"content": "no time"}]},
    ],
)  # fmt: skip
def test_other_json_is_no_conversation(content: Any) -> None:
    assert recognise(content) is None


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<@U1> and <@U9|zoe> and <@U8>", "@Ann Lee and @zoe and @U8"),
        ("in <#C1> or <#C2|docks> or <#C3>", "in #harbour or #docks or #C3"),
        ("<!here> <!channel> <!subteam^S1|@crew> <!subteam^S2>", "@here @channel @crew S2"),
        ("<!date^1392734382^{date}|18 Feb>", "18 Feb"),
        ("<https://x.org/a|the plan>", "the plan (https://x.org/a)"),
        ("<https://x.org/|x.org>", "https://x.org/"),
        ("<https://x.org?a=1&amp;b=2>", "https://x.org?a=1&b=2"),
        ("<mailto:a@x.org|a@x.org>", "a@x.org"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("&lt;@U1&gt;", "<@U1>"),
        ("1 < 2 and 3 > 2 <", "1 < 2 and 3 > 2 <"),
        ("*bold* `code` :seal:", "*bold* `code` :seal:"),
    ],
)  # fmt: skip
def test_slack_markup_reads_as_on_the_screen(source: str, shown: str) -> None:
    assert slack.plain_text(source, NAMES) == shown


def test_a_slack_day_is_a_conversation_with_threads_and_names_of_its_own() -> None:
    document = read(
        [
            slack_message("1772700000.000100", "Who has it?", thread_ts="1772700000.000100", reply_count=1),
            slack_message("1772700060.000200", "Ferry at nine.", user="U2"),
            slack_message("1772700120.000300", "I do, <@U1>.", user="U2", thread_ts="1772700000.000100",
                          user_profile={"real_name": "Bo Ek"}),
        ],
        "2026-03-05",
    )  # fmt: skip
    assert document.text == "2026-03-05\n\nU1: Who has it?\nBo Ek: I do, @U1.\nBo Ek: Ferry at nine."
    assert document.metadata["platform"] == "slack"


def test_edits_and_deletions_that_come_as_events_are_applied() -> None:
    original = slack_message("1772700000.000100", "Pier five.")
    gone = slack_message("1772700001.000100", "Wrong channel.")
    edit = {"type": "message", "subtype": "message_changed", "ts": "1772700009.000100", "hidden": True,
            "message": {**original, "text": "Pier seven.", "edited": {"user": "U1"}}}  # fmt: skip
    deletion = {"type": "message", "subtype": "message_deleted", "ts": "1772700010.1", "deleted_ts": gone["ts"]}
    assert texts(original, gone, edit, deletion) == ["Pier seven."]


def test_what_slack_tells_by_itself_is_left_out_and_what_bots_and_files_say_is_kept() -> None:
    assert texts(
        slack_message("1772700000.000100", "<@U1> has joined the channel", subtype="channel_join"),
        slack_message("1772700001.000100", "This message was deleted.", subtype="tombstone"),
        slack_message("1772700002.000100", "set the channel topic: Ferries", subtype="channel_topic"),
        slack_message("1772700003.000100", "", files=[{"name": "tides.pdf"}, {"title": "x", "mode": "tombstone"}]),
        slack_message("1772700004.000100", "", blocks=[{"type": "rich_text", "elements": [
            {"type": "rich_text_section", "elements": [
                {"type": "text", "text": "See"}, {"type": "user", "user_id": "U2"},
                {"type": "link", "url": "https://x.org", "text": "plan"}]}]}]),
        slack_message("1772700005.000100", "<https://x.org>", attachments=[{"from_url": "https://x.org", "text": "P"}]),
        {"type": "message", "subtype": "bot_message", "username": "Lights &amp; co", "ts": "1772700006.000100",
         "text": "", "attachments": [{"title": "Lamp out", "fields": [{"title": "Pier", "value": "7"}]}]},
    ) == [
        "set the channel topic: Ferries", "[file: tides.pdf]", "See @Bo plan (https://x.org)", "https://x.org",
        "Lamp out\nPier: 7",
    ]  # fmt: skip


def test_a_bot_and_a_person_without_a_name_are_named_by_what_is_known() -> None:
    authors = [
        message.author
        for message in slack.messages(
            [[
                {"type": "message", "username": "Lights &amp; co", "ts": "1772700000.000100", "text": "x"},
                {"type": "message", "bot_id": "B1", "bot_profile": {"name": "Tide"}, "ts": "1772700001.000100",
                 "text": "x"},
                slack_message("1772700002.000100", "x", user="USLACKBOT"),
                slack_message("1772700003.000100", "x", user="U77"),
            ]],
            NAMES,
        )
    ]  # fmt: skip
    assert authors == ["Lights & co", "Tide", "Slackbot", "U77"]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["text", "user", "subtype", "blocks", "elements", "type", "attachments", "fields", "title",
                         "files", "name", "message", "user_profile", "thread_ts", "content", "mentions", "embeds"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from(
    ["text", "user", "subtype", "blocks", "attachments", "files", "file", "message", "thread_ts", "bot_profile",
     "user_profile", "username"]), json_values, max_size=6), min_size=1, max_size=4))  # fmt: skip
def test_slack_messages_of_any_shape_are_read_or_refused(items: list[dict[str, Any]]) -> None:
    day = [{**item, "type": "message", "ts": f"17727000{n:02}.000100"} for n, item in enumerate(items)]
    try:
        read(day).text.encode()
    except DocumentError:
        return


def discord_export(*messages: dict[str, Any]) -> dict[str, Any]:
    return {
        "guild": {"id": "1", "name": "Harbour"},
        "channel": {"id": "2", "type": "GuildTextChat", "category": "Docks", "name": "ferries", "topic": None},
        "exportedAt": "2026-03-06T00:00:00+00:00",
        "messages": list(messages),
        "messageCount": len(messages),
    }


def discord_message(content: str, **fields: Any) -> dict[str, Any]:
    author = {"id": "9", "name": "ann_lee", "nickname": "Ann"}
    return {"id": "5", "type": "Default", "timestamp": "2026-03-05T09:00:00.123+01:00", "content": content,
            "author": author, **fields}  # fmt: skip


def test_a_discord_export_is_a_conversation() -> None:
    document = read(
        discord_export(
            discord_message("Hi <@!7>, see <#3> at <t:1772700000:F> <:seal:42>",
                            mentions=[{"id": "7", "name": "bo", "nickname": None}]),
            discord_message("joined", type="GuildMemberJoin"),
            discord_message("", attachments=[{"fileName": "tides.pdf"}], author={"id": "7", "name": "bo"}),
            discord_message("", embeds=[{"title": "Notice", "description": "Pier 7 closed",
                                         "fields": [{"name": "Until", "value": "noon"}]}]),
            discord_message("https://x.org", embeds=[{"url": "https://x.org", "title": "Preview"}]),
        )
    )  # fmt: skip
    assert document.title == "Harbour #ferries"
    assert said(document) == [
        "Ann: Hi @bo, see #3 at 2026-03-05 08:40 UTC :seal:",
        "bo: [file: tides.pdf]",
        "Ann: Notice\nPier 7 closed\nUntil: noon",
        "Ann: https://x.org",
    ]
    assert document.segments[1].posted_at == pytest.approx(
        (datetime(2026, 3, 5, 8) - datetime(1970, 1, 1)) / timedelta(seconds=1) + 0.123
    )
    assert document.metadata["category"] == "Docks"


@settings(max_examples=150)
@given(st.lists(st.dictionaries(st.sampled_from(
    ["embeds", "attachments", "mentions", "type", "reference"]), json_values, max_size=4), max_size=3))  # fmt: skip
def test_discord_messages_of_any_shape_are_read_or_refused(items: list[dict[str, Any]]) -> None:
    try:
        read(discord_export(*(discord_message("x", **item) for item in items))).text.encode()
    except DocumentError:
        return


def test_discord_markup_that_is_none_stays() -> None:
    assert discord_text("a < b <@> <t:999999999999999:F> <@&5> <a:wave:1>", {}) == (
        "a < b <@> <t:999999999999999:F> @5 :wave:"
    )


def record(**fields: Any) -> Record:
    return Record(**{"source_type": "notes", "record_id": "n/1", "updated_at": "2026-03-05T00:00:00Z", **fields})


@pytest.mark.parametrize(
    ("fields", "text", "title"),
    [
        ({"text": "Pier seven."}, "Pier seven.", "n/1"),
        ({"text": "# Piers\n\nSeven.", "media_type": "text/markdown"}, "# Piers\n\nSeven.", "Piers"),
        ({"text": "<h1>Piers</h1><p>Seven &amp; eight", "media_type": "text/html", "title": "All\npiers"},
         "Piers\n\nSeven & eight", "All piers"),
        ({"text": "Half \x00 a pair"}, "Half  a pair", "n/1"),
    ],
)  # fmt: skip
def test_a_record_is_read_by_its_media_type(fields: dict[str, Any], text: str, title: str) -> None:
    document = read_record(record(**fields, metadata={"team": "docks"}))
    assert (document.text, document.title, document.metadata["team"]) == (text, title, "docks")


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"text": "\n  Mara is  on call.\nUntil Friday."}, ""),
        ({"text": "# Piers\n\nSeven.", "media_type": "text/markdown"}, "Piers"),
        ({"text": "<p>Pier seven", "media_type": "text/html"}, ""),
        ({"text": "Pier seven.", "title": "Piers"}, "Piers"),
    ],
)
def test_a_record_that_is_named_by_its_content_has_the_title_of_its_text_alone(
    fields: dict[str, Any], title: str
) -> None:
    assert read_record(record(record_id="9f8a4c03e1ddf52d9c98fa4167d94cdf", **fields)).title == title


def test_a_record_of_messages_is_a_conversation() -> None:
    message = Message(author="Ann", text="Pier seven.", posted_at="2026-03-05T08:00:00Z", thread="t")
    document = read_record(record(messages=[message], title="#harbour"))
    assert document.processor is Processor.CONVERSATION
    assert (document.title, said(document)) == ("#harbour", ["Ann: Pier seven."])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, NoTextFound),
        ({"text": " \n"}, NoTextFound),
        ({"text": "<script>x</script>", "media_type": "text/html"}, NoTextFound),
        ({"messages": [Message(text=" ", posted_at="2026-03-05")]}, NoTextFound),
        ({"messages": [Message(text="x", posted_at="soon")]}, InvalidRecord),
        ({"messages": [Message(text="x", posted_at="2026-03-05")], "text": "y"}, InvalidRecord),
    ],
)
def test_a_record_that_cannot_be_read_has_its_error(fields: dict[str, Any], error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as refused:
        read_record(record(**fields))
    assert type(refused.value) is error
