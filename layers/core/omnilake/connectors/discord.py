"""The connector of Discord: channels and threads of a server (a "guild"), by its HTTP API with a bot's token.

**Records.** One for each thread (posts of forums are threads), and one for each channel and day (UTC) with the messages
outside of threads. What is longer than :data:`PART_MESSAGES` goes on in further records.

**Incremental.** There is no feed of changes over HTTP. Each sync reads a channel again from some days before the newest
message that the last sync saw (``lookback_days``), by message ids, which are times as well: what was edited there is
written again, what is gone is deleted. Older threads are read again as long as they were written to in that time.

**The API** as https://docs.discord.com/developers describes it: ``reference`` (snowflakes, user agent, authorisation),
``topics/rate-limits``, ``resources/guild`` and ``resources/channel`` (channels, active and archived threads),
``resources/message`` (messages by ``after``, newest first, 100 at most). Without the privileged intent "Message
Content" all messages are empty over HTTP, too.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from omnilake.connectors.http import Answer, HttpClient
from omnilake.connectors.protocol import (
    Credentials,
    Cursor,
    Known,
    Page,
    Position,
    Problem,
    SourceConfig,
    Stream,
    Sweep,
)
from omnilake.errors import RateLimited, SourceError
from omnilake.extraction.discord import plain_text
from omnilake.models import Message, Record

SOURCE_TYPE = "discord"

PAGE_MESSAGES = 100
"""The longest page that the API gives."""
PART_MESSAGES = 500
"""Messages of one record."""
PART_CHARACTERS = 400_000
"""Characters of one record's messages: a position holds those of a record that is not complete."""

_EPOCH_MS = 1_420_070_400_000
_NAMES_LIVE_S = 600.0
_WITH_MESSAGES = frozenset({0, 2, 5, 13})  # text, voice, announcement, stage
_WITH_THREADS_ONLY = frozenset({15, 16})  # forum, media
_WITH_THREADS = frozenset({0, 5}) | _WITH_THREADS_ONLY
_SPOKEN = frozenset({0, 19, 20, 21, 23})  # default, reply, answers of apps, first message of a thread
_MENTION = re.compile(r"<(#|@&)(\d{1,20})>")
_TITLE_CHARACTERS = 80
_SUSPICIOUS = 20
"""So many messages in a row without any text are no coincidence: the intent is missing."""


class DiscordConfig(SourceConfig):
    """Which server, and what of it.

    Attributes:
        guild_id: of the server.
        channels: ids or names; none: all that the bot may read.
        threads: whether threads and forums are read.
        lookback_days: how far before the newest message that was seen edits and deletions are looked for.
        history_days: how far back the first sync goes; to the beginning when omitted.
        base_url: of the API.
    """

    guild_id: str = Field(pattern=r"^\d{1,20}$")
    channels: list[str] = Field(default=[], max_length=1_000)
    threads: bool = True
    lookback_days: int = Field(default=7, ge=1, le=365)
    history_days: int | None = Field(default=None, ge=1)
    base_url: str = Field(
        default="https://discord.com/api/v10", pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])"
    )


@dataclass
class _Names:
    """Names that mentions are shown with."""

    expires: float
    channels: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)


_NAMES: dict[str, _Names] = {}
"""Kept for ten minutes in a warm process, by a hash of server, address and token."""


def snowflake(moment: datetime) -> int:
    """The least id that something made at a moment can have."""
    return max(0, int(moment.timestamp() * 1_000) - _EPOCH_MS) << 22


def made_at(number: int) -> datetime:
    """When what has an id was made."""
    return datetime.fromtimestamp(((number >> 22) + _EPOCH_MS) / 1_000, UTC)


