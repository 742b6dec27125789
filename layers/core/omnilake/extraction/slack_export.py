"""Exports of a Slack workspace: a ZIP of lists (``users.json``, ``channels.json`` …) and of one folder a channel with a
JSON file for each day. Each channel becomes one conversation in the neutral shape, its days in order; one of more than
8 MiB of text becomes several.

A file that can't be read as what its name says is handed out as it is, so that it fails by itself and is not lost; its
neighbours are read. https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from omnilake.extraction import slack
from omnilake.extraction.conversation import FORMAT, Conversation
from omnilake.extraction.structure import normalise
from omnilake.models import Message

_USERS = ("users.json", "org_users.json")
_CHANNELS = ("channels.json", "groups.json", "mpims.json", "dms.json")
_OTHER_LISTS = frozenset(
    {"integration_logs.json", "canvases.json", "file_conversations.json", "huddle_transcripts.json", "lists.json"}
)
_PART_CHARACTERS = 8 * 1024 * 1024
_DAY_FILE = re.compile(r"(?P<folder>[^/]+)/\d{4}-\d{2}-\d{2}\.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """What an export's files are, by their paths.

    Attributes:
        root: the folder that the export lies in, with its slash; empty at the top.
        channels: folder of a channel → its day files, in order.
        documents: files that belong to no channel and are no lists: uploads that an export tool added.
        left_out: number of lists.
    """

    root: str
    channels: dict[str, list[str]]
    documents: frozenset[str]
    left_out: int


def layout(names: Sequence[str]) -> Layout | None:
    """The layout of an export; None when the files of an archive are none: that takes a list of users, a list of
    channels and a day."""
    root = next(
        (name.removesuffix(list_name) for name in names for list_name in _USERS if _ends(name, list_name)), None
    )
    present = {name.removeprefix(root) for name in names if name.startswith(root)} if root is not None else set()
    if root is None or not present.intersection(_CHANNELS):
        return None
    lists = {root + name for name in present.intersection((*_USERS, *_CHANNELS, *_OTHER_LISTS))}
    channels: dict[str, list[str]] = {}
    documents: set[str] = set()
    for name in names:
        day = _DAY_FILE.fullmatch(name.removeprefix(root)) if name.startswith(root) else None
        if day:
            channels.setdefault(day["folder"], []).append(name)
        elif name not in lists:
            documents.add(name)
    if not channels:
        return None
    ordered = {folder: sorted(days) for folder, days in sorted(channels.items())}
    return Layout(root, ordered, frozenset(documents), len(lists))


def members(export: Layout, read: Callable[[str], bytes]) -> Iterator[tuple[str, bytes]]:
    """The conversations of an export as files, name → JSON in the neutral shape: ``<folder>.json``, then ``<folder>
    2.json``.

    A channel in which nobody said anything yields none.

    Args:
        read: bytes of a file of the export; raises KeyError when there is none of that name.
    """
    users: dict[str, str] = {}
    channels: dict[str, dict[str, Any]] = {}  # folder → what the lists say of it
    unread: set[str] = set()
    for name in (*_USERS, *_CHANNELS):
        content = _load(read, export.root + name)
        if content is None:
            continue
        if not isinstance(content, list):
            unread.add(export.root + name)
        elif name in _USERS:
            users |= slack.names_of_users(content)
        else:
            for each in content:
                folder = each.get("id" if name == "dms.json" else "name") if isinstance(each, dict) else None
                if isinstance(folder, str):
                    channels[folder] = each
    names = slack.Names(users, slack.names_of_channels(list(channels.values())))
    for name in sorted(unread):
        yield name, read(name)
    for folder, days in export.channels.items():
        read_days = []
        for name in days:
            content = _load(read, name)
            if slack.is_day(content):
                read_days.append(content)
            elif content != []:
                yield name, read(name)
        about = channels.get(folder, {})
        for number, part in enumerate(_parts(slack.messages(read_days, names)), start=1):
            conversation = Conversation(
                format=FORMAT, title=_title(folder, about, users), metadata=_metadata(folder, about), messages=part
            )
            name = f"{export.root}{folder}.json" if number == 1 else f"{export.root}{folder} {number}.json"
            yield name, conversation.model_dump_json(exclude_defaults=True).encode()


def _parts(messages: list[Message]) -> Iterator[list[Message]]:
    """Messages of a channel in parts. As long as nobody changes what was said, only the last part of a channel is
    another one in its next export."""
    part: list[Message] = []
    size = 0
    for message in messages:
        if size > _PART_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.text)
    if part:
        yield part


def _ends(name: str, list_name: str) -> bool:
    """Whether a path is a list at the top or in one folder."""
    return name == list_name or (name.endswith("/" + list_name) and name.count("/") == 1)


def _title(folder: str, about: dict[str, Any], users: dict[str, str]) -> str:
    members = about.get("members")
    if isinstance(members, list) and (about.get("name") is None or folder.startswith("mpdm-")):
        return (
            normalise(", ".join(users.get(each, each) for each in members if isinstance(each, str)))[:1_024] or folder
        )
    return f"#{folder}"[:1_024]


def _metadata(folder: str, about: dict[str, Any]) -> dict[str, str]:
    told = {"platform": "slack", "channel": folder}
    for key in ("topic", "purpose"):
        value = about.get(key)
        if isinstance(value, dict) and isinstance(value.get("value"), str) and value["value"].strip():
            told[key] = normalise(slack.plain_text(value["value"], slack.Names()))
    return told


def _load(read: Callable[[str], bytes], name: str) -> Any:
    """A file's JSON; an empty object for what is none; None when the export has no such file."""
    try:
        return json.loads(read(name))
    except KeyError:
        return None
    except (ValueError, RecursionError):
        return {}
