"""Conversations: messages of a chat → one document, message by message, the replies of a thread after their parent.

Three shapes of JSON are conversations, told apart by ``recognise``:

- the neutral one below, which anybody may write and which members of a Slack export have;
- a day file of a Slack export (``slack``);
- an export by DiscordChatExporter (``discord``).

The neutral shape; ``url``, ``thread``, ``title`` and ``metadata`` may be left out, times are ISO 8601 and UTC unless
they say otherwise, and messages that share a ``thread`` are one::

    {"format": "omnilake.conversation/1",
     "title": "#harbour",
     "metadata": {"platform": "slack", "topic": "Ferries"},
     "messages": [
       {"author": "Ann Lee", "text": "Who has the tide table?", "posted_at": "2026-03-05T08:10:00Z", "thread": "t1"},
       {"author": "Bo", "text": "I do.", "posted_at": "2026-03-05T08:12:30Z", "thread": "t1", "url": "https://…"}]}

The text has one line of the day (a heading) wherever the day changes, and below it ``Author: text`` for each message.
A message's text stands there as it was written, so that it can be quoted word for word.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from omnilake.errors import CorruptDocument, InvalidRecord
from omnilake.extraction.limits import ExtractionLimits
from omnilake.extraction.structure import TextRecorder, fold, normalise
from omnilake.models import ExtractedDocument, Message, Model, Processor, SegmentKind

FORMAT: Final = "omnilake.conversation/1"
MEDIA_TYPE = "application/json"

_SHAPE_DEPTH = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Conversation(Model):
    """A chat in the neutral shape."""

    format: Literal["omnilake.conversation/1"]
    title: str = Field(default="", max_length=1_024)
    metadata: dict[str, str] = Field(default={})
    messages: list[Message]


def recognise(content: Any) -> Conversation | None:
    """The conversation that a JSON value is, None when it is something else.

    Args:
        content: as ``json.loads`` gives it.
    Raises:
        CorruptDocument: it says that it is in the neutral shape and is not.
    """
    from omnilake.extraction import discord, slack

    if isinstance(content, dict):
        if content.get("format") == FORMAT:
            return _validated(content)
        return discord.conversation(content) if discord.is_export(content) else None
    if slack.is_day(content):
        said = slack.messages([content], slack.Names())
        return Conversation(format=FORMAT, metadata={"platform": "slack"}, messages=said)
    return None


def read_conversation(conversation: Conversation, title: str, limits: ExtractionLimits) -> ExtractedDocument:
    """Document of a conversation: segments of the kind MESSAGE, and a HEADING for each day.

    Args:
        title: used when the conversation has none.
    Raises:
        CorruptDocument: a message has no valid time.
        NoTextFound: no message holds text.
        DocumentTooLarge: more text or messages than the limits allow.
    """
    try:
        return read_messages(conversation.messages, conversation.title or title, limits, metadata=conversation.metadata)
    except InvalidRecord as error:
        raise CorruptDocument(error.message) from None


def read_messages(
    messages: Iterable[Message], title: str, limits: ExtractionLimits, *, metadata: dict[str, str] | None = None
) -> ExtractedDocument:
    """Document of messages in any order.

    Raises:
        InvalidRecord: a message has no valid time.
        NoTextFound, DocumentTooLarge: see ``read_conversation``.
    """
    timed = [(_seconds(message.posted_at, number), message) for number, message in enumerate(messages, start=1)]
    recorder = TextRecorder(limits)
    day = ""
    for posted_at, message in in_threads(timed):
        text = message.text.strip()
        if not text:
            continue
        thread = message.thread or None
        if (today := _day(posted_at)) != day:
            day = today
            # The line of the day goes with the message below it into a chunk.
            recorder.add(day, SegmentKind.HEADING, level=1, posted_at=posted_at, thread=thread)
        author = fold(message.author)
        recorder.add(
            f"{author}: {text}" if author else text,
            SegmentKind.MESSAGE,
            speaker=author or None,
            posted_at=posted_at,
            thread=thread,
        )
    times = [posted_at for posted_at, message in timed if message.text.strip()]
    span = {"first_message_on": _day(min(times)), "last_message_on": _day(max(times))} if times else {}
    document = recorder.finish(MEDIA_TYPE, title)
    return document.model_copy(update={"processor": Processor.CONVERSATION, "metadata": {**span, **(metadata or {})}})


def in_threads(messages: Iterable[tuple[float, Message]]) -> list[tuple[float, Message]]:
    """Messages by time, but those of a thread together, at the place of its first. Messages of one time keep their
    order.

    Args:
        messages: each with its time, in seconds.
    """
    ordered = sorted(messages, key=lambda timed: timed[0])
    threads: dict[str, list[tuple[float, Message]]] = {}
    places: list[list[tuple[float, Message]]] = []
    for timed in ordered:
        name = timed[1].thread
        if name and name in threads:
            threads[name].append(timed)
            continue
        place = [timed]
        places.append(place)
        if name:
            threads[name] = place
    return [timed for place in places for timed in place]


def _validated(content: dict[str, Any]) -> Conversation:
    try:
        return Conversation.model_validate(_storable(content))
    except ValidationError as error:
        # Names of unknown fields are content; the number of a message is not.
        places = [each["loc"] for each in error.errors(include_url=False, include_context=False, include_input=False)]
        numbers = [place[1] + 1 for place in places if len(place) > 1 and isinstance(place[1], int)]
        where = f"in message {min(numbers)}" if numbers else "outside of its messages"
        raise CorruptDocument(f"The conversation does not fit its format: first {where}.") from None


def _storable(content: Any, depth: int = 0) -> Any:
    """The same with storable strings: half of a surrogate pair in JSON is what remains of an emoji that was cut."""
    if isinstance(content, str):
        return normalise(content)
    if isinstance(content, dict) and depth < _SHAPE_DEPTH:
        return {_storable(key): _storable(value, depth + 1) for key, value in content.items()}
    if isinstance(content, list) and depth < _SHAPE_DEPTH:
        return [_storable(value, depth + 1) for value in content]
    return content


def _seconds(posted_at: str, number: int) -> float:
    try:
        moment = datetime.fromisoformat(posted_at.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - _EPOCH) / timedelta(seconds=1)
        _day(seconds)  # in another zone it may fall out of the calendar
    except (ValueError, OverflowError):
        raise InvalidRecord(f"Message {number} has no valid time (ISO 8601).") from None
    return seconds


def _day(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).date().isoformat()
