"""Slack: raw messages, as exports and the API have them, → messages that read as a person saw them.

Text is mrkdwn: https://docs.slack.dev/messaging/formatting-message-text ; exports:
https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports .
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any

from omnilake.extraction.structure import normalise
from omnilake.models import Message

Raw = dict[str, Any]

_TIMESTAMP = re.compile(r"(\d{1,10})\.(\d{6})")
_REFERENCE = re.compile(r"<([@#!][^<>\n]+|[a-zA-Z][\w+.-]*:[^<>\n]+)>")
_ENTITY = re.compile("&(?:amp|lt|gt);")
_MAX_DEPTH = 12
"""Blocks nest four deep at most."""

_LEFT_OUT = frozenset(
    {
        *("channel_join", "channel_leave", "group_join", "group_leave", "app_conversation_join"),
        *("channel_archive", "channel_unarchive", "group_archive", "group_unarchive"),
        *("channel_convert_to_private", "channel_posting_permissions", "ekm_access_denied"),
        *("bot_add", "bot_remove", "bot_enable", "bot_disable"),
        *("pinned_item", "unpinned_item", "reminder_add", "reminder_delete", "tombstone", "message_replied"),
        *("joiner_notification", "joiner_notification_for_inviter", "sh_room_created", "sh_room_shared"),
    }
)
"""Subtypes that tell who came and went, or that something is not there any more."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids in messages stand for."""

    users: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)


def names_of_users(users: Any) -> dict[str, str]:
    """User id → name, of ``users.json`` or ``users.list``: the full name, else the display or the account name."""
    found: dict[str, str] = {}
    for user in _objects(users):
        profile = user.get("profile")
        name = _first_text(
            _object(profile).get("real_name"), user.get("real_name"), _display_name(user), user.get("name")
        )
        if isinstance(user.get("id"), str) and name:
            found[user["id"]] = name
    return found


def names_of_channels(channels: Any) -> dict[str, str]:
    """Channel id → name, of ``channels.json``, ``groups.json`` … or ``conversations.list``."""
    return {
        channel["id"]: channel["name"]
        for channel in _objects(channels)
        if isinstance(channel.get("id"), str) and isinstance(channel.get("name"), str)
    }