class DiscordConnector:
    """Reads a server; see the module.

    Args:
        config: of the source.
        credentials: ``token`` of a bot that is a member of the server, with the permissions View Channel and Read
            Message History, and the intent Message Content.
    """

    config_model: ClassVar[type[SourceConfig]] = DiscordConfig

    def __init__(self, config: DiscordConfig, credentials: Credentials) -> None:
        self._config = config
        token = credentials.require().removeprefix("Bot ").strip()
        self._http = HttpClient(
            "Discord",
            config.base_url.rstrip("/"),
            {"Authorization": f"Bot {token}", "User-Agent": "DiscordBot (OmniLake, 1.0)"},
        )
        self._names_key = hashlib.sha256(f"{config.base_url}\n{config.guild_id}\n{token}".encode()).hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- plan -------------------------------------------------------------------------------------------------------

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """A stream for each channel that can hold messages; those that are not there any more are gone.

        Raises:
            SourceError: the bot is not a member of the server, or a channel that is named is not there.
        """
        listed = [channel for channel in self._channels() if self._holds_messages(channel)]
        wanted = [channel for channel in listed if self._is_wanted(channel)]
        names = {name for each in wanted for name in (each["id"], _text(each, "name"), f"#{_text(each, 'name')}")}
        missing = [name for name in self._config.channels if name not in names]
        if missing:
            raise SourceError(
                f"The server has no channel {', '.join(missing[:10])}.", action="Correct the source's channels."
            )
        active = self._active_threads()
        streams = [
            Stream(
                name=f"channel/{channel['id']}",
                cursor=cursors.get(f"channel/{channel['id']}"),
                options={
                    "channel": channel["id"],
                    "name": _text(channel, "name") or channel["id"],
                    "kind": channel["type"],
                    "active": active.get(channel["id"], []),
                },
            )
            for channel in wanted
        ]
        there = {stream.name for stream in streams}
        return streams + [Stream(name=name, gone=True) for name in cursors if name not in there]

    def _channels(self) -> list[dict[str, Any]]:
        told = self._http.get_json(f"/guilds/{self._config.guild_id}/channels")
        if not isinstance(told, list):
            raise SourceError("Discord's list of channels is malformed.", action="Check the source's base_url.")
        return [each for each in told if isinstance(each, dict) and _text(each, "id").isdecimal()]

    def _active_threads(self) -> dict[str, list[dict[str, Any]]]:
        """Threads that are not archived, public or private, by their channel: one call for the whole server."""
        if not self._config.threads:
            return {}
        listed, _ = self._threads_of(self._http.get(f"/guilds/{self._config.guild_id}/threads/active"))
        found: dict[str, list[dict[str, Any]]] = {}
        for thread in listed:
            told = {name: thread.get(name) for name in ("id", "name", "last_message_id")}
            found.setdefault(_text(thread, "parent_id"), []).append(told)
        return found

    def _holds_messages(self, channel: dict[str, Any]) -> bool:
        kind = channel.get("type")
        return kind in _WITH_MESSAGES or (self._config.threads and kind in _WITH_THREADS_ONLY)

    def _is_wanted(self, channel: dict[str, Any]) -> bool:
        names = {channel["id"], _text(channel, "name"), f"#{_text(channel, 'name')}"}
        return not self._config.channels or bool(names.intersection(self._config.channels))

    # --- fetch ------------------------------------------------------------------------------------------------------

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """One call: a page of a channel, of a thread, or of the list of threads; at last the sweep.

        Raises:
            RateLimited, TransientError, SourceError: as ``HttpClient`` has it.
        """
        at = _Place(stream, position, self._config)
        pause = at.ready_at - time.time()
        if pause > 0:
            raise RateLimited.after(pause, "Discord")
        at.ready_at = 0.0
        if at.thread is not None or at.threads:
            return self._read_thread(at, known)
        match at.step:
            case "messages":
                return self._read_channel(at)
            case "archived":
                return self._list_archived(at)
            case "known":
                return self._follow_known(at, known)
        return Page(cursor={"day": at.newest} if at.newest else None, sweep=Sweep(since=at.since))

    def _read_channel(self, at: _Place) -> Page:
        try:
            answer = self._http.get(
                f"/channels/{at.channel}/messages", {"after": at.after, "limit": PAGE_MESSAGES}, missing_ok=True
            )
        except SourceError as error:
            return _forbidden(at, error)
        if answer is None:  # deleted since it was planned: the next plan says so
            return Page()
        at.heed(answer)
        problems: list[Problem] = []
        records: list[Record] = []
        items, last = self._numbered(answer, at, problems, "")
        for number, item in items:
            day = made_at(number).date().isoformat()
            if at.held and at.held[0] != day:
                records += at.end_day()
            message = self._message(item, number, at.channel, "", problems, at)
            if message is not None:
                records += at.add_to_day(day, message)
            at.newest = max(at.newest, day)
        _suspect(items, at, problems)
        if len(items) + len(problems) >= PAGE_MESSAGES and last > at.after:
            at.after = last
        else:
            records += at.end_day()
            at.begin_threads()
        return Page(records=records, problems=problems, position=at.position())

    def _list_archived(self, at: _Place) -> Page:
        """Public threads that were archived, the last archived first, down to those that rested all the time."""
        parameters: dict[str, str | int] = {"limit": PAGE_MESSAGES} | ({"before": at.before} if at.before else {})
        try:
            answer = self._http.get(f"/channels/{at.channel}/threads/archived/public", parameters, missing_ok=True)
        except SourceError as error:
            return _forbidden(at, error)
        at.heed(answer)
        listed, more = self._threads_of(answer)
        times = [moment for thread in listed if (moment := _archived_at(thread))]
        at.take_up(thread for thread in listed if max(_archived_at(thread), _last_at(thread)) >= at.since)
        earliest = min(times, default="")
        if more and earliest and earliest >= at.since and earliest != at.before:
            at.before = earliest
        else:
            at.step = "known"
        return Page(position=at.position())

    def _threads_of(self, answer: Answer | None) -> tuple[list[dict[str, Any]], bool]:
        told = self._http.json_of(answer)
        if not isinstance(told, dict):
            return [], False
        listed = told.get("threads")
        threads = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        return [each for each in threads if _text(each, "id").isdecimal()], bool(told.get("has_more"))

    def _follow_known(self, at: _Place, known: Mapping[str, Known]) -> Page:
        """Threads that no list showed, although they were made or written to not long ago: private, or deleted."""
        since = at.since
        for record_id, each in sorted(known.items()):
            thread = at.thread_of(record_id)
            if thread and thread not in at.read and max(each.effective_on, each.validator) >= since:
                at.read.append(thread)
                at.threads.append({"id": thread, "name": ""})
        at.step = "end"
        return Page(position=at.position())

    def _read_thread(self, at: _Place, known: Mapping[str, Known]) -> Page:
        thread = at.open_thread()
        number, name = str(thread["id"]), str(thread["name"])
        record_id = at.thread_id(number)
        try:
            if not name:
                return self._name_thread(at, number, known)
            answer = self._http.get(
                f"/channels/{number}/messages", {"after": thread["after"], "limit": PAGE_MESSAGES}, missing_ok=True
            )
        except SourceError as error:
            if error.details.get("status") != 403:
                raise
            at.thread = None
            present = [each for each in known if at.thread_of(each) == number]
            return Page(present=present, problems=[_unreadable(f"thread {number}", record_id)], position=at.position())
        if answer is None:
            return self._thread_gone(at, number, known)
        at.heed(answer)
        problems: list[Problem] = []
        records: list[Record] = []
        items, last = self._numbered(answer, at, problems, record_id)
        for message_id, item in items:
            message = self._message(item, message_id, number, record_id, problems, at)
            if message is not None:
                records += at.add_to_thread(message)
            thread["last"] = max(str(thread["last"]), made_at(message_id).strftime(_SECONDS))
            at.newest = max(at.newest, str(thread["last"])[:10])
        if len(items) + len(problems) >= PAGE_MESSAGES and last > int(thread["after"]):
            thread["after"] = last
            validators = {record.record_id: str(thread["last"]) for record in records}
            return Page(records=records, problems=problems, validators=validators, position=at.position())
        records += at.end_thread()
        written = set(thread["parts"])
        left = [each for each in known if at.thread_of(each) == number and each not in written]
        if not problems:
            records += [at.gone(each) for each in sorted(left)]
        validators = {each: str(thread["last"]) for each in thread["parts"]}
        present = [*thread["parts"], *(left if problems else [])]
        return Page(records=records, problems=problems, present=present, validators=validators, position=at.position())

    def _name_thread(self, at: _Place, number: str, known: Mapping[str, Known]) -> Page:
        """What a thread is called, when no list told it."""
        answer = self._http.get(f"/channels/{number}", missing_ok=True)
        told = self._http.json_of(answer)
        if answer is None or not isinstance(told, dict):
            return self._thread_gone(at, number, known)
        at.heed(answer)
        at.open_thread()["name"] = _text(told, "name") or number
        return Page(position=at.position())

    def _thread_gone(self, at: _Place, number: str, known: Mapping[str, Known]) -> Page:
        at.thread = None
        gone = [at.gone(each) for each in sorted(known) if at.thread_of(each) == number]
        return Page(records=gone, position=at.position())

    # --- messages ---------------------------------------------------------------------------------------------------

    def _numbered(
        self, answer: Answer, at: _Place, problems: list[Problem], record_id: str
    ) -> tuple[list[tuple[int, dict[str, Any]]], int]:
        """Messages of a page by id, ascending, and the last id; those without one are problems."""
        told = self._http.json_of(answer)
        if not isinstance(told, list):
            raise SourceError("Discord answered with something else than a list.", action="Check the base_url.")
        found: dict[int, dict[str, Any]] = {}
        for place, item in enumerate(told):
            name = _text(item, "id") if isinstance(item, dict) else ""
            if name.isdecimal() and len(name) <= 20:
                found[int(name)] = item
            else:
                problems.append(
                    Problem(item=f"#{at.name}, message {place} of a page", reason="It has no id.", record_id=record_id)
                )
        return sorted(found.items()), max(found, default=0)

    def _message(
        self,
        item: dict[str, Any],
        number: int,
        channel: str,
        record_id: str,
        problems: list[Problem],
        at: _Place,
    ) -> Message | None:
        """A message as it reads; None for one that says nothing, and for one that is malformed."""
        if item.get("type", 0) not in _SPOKEN:
            return None
        try:
            text = "\n".join(part for part in self._parts(item) if part.strip())
            name = _author(item["author"])
        except (KeyError, TypeError, AttributeError) as error:
            day = at.day_id(made_at(number).date().isoformat())
            reason = f"It is malformed: {type(error).__name__}."
            problems.append(Problem(item=f"#{at.name}, message {number}", reason=reason, record_id=record_id or day))
            return None
        if not text:
            return None
        return Message(
            author=name,
            text=text,
            posted_at=made_at(number).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            thread=channel if record_id else "",
            url=f"https://discord.com/channels/{self._config.guild_id}/{channel}/{number}",
        )

    def _parts(self, item: Mapping[str, Any]) -> Iterator[str]:
        """Text, embeds, polls, and names of files and stickers; addresses of files expire and are left out."""
        content = item["content"]
        if not isinstance(content, str):
            raise TypeError("content")
        if item.get("type") == 21 and isinstance(item.get("referenced_message"), dict):
            yield from self._parts(item["referenced_message"])
        yield self._readable(content, item)
        for snapshot in _objects(item.get("message_snapshots")):
            forwarded = snapshot.get("message")
            if isinstance(forwarded, dict) and isinstance(forwarded.get("content"), str):
                yield from self._parts(forwarded)
        for embed in _objects(item.get("embeds")):
            # A preview of a page that the message links to is not what was said.
            if _text(embed, "url") and _text(embed, "url") in content:
                continue
            yield from (self._readable(_text(embed, name), item) for name in ("title", "description"))
            for each in _objects(embed.get("fields")):
                name, value = _text(each, "name"), self._readable(_text(each, "value"), item)
                yield f"{name}: {value}" if name and value else name or value
        poll = item.get("poll")
        if isinstance(poll, dict):
            yield f"Poll: {_text(poll.get('question'), 'text')}"
            for answer in _objects(poll.get("answers")):
                yield f"- {_text(answer.get('poll_media'), 'text')}"
        for file in _objects(item.get("attachments")):
            described = f", {_text(file, 'description')}" if _text(file, "description") else ""
            yield f"[file: {_text(file, 'filename')}{described}]"
        for sticker in _objects(item.get("sticker_items")):
            yield f"[sticker: {_text(sticker, 'name')}]"

    def _readable(self, text: str, item: Mapping[str, Any]) -> str:
        """Text with names in place of ids."""
        if "<" not in text:
            return text
        if _MENTION.search(text):
            names = self._names()

            def named(found: re.Match[str]) -> str:
                held = names.channels if found[1] == "#" else names.roles
                return f"{found[1][0]}{held.get(found[2], found[2])}"

            text = _MENTION.sub(named, text)
        users = {
            _text(user, "id"): _text(user, "global_name") or _text(user, "username")
            for user in _objects(item.get("mentions"))
        }
        return plain_text(text, users)

    def _names(self) -> _Names:
        names = _NAMES.get(self._names_key)
        if names is None or names.expires < time.monotonic():
            roles = self._http.get_json(f"/guilds/{self._config.guild_id}/roles")
            names = _NAMES[self._names_key] = _Names(
                time.monotonic() + _NAMES_LIVE_S,
                {each["id"]: _text(each, "name") for each in self._channels()},
                {_text(each, "id"): _text(each, "name") for each in _objects(roles)},
            )
        return names


