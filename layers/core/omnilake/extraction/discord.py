"""Discord: exports of a channel by DiscordChatExporter (JSON) → a conversation.

Format: https://github.com/Tyrrrz/DiscordChatExporter , ``JsonMessageWriter``; markup:
https://docs.discord.com/developers/reference#message-formatting . Replies stay where they were posted: in Discord they
answer a message within the flow of the channel, and its threads are channels of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from omnilake.extraction.conversation import FORMAT, Conversation
from omnilake.extraction.structure import normalise
from omnilake.models import Message

_MARKUP = re.compile(r"<(@!?|@&|#|a?:\w{1,32}:|t:)(-?\d{1,20})(?::[tTdDfFRsS])?>")

_LEFT_OUT = frozenset(
    {
        *("RecipientAdd", "RecipientRemove", "Call", "ChannelIconChange", "ChannelPinnedMessage", "GuildMemberJoin"),
        *("UserPremiumGuildSubscription", "UserPremiumGuildSubscriptionTier1", "UserPremiumGuildSubscriptionTier2"),
        "UserPremiumGuildSubscriptionTier3",
    }
)
"""Kinds of messages that tell who came, called and paid."""


def is_export(content: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an export of a channel: guild, channel and messages with time, author and content."""
    listed = content.get("messages")
    return (
        isinstance(content.get("guild"), dict)
        and isinstance(content.get("channel"), dict)
        and isinstance(listed, list)
        and all(
            isinstance(item, dict)
            and isinstance(item.get("timestamp"), str)
            and isinstance(item.get("content"), str)
            and isinstance(item.get("author"), dict)
            for item in listed
        )
    )


def conversation(content: Mapping[str, Any]) -> Conversation:
    """The conversation of an export for which ``is_export`` holds."""
    guild, channel = (normalise(_text(content[key].get("name"))) for key in ("guild", "channel"))
    told = {
        "platform": "discord",
        "server": guild,
        "channel": channel,
        "category": _text(content["channel"].get("category")),
        "topic": _text(content["channel"].get("topic")),
    }
    return Conversation(
        format=FORMAT,
        title=" ".join(filter(None, (guild, f"#{channel}" if channel else "")))[:1_024],
        metadata={name: normalise(value) for name, value in told.items() if value},
        messages=[message for item in content["messages"] if (message := _message(item)) is not None],
    )


def plain_text(text: str, users: Mapping[str, str]) -> str:
    """Discord's markup as it reads on the screen. Emphasis and code marks stay. Linear.

    Args:
        users: id → name of those that are mentioned.
    """

    def shown(found: re.Match[str]) -> str:
        mark, number = found[1], found[2]
        if mark in {"@", "@!"}:
            return f"@{users.get(number, number)}"
        if mark == "t:":
            return _moment(int(number)) or found[0]
        return mark.removeprefix("a") if mark.endswith(":") else f"{mark[0]}{number}"

    return _MARKUP.sub(shown, text)


def _message(item: Mapping[str, Any]) -> Message | None:
    if _text(item.get("type")) in _LEFT_OUT:
        return None
    text = "\n".join(filter(None, _parts(item)))
    if not text.strip():
        return None
    return Message(
        author=normalise(_name(item["author"])), text=normalise(text), posted_at=normalise(item["timestamp"])
    )


def _parts(item: Mapping[str, Any]) -> Iterator[str]:
    users = {_text(user.get("id")): _name(user) for user in _objects(item.get("mentions"))}
    yield plain_text(item["content"], users)
    for embed in _objects(item.get("embeds")):
        # A preview of a page that the message links to is not what was said.
        if not (_text(embed.get("url")) and _text(embed.get("url")) in item["content"]):
            yield from (plain_text(_text(embed.get(key)), users) for key in ("title", "description"))
            for field in _objects(embed.get("fields")):
                name, value = _text(field.get("name")), plain_text(_text(field.get("value")), users)
                yield f"{name}: {value}" if name and value else name or value
    for file in _objects(item.get("attachments")):
        if name := _text(file.get("fileName")):
            yield f"[file: {name}]"


def _name(user: Mapping[str, Any]) -> str:
    return _text(user.get("nickname")) or _text(user.get("name")) or _text(user.get("id"))


def _moment(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