def is_day(content: Any) -> bool:
    """Whether a JSON value is a day of a channel in a Slack export: a list of messages that all have Slack's time."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(item, dict)
            and item.get("type") == "message"
            and isinstance(item.get("ts"), str)
            and _TIMESTAMP.fullmatch(item["ts"])
            for item in content
        )
    )


def messages(days: Iterable[list[Raw]], names: Names) -> list[Message]:
    """Messages of one channel.

    Edits and deletions that come as events of their own are applied to the message that they are about. A message that
    comes twice is kept once, in its later form. Who joined and left, and messages without text, are left out.

    Args:
        days: lists of raw messages for which ``is_day`` holds, in order.
        names: of users and channels; a message's own ``user_profile`` names users that are missing.
    """
    by_time: dict[str, Raw] = {}
    for day in days:
        for item in day:
            _apply(item, by_time)
    users = {**_profile_names(by_time.values()), **names.users}
    known = Names(users, names.channels)
    return [message for item in by_time.values() if (message := _message(item, known)) is not None]


def plain_text(text: str, names: Names) -> str:
    """Slack's markup as it reads on the screen: ``<@U1>`` → ``@Ann Lee``, ``<https://x.org|site>`` → ``site
    (https://x.org)``, ``&amp;`` → ``&``. Emphasis and code marks stay. Linear."""
    return _unescape(_REFERENCE.sub(lambda found: _reference(found[1], names), text))


def _apply(item: Raw, by_time: dict[str, Raw]) -> None:
    subtype = item.get("subtype")
    if subtype == "message_changed":
        edited = _object(item.get("message"))
        if _is_time(edited.get("ts")):
            by_time[edited["ts"]] = edited
    elif subtype == "message_deleted":
        by_time.pop(str(item.get("deleted_ts")), None)
    else:
        by_time[item["ts"]] = item


def _message(item: Raw, names: Names) -> Message | None:
    if _first_text(item.get("subtype")) in _LEFT_OUT or item.get("hidden") is True:
        return None
    text = "\n".join(filter(None, _parts(item, names)))
    if not text.strip():
        return None
    thread = item.get("thread_ts")
    return Message(
        author=normalise(_author(item, names)),
        text=normalise(text),
        posted_at=_moment(item["ts"]),
        thread=str(thread) if _is_time(thread) else "",
    )


def _parts(item: Raw, names: Names) -> Iterator[str]:
    """Text of a message, of what is attached to it, and the names of its files."""
    text = item.get("text")
    if isinstance(text, str) and text.strip():
        yield plain_text(text, names)
    else:
        yield " ".join(_block_text(item.get("blocks"), names)).strip()
    for attachment in _objects(item.get("attachments")):
        # A preview of a page that the message links to is not what was said; another message that it shares is.
        if attachment.get("from_url") and not (attachment.get("is_msg_unfurl") or attachment.get("is_share")):
            continue
        yield _attachment_text(attachment, names)
    files = [*_objects(item.get("files")), *_objects([item.get("file")])]
    for file in files:
        name = _first_text(file.get("name"), file.get("title"))
        if name and _first_text(file.get("mode")) not in {"tombstone", "hidden_by_limit"}:
            yield f"[file: {name}]"


def _attachment_text(attachment: Raw, names: Names) -> str:
    lines = [attachment.get(key) for key in ("pretext", "author_name", "title", "text")]
    lines += [
        f"{name}: {value}" if name and value else name or value
        for each in _objects(attachment.get("fields"))
        for name, value in [(_first_text(each.get("title")), _first_text(each.get("value")))]
    ]
    told = [plain_text(line, names) for line in lines if isinstance(line, str) and line.strip()]
    if not told and (blocks := " ".join(_block_text(attachment.get("blocks"), names)).strip()):
        return blocks
    return "\n".join(told) or plain_text(_first_text(attachment.get("fallback")), names)


def _block_text(node: Any, names: Names, depth: int = 0) -> Iterator[str]:
    """Texts of the blocks of a message that has no text of its own."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for each in node:
            yield from _block_text(each, names, depth + 1)
    elif isinstance(node, dict):
        kind, text = node.get("type"), node.get("text")
        if kind == "user":
            yield _reference(f"@{node.get('user_id')}", names)
        elif kind == "channel":
            yield _reference(f"#{node.get('channel_id')}", names)
        elif kind == "link" and isinstance(node.get("url"), str):
            yield _link(node["url"], text if isinstance(text, str) else "")
        elif isinstance(text, str):
            yield plain_text(text, names)
        else:
            for key in ("text", "elements", "fields"):
                yield from _block_text(node.get(key), names, depth + 1)


def _reference(source: str, names: Names) -> str:
    target, _, label = source.partition("|")
    if target.startswith("@"):
        return f"@{names.users.get(target[1:]) or label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or names.channels.get(target[1:]) or target[1:]}"
    if target.startswith("!"):
        # <!here>, <!subteam^S1|@team>, <!date^1392734382^{date}|Feb 18>
        if target.startswith(("!subteam^", "!date^")):
            return label or target.split("^")[1]
        return f"@{label or target[1:]}"
    return _link(target, label)


def _link(url: str, label: str) -> str:
    address = url.removeprefix("mailto:").removeprefix("tel:")
    bare = re.sub(r"^https?://", "", url).rstrip("/")
    if not label or label.strip() in {url, address, bare} or label.strip().rstrip("/") == bare:
        return address
    return f"{label} ({address})"


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda entity: unescape(entity[0]), text) if "&" in text else text


def _author(item: Raw, names: Names) -> str:
    user = item.get("user")
    if isinstance(user, str) and user in names.users:
        return names.users[user]
    named = _first_text(
        item.get("username"),
        _object(item.get("bot_profile")).get("name"),
        _object(item.get("user_profile")).get("name"),
    )
    if named:
        return _unescape(named)
    return "Slackbot" if user == "USLACKBOT" else _first_text(user, item.get("bot_id"))


def _profile_names(items: Iterable[Raw]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        profile, user = _object(item.get("user_profile")), item.get("user")
        if isinstance(user, str) and (name := _first_text(profile.get("real_name"), profile.get("display_name"))):
            found[user] = name
    return found


def _display_name(user: Raw) -> Any:
    return _object(user.get("profile")).get("display_name")


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None


def _moment(timestamp: str) -> str:
    """ISO 8601 of Slack's time: seconds since 1970 and six digits that make it unique in its channel."""
    seconds, _, fraction = timestamp.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction)).isoformat()


def _object(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Raw]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _first_text(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value.strip()), "")