_SECONDS = "%Y-%m-%dT%H:%M:%SZ"


class _Place:
    """Where the reading of a channel is; what of it goes into the position is in :meth:`position`.

    Attributes:
        step: messages, archived (threads), known (threads that no list showed), end.
        since: the first moment that is read, as ``effective_on`` has it; empty when everything is.
        after: messages after this id are to be read.
        newest: day of the newest message that was ever seen in the channel and its threads.
        held: day and messages of the record that is not complete, and the number of the part it is.
        before: archived threads before this time are to be listed.
        threads: to be read, with their names.
        thread: the one that is being read.
        read: ids of all that were taken up.
        ready_at: epoch seconds before which the API is not to be asked.
    """

    def __init__(self, stream: Stream, position: Position | None, config: DiscordConfig) -> None:
        self.channel, self.name = str(stream.options["channel"]), str(stream.options["name"])
        kind = stream.options["kind"]
        self._guild = config.guild_id
        self._has_threads = config.threads and kind in _WITH_THREADS
        told = position or {}
        self.since = str(told["since"]) if "since" in told else _since(stream.cursor, config)
        self.step = str(told.get("step") or "messages")
        self.after = int(told["after"]) if "after" in told else self._first_after()
        self.newest = str(told.get("newest") or (stream.cursor or {}).get("day") or "")
        held = told.get("held")
        self.held: tuple[str, list[Message], int] | None = (
            (held[0], [Message.model_validate(each) for each in held[1]], held[2]) if held else None
        )
        self.before = str(told.get("before", ""))
        self.threads: list[dict[str, str]] = list(told.get("threads", []))
        self.thread: dict[str, Any] | None = dict(told["thread"]) if told.get("thread") else None
        self.read: list[str] = list(told.get("read", []))
        self.ready_at = float(told.get("ready_at", 0.0))
        self._active = stream.options.get("active", [])
        if position is None and kind in _WITH_THREADS_ONLY:
            self.begin_threads()

    def _first_after(self) -> int:
        return max(0, snowflake(datetime.fromisoformat(self.since)) - 1) if self.since else 0

    def position(self) -> Position:
        held = self.held
        return {
            "step": self.step,
            "since": self.since,
            "after": self.after,
            "newest": self.newest,
            "held": [held[0], [each.model_dump() for each in held[1]], held[2]] if held else None,
            "before": self.before,
            "threads": self.threads,
            "thread": self.thread,
            "read": self.read,
            "ready_at": self.ready_at,
        }

    def heed(self, answer: Answer | None) -> None:
        """Leave the API alone when its answer says that the limit is used up: a 429 would count against the bot."""
        if answer is not None and answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
            try:
                seconds = float(answer.headers.get("x-ratelimit-reset-after", "0"))
            except ValueError:
                seconds = 1.0
            if 0 < seconds < 3_600:
                self.ready_at = time.time() + seconds

    # --- days -------------------------------------------------------------------------------------------------------

    def day_id(self, day: str) -> str:
        return f"{self._guild}/{self.channel}/{day}"

    def add_to_day(self, day: str, message: Message) -> list[Record]:
        """Add a message; the records that are complete with it."""
        held = self.held or (day, [], 1)
        self.held = (held[0], [*held[1], message], held[2])
        if not _is_full(self.held[1]):
            return []
        ended = self._day_record()
        self.held = (day, [], held[2] + 1)
        return ended

    def end_day(self) -> list[Record]:
        """The record of the day that is held, if it has messages."""
        ended = self._day_record()
        self.held = None
        return ended

    def _day_record(self) -> list[Record]:
        if self.held is None or not self.held[1]:
            return []
        day, messages, part = self.held
        return [self._record(_part(self.day_id(day), part), f"#{self.name}, {day}", f"{day}T00:00:00Z", messages)]

    # --- threads ----------------------------------------------------------------------------------------------------

    def thread_id(self, number: str) -> str:
        return f"{self._guild}/{self.channel}/thread/{number}"

    def thread_of(self, record_id: str) -> str:
        """The thread that a record is of, or of which it is a part; empty for a day."""
        prefix = self.thread_id("")
        return record_id.removeprefix(prefix).partition("/")[0] if record_id.startswith(prefix) else ""

    def begin_threads(self) -> None:
        """The channel itself is read: on with its threads."""
        if self._has_threads:
            self.take_up(self._active)
        self.step = "archived" if self._has_threads else "end"

    def take_up(self, threads: Iterable[dict[str, Any]]) -> None:
        """Threads to read, each once; those that nobody wrote to since then are not."""
        for thread in threads:
            number = thread["id"]
            if number not in self.read and max(_last_at(thread), _archived_at(thread)) >= self.since:
                self.read.append(number)
                self.threads.append({"id": number, "name": (_text(thread, "name") or number)[:200]})

    def open_thread(self) -> dict[str, Any]:
        """The thread that is being read, or the next."""
        if self.thread is None:
            # A thread is read from its beginning, whenever it began: its record holds all of it.
            self.thread = {**self.threads.pop(0), "after": 0, "last": "", "messages": [], "part": 1, "parts": []}
        return self.thread

    def add_to_thread(self, message: Message) -> list[Record]:
        """Add a message; the record that is complete with it."""
        thread = self.open_thread()
        thread["messages"] = [*thread["messages"], message.model_dump()]
        return self._thread_record() if _is_full([Message.model_validate(e) for e in thread["messages"]]) else []

    def end_thread(self) -> list[Record]:
        """The last record of the thread, which is read now."""
        ended = self._thread_record()
        self.thread = None
        return ended

    def _thread_record(self) -> list[Record]:
        thread = self.open_thread()
        messages = [Message.model_validate(each) for each in thread["messages"]]
        if not messages:
            return []
        record_id = _part(self.thread_id(str(thread["id"])), thread["part"])
        thread |= {"messages": [], "part": thread["part"] + 1, "parts": [*thread["parts"], record_id]}
        began = made_at(int(thread["id"])).strftime(_SECONDS)
        return [self._record(record_id, f"#{self.name}: {str(thread['name'])[:_TITLE_CHARACTERS]}", began, messages)]

    # --- records ----------------------------------------------------------------------------------------------------

    def _record(self, record_id: str, title: str, effective_on: str, messages: list[Message]) -> Record:
        return Record(
            source_type=SOURCE_TYPE,
            record_id=record_id,
            title=title[:1_024],
            url=messages[0].url,
            messages=messages,
            updated_at=messages[-1].posted_at,
            effective_on=effective_on,
            metadata={"channel": self.name},
        )

    def gone(self, record_id: str) -> Record:
        return Record(
            source_type=SOURCE_TYPE,
            record_id=record_id,
            updated_at=datetime.now(UTC).strftime(_SECONDS),
            deleted=True,
        )


def _since(cursor: Cursor | None, config: DiscordConfig) -> str:
    if cursor is not None:
        first = date.fromisoformat(cursor["day"]) - timedelta(days=config.lookback_days)
    elif config.history_days is not None:
        first = datetime.now(UTC).date() - timedelta(days=config.history_days)
    else:
        return ""
    return f"{first.isoformat()}T00:00:00Z"


def _part(record_id: str, part: int) -> str:
    return record_id if part == 1 else f"{record_id}/{part}"


def _is_full(messages: list[Message]) -> bool:
    return len(messages) >= PART_MESSAGES or sum(len(each.text) for each in messages) >= PART_CHARACTERS


def _archived_at(thread: Mapping[str, Any]) -> str:
    """When a thread was archived or came back, as ``effective_on`` has it; empty when it does not tell."""
    told = _text(thread.get("thread_metadata"), "archive_timestamp")
    try:
        return datetime.fromisoformat(told).astimezone(UTC).strftime(_SECONDS)
    except ValueError:
        return ""


def _last_at(thread: Mapping[str, Any]) -> str:
    """When a thread was last written to: its last message's id, which may be of a message that is deleted by now."""
    last = _text(thread, "last_message_id") or _text(thread, "id")
    return made_at(int(last)).strftime(_SECONDS) if last.isdecimal() and len(last) <= 20 else ""


def _author(user: Mapping[str, Any]) -> str:
    name = user.get("global_name") or user["username"]
    if not isinstance(name, str):
        raise TypeError("username")
    return name


def _forbidden(at: _Place, error: SourceError) -> Page:
    """The end of a channel that the bot may not read: what is known of it stays."""
    if error.details.get("status") != 403:
        raise error
    return Page(problems=[_unreadable(f"#{at.name}", "")])


def _unreadable(item: str, record_id: str) -> Problem:
    reason = "The bot may not read it: it lacks View Channel or Read Message History."
    return Problem(item=item, reason=reason, record_id=record_id)


def _suspect(items: list[tuple[int, dict[str, Any]]], at: _Place, problems: list[Problem]) -> None:
    """Tell that the intent is missing when no message of a page has anything in it."""
    spoken = [item for _, item in items if item.get("type", 0) in {0, 19}]
    empty = [item for item in spoken if not any(item.get(name) for name in ("content", "embeds", "attachments"))]
    if len(spoken) >= _SUSPICIOUS and len(empty) == len(spoken):
        reason = 'No message has any text: the bot lacks the intent "Message Content".'
        problems.append(Problem(item=f"#{at.name}", reason=reason))


def _text(item: object, name: str) -> str:
    value = item.get(name) if isinstance(item, Mapping) else None
    return value if isinstance(value, str) else ""


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
