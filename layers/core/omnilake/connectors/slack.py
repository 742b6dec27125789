"""Slack: the channels that a token sees, by the Web API, through Slack's own SDK.

**Records.** One for each thread (its first message and all replies), and one for each channel and day (UTC) with the
messages that began no thread. A message is not a document of its own: alone it says too little.

**Incremental.** Slack has no feed of changes. Each sync reads a channel again from some days before the newest message
that the last sync saw (``lookback_days``): what was edited there is written again, what is gone is deleted. Threads
that began earlier are followed as long as their last reply lies in that time. Times are Slack's own: no clock of ours
is compared with them.

**Pages.** Each page is one call. History is paged by time, which is unique in a channel, so nothing is lost or doubled
when messages come in between: https://docs.slack.dev/reference/methods/conversations.history ,
https://docs.slack.dev/reference/methods/conversations.replies , https://docs.slack.dev/apis/web-api/rate-limits .
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

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
from omnilake.errors import RateLimited, SourceError, TransientError
from omnilake.extraction import slack as markup
from omnilake.models import Message, Record

PAGE_MESSAGES = 200
"""As Slack recommends; at most 999."""

_PAGE_ITEMS = 999
_TIMEOUT_S = 30
_NAMES_LIVE_S = 3_600.0
_DEFAULT_WAIT_S = 60.0
_TIME = re.compile(r"\d{1,10}\.\d{6}")
_TITLE_CHARACTERS = 80

_TOKEN_ERRORS = {
    "invalid_auth": "is not valid",
    "not_authed": "is missing",
    "token_expired": "has expired",
    "token_revoked": "was revoked",
    "account_inactive": "belongs to an account that is not active any more",
    "invalid_token": "is not valid",
}
_TRANSIENT_ERRORS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_GONE_CHANNEL = {"channel_not_found", "not_in_channel", "is_archived", "no_permission"}


class SlackConfig(SourceConfig):
    """A workspace. The secret: a bot or user token."""

    workspace: str = Field(min_length=1, max_length=64)  # team id (T024BE7LD) or the name in its address
    channels: list[str] = Field(default=[], max_length=1_000)  # ids or names; empty: all that the token reads
    private_channels: bool = False
    lookback_days: int = Field(default=7, ge=1, le=365)
    history_days: int | None = Field(default=None, ge=1)  # how far the first sync goes back; None: to the beginning
    base_url: str = Field(default="https://slack.com/api/", pattern=r"^https?://")


@dataclass
class _Directory:
    """Names of a workspace's users, as far as they were read."""

    expires: float
    users: dict[str, str] = field(default_factory=dict)
    cursor: str = ""
    complete: bool = False


_DIRECTORIES: dict[str, _Directory] = {}
"""Kept for an hour in a warm process, by a hash of address and token: each invocation has a connector of its own."""


class SlackConnector:
    """Reads a workspace."""

    config_model: ClassVar[type[SourceConfig]] = SlackConfig

    def __init__(self, config: SlackConfig, credentials: Credentials) -> None:
        from slack_sdk import WebClient

        self._config = config
        token = credentials.require()
        quiet = logging.getLogger("omnilake.connectors.slack.sdk")
        quiet.disabled = True  # the SDK's own log lines quote answers
        base_url = config.base_url if config.base_url.endswith("/") else config.base_url + "/"
        self._client = WebClient(token=token, base_url=base_url, timeout=_TIMEOUT_S, retry_handlers=[], logger=quiet)
        self._directory_key = hashlib.sha256(f"{base_url}\n{token}".encode()).hexdigest()

    # --- plan -----------------------------------------------------------------------------------------------------

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """A stream for each channel that the token may read; those that are not listed any more are gone."""
        who = self._call("auth.test")
        address = str(who.get("url") or "")
        self._check_workspace(who, address)
        listed = self._channels()
        wanted = [channel for channel in listed if self._is_wanted(channel)]
        self._check_wanted(wanted)
        is_bot = bool(who.get("bot_id"))
        streams = [
            Stream(
                name=_stream_name(channel["id"]),
                cursor=cursors.get(_stream_name(channel["id"])),
                options={"channel": channel["id"], "name": str(channel.get("name") or channel["id"]), "url": address},
            )
            for channel in wanted
            if channel.get("is_member") or (not is_bot and not channel.get("is_private"))
        ]
        still_there = {_stream_name(channel["id"]) for channel in wanted}
        gone = [Stream(name=name, gone=True) for name in cursors if name not in still_there]
        return streams + gone

    def _channels(self) -> list[dict[str, Any]]:
        types = "public_channel,private_channel" if self._config.private_channels else "public_channel"
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = self._call(
                "conversations.list", types=types, limit=_PAGE_ITEMS, exclude_archived=False, cursor=cursor
            )
            found += [each for each in _items(answer, "channels") if _text(each, "id")]
            cursor = _next_cursor(answer)
            if not cursor:
                return found

    def _check_workspace(self, who: dict[str, Any], address: str) -> None:
        names = {str(who.get("team_id")), address.removeprefix("https://").partition(".")[0]}
        if self._config.workspace not in names:
            raise SourceError(
                "The token belongs to another Slack workspace than the source names.",
                action="Store a token of this workspace, or correct the source's workspace.",
            )

    def _is_wanted(self, channel: dict[str, Any]) -> bool:
        names = {channel["id"], channel.get("name"), f"#{channel.get('name')}"}
        return not self._config.channels or bool(names.intersection(self._config.channels))

    def _check_wanted(self, wanted: list[dict[str, Any]]) -> None:
        found = {name for each in wanted for name in (each["id"], each.get("name"), f"#{each.get('name')}")}
        missing = [name for name in self._config.channels if name not in found]
        if missing:
            raise SourceError(
                f"The token sees no channel {', '.join(missing[:10])}.",
                action="Correct the source's channels, or invite the app to them (/invite).",
            )

    # --- fetch ----------------------------------------------------------------------------------------------------

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """One call: a page of history, or of a thread; at last the sweep."""
        at = _Place(stream, position, self._config)
        if at.thread is not None or at.threads:
            return self._read_thread(at, known)
        if not at.history_read:
            return self._read_history(at)
        return self._finish_or_follow(at, known)

    def _read_history(self, at: _Place) -> Page:
        answer = self._call(
            "conversations.history",
            channel=at.channel,
            oldest=at.start,
            latest=at.latest,
            inclusive=True,
            limit=PAGE_MESSAGES,
        )
        if answer["error"] in _GONE_CHANNEL:
            return _unreadable(at, answer["error"])
        problems: list[Problem] = []
        days: dict[str, list[Message]] = defaultdict(list, at.held)
        times = []
        for number, item in enumerate(_list(answer, "messages")):
            ts = _time_of(item)
            if ts is None:
                problems.append(Problem(item=f"#{at.name}, message {number} before {at.latest}", reason=_MALFORMED))
                continue
            times.append(ts)
            root = item.get("thread_ts", ts)
            if item.get("reply_count") or root != ts:
                at.add_thread(root if isinstance(root, str) else "", ts)
                continue
            message, problem = self._message(item, ts, at)
            if message is not None:
                days[_day(ts)].append(message)
            if problem is not None:
                problems.append(problem)
        if times:
            at.note_newest(_day(max(times, key=_number)))
        if answer.get("has_more"):
            if not times:
                raise SourceError(f"Slack gives a page of #{at.name} in which no message has a time.")
            first = min(times, key=_number)
            at.latest, at.held = _just_before(first), {_day(first): days.pop(_day(first), [])}
        else:
            at.history_read, at.held = True, {}
        records = [record for day, messages in sorted(days.items()) if (record := at.day_record(day, messages))]
        return Page(records=records, problems=problems, position=at.position())

    def _read_thread(self, at: _Place, known: Mapping[str, Known]) -> Page:
        if at.thread is None:
            at.thread = {"ts": at.threads.pop(0), "cursor": "", "messages": []}
        ts = str(at.thread["ts"])
        record_id = at.thread_id(ts)
        answer = self._call(
            "conversations.replies", channel=at.channel, ts=ts, limit=PAGE_MESSAGES, cursor=at.thread["cursor"]
        )
        if answer["error"]:
            at.thread = None
            return Page(records=_deletion(record_id, known), position=at.position())
        problems = []
        messages = [Message.model_validate(each) for each in at.thread["messages"]]
        for number, item in enumerate(_list(answer, "messages")):
            reply = _time_of(item)
            if reply is None:
                problems.append(
                    Problem(item=f"#{at.name}, thread {ts}, message {number}", reason=_MALFORMED, record_id=record_id)
                )
                continue
            at.thread["last"] = max(str(at.thread.get("last") or reply), reply, key=_number)
            message, problem = self._message(item, reply, at)
            if message is not None and message not in messages:  # each page begins with the thread's first message
                messages.append(message)
            if problem is not None:
                problems.append(problem)
        cursor = _next_cursor(answer)
        if cursor and answer.get("has_more"):
            at.thread |= {"cursor": cursor, "messages": [each.model_dump() for each in messages]}
            return Page(problems=problems, position=at.position())
        last, at.thread = str(at.thread.get("last") or ts), None
        record = at.thread_record(ts, messages)
        return Page(
            records=[record] if record else _deletion(record_id, known),
            problems=problems,
            validators={record_id: last},
            position=at.position(),
        )

    def _finish_or_follow(self, at: _Place, known: Mapping[str, Known]) -> Page:
        if not at.followed:
            at.followed = True
            at.threads = sorted(
                record_id.rpartition("/")[2]
                for record_id, each in known.items()
                if "/thread/" in record_id
                and each.effective_on < at.since
                and _number(each.validator or "0") >= _number(at.start)
            )
            if at.threads:
                return Page(position=at.position())
        return Page(cursor={"day": at.newest} if at.newest else None, sweep=Sweep(since=at.since))

    def _message(self, item: dict[str, Any], ts: str, at: _Place) -> tuple[Message | None, Problem | None]:
        """A message as it reads, or why it is none; neither for one that says nothing (who joined, who left)."""
        text = item.get("text")
        if text is not None and not isinstance(text, str):
            return None, Problem(item=f"#{at.name}, {ts}", reason=_MALFORMED, record_id=at.day_id(_day(ts)))
        read = markup.messages([[item]], markup.Names(users=self._users()))
        if not read:
            return None, None
        return read[0].model_copy(update={"url": at.permalink(ts, item.get("thread_ts"))}), None

    # --- calls ----------------------------------------------------------------------------------------------------

    def _users(self) -> dict[str, str]:
        """Names by user id, read once an hour. A rate limit goes on where it came."""
        directory = _DIRECTORIES.get(self._directory_key)
        if directory is None or directory.expires < time.monotonic():
            directory = _DIRECTORIES[self._directory_key] = _Directory(time.monotonic() + _NAMES_LIVE_S)
        while not directory.complete:
            answer = self._call("users.list", limit=_PAGE_ITEMS, cursor=directory.cursor)
            directory.users |= markup.names_of_users(_items(answer, "members"))
            directory.cursor = _next_cursor(answer)
            directory.complete = not directory.cursor
        return directory.users

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Answer of a method; its ``error`` is empty, or one of a channel or thread that can't be read."""
        from http.client import HTTPException

        from slack_sdk.errors import SlackApiError, SlackClientError

        wanted = {name: value for name, value in arguments.items() if value not in ("", None)}
        try:
            answer = self._client.api_call(method, params=wanted)
        except SlackApiError as error:
            return {"error": _translated(error.response, method)}
        except SlackClientError as error:
            raise SourceError("Slack's address is not valid.", action="Check the source's base_url.") from error
        except (OSError, HTTPException) as error:  # URLError is an OSError
            raise TransientError(f"Slack could not be reached: {type(error).__name__}.") from error
        except (AttributeError, ValueError) as error:  # JSON that is no object; bytes that are no text
            raise SourceError(
                "Slack's answer is not that of its API.", action="Check the source's base_url."
            ) from error
        return {**answer.data, "error": ""} if isinstance(answer.data, dict) else {"error": ""}

    def close(self) -> None:
        """The SDK keeps no connection."""


_MALFORMED = "the message has no valid time or text"


class _Place:
    """Where the reading of a channel is; what of it goes into the position is in :meth:`position`.

    Attributes:
        start: Slack time of the beginning of the first day that is read.
        latest: messages up to it are to be read; empty: all.
        newest: day of the newest message that was ever seen.
        held: messages of a day that is read in part, by day.
        threads: whose replies are to be read.
        thread: the one that is read in part.
    """

    def __init__(self, stream: Stream, position: Position | None, config: SlackConfig) -> None:
        self.channel, self.name = str(stream.options["channel"]), str(stream.options["name"])
        self._address = str(stream.options["url"])
        self._config = config
        told = position or {}
        self.newest = str(told.get("newest") or (stream.cursor or {}).get("day") or "")
        self.start = str(told["start"]) if "start" in told else self._start(stream.cursor)
        self.latest = str(told.get("latest", ""))
        self.held = {
            day: [Message.model_validate(each) for each in messages] for day, messages in told.get("held", {}).items()
        }
        self.threads: list[str] = list(told.get("threads", []))
        self.thread: dict[str, Any] | None = dict(told["thread"]) if told.get("thread") else None
        self.history_read = bool(told.get("history_read"))
        self.followed = bool(told.get("followed"))

    def _start(self, cursor: Cursor | None) -> str:
        if cursor is not None:
            first = date.fromisoformat(cursor["day"]) - timedelta(days=self._config.lookback_days)
        elif self._config.history_days is not None:
            first = datetime.now(UTC).date() - timedelta(days=self._config.history_days)
        else:
            return "0.000000"
        seconds = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        return f"{max(seconds, 0)}.000000"

    @property
    def since(self) -> str:
        """The first day that is read, as ``effective_on`` has it; empty when everything is."""
        return "" if _number(self.start) == 0 else f"{_day(self.start)}T00:00:00Z"

    def position(self) -> Position:
        return {
            "start": self.start,
            "latest": self.latest,
            "newest": self.newest,
            "held": {day: [each.model_dump() for each in messages] for day, messages in self.held.items()},
            "threads": self.threads,
            "thread": self.thread,
            "history_read": self.history_read,
            "followed": self.followed,
        }

    def note_newest(self, day: str) -> None:
        self.newest = max(self.newest, day)

    def add_thread(self, root: str, ts: str) -> None:
        """A thread to read: of its first message, or of a reply that was sent to the channel too."""
        thread = root if _TIME.fullmatch(root) else ts
        if thread not in self.threads:
            self.threads.append(thread)

    def day_id(self, day: str) -> str:
        return f"{self._config.workspace}/{self.channel}/{day}"

    def thread_id(self, ts: str) -> str:
        return f"{self._config.workspace}/{self.channel}/thread/{ts}"

    def permalink(self, ts: str, thread: Any = None) -> str:
        """As Slack's own "copy link" makes it."""
        link = f"{self._address}archives/{self.channel}/p{ts.replace('.', '')}"
        return f"{link}?thread_ts={thread}&cid={self.channel}" if isinstance(thread, str) and thread != ts else link

    def day_record(self, day: str, messages: list[Message]) -> Record | None:
        """The messages of a day outside threads; None when there are none."""
        title = f"#{self.name}, {day}"
        return self._record(self.day_id(day), title, f"{day}T00:00:00Z", messages)

    def thread_record(self, ts: str, messages: list[Message]) -> Record | None:
        """A thread; None when nothing of it is left."""
        began = datetime.fromtimestamp(_number(ts) // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        first = messages[0].text.split("\n", 1)[0] if messages else ""
        title = f"#{self.name}: {first[:_TITLE_CHARACTERS]}"
        return self._record(self.thread_id(ts), title, began, messages)

    def _record(self, record_id: str, title: str, effective_on: str, messages: list[Message]) -> Record | None:
        if not messages:
            return None
        ordered = sorted(messages, key=lambda message: message.posted_at)
        return Record(
            source_type="slack",
            record_id=record_id,
            title=title,
            url=ordered[0].url,
            messages=ordered,
            updated_at=ordered[-1].posted_at,
            effective_on=effective_on,
            metadata={"channel": self.name, "channel_id": self.channel},
        )


def _translated(response: Any, method: str) -> str:
    """The error of an answer that says nothing against the source as a whole. Raises for all others."""
    status, headers = int(response.status_code), response.headers
    error = str(response.data.get("error") or "") if isinstance(response.data, dict) else ""
    if status == 429 or error == "ratelimited":
        told = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        raise RateLimited.after(float(told) if str(told).isdigit() else _DEFAULT_WAIT_S, "Slack")
    if status >= 500 or error in _TRANSIENT_ERRORS:
        raise TransientError(f"Slack answered {method} with status {status}.")
    if error in _TOKEN_ERRORS:
        raise SourceError(
            f"Slack's token {_TOKEN_ERRORS[error]}.",
            action="Put a valid token into the source's secret and sync again.",
        )
    if error == "missing_scope":
        needed = str(response.data.get("needed") or "")[:200]
        raise SourceError(
            f"Slack's token lacks the scope {needed} for {method}.",
            action="Add the scope to the app, install it again and store its new token (docs/connectors.md).",
        )
    if error in _GONE_CHANNEL or error in {"thread_not_found", "message_not_found"}:
        return error
    known = error if re.fullmatch(r"[a-z_]{1,64}", error) else f"status {status}"
    raise SourceError(f"Slack answered {method} with {known}.", action="Check the source's configuration and token.")


def _unreadable(at: _Place, error: str) -> Page:
    """A channel that was listed and can't be read: it is told of, and what is ingested of it stays."""
    return Page(problems=[Problem(item=f"#{at.name}", reason=f"Slack does not let the token read it: {error}")])


def _deletion(record_id: str, known: Mapping[str, Known]) -> list[Record]:
    """The deletion of a record, if it was ever ingested."""
    if record_id not in known:
        return []
    return [Record(source_type="slack", record_id=record_id, updated_at=known[record_id].updated_at, deleted=True)]


def _stream_name(channel: str) -> str:
    return f"channel/{channel}"


def _list(answer: dict[str, Any], name: str) -> list[Any]:
    value = answer.get(name)
    if not isinstance(value, list):
        raise SourceError(f"Slack's answer holds no {name}.", action="Check the source's base_url.")
    return value


def _items(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [each for each in _list(answer, name) if isinstance(each, dict)]


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _next_cursor(answer: dict[str, Any]) -> str:
    about = answer.get("response_metadata")
    return _text(about, "next_cursor") if isinstance(about, dict) else ""


def _time_of(item: Any) -> str | None:
    ts = item.get("ts") if isinstance(item, dict) else None
    return ts if isinstance(ts, str) and _TIME.fullmatch(ts) else None


def _number(ts: str) -> int:
    """Microseconds of a Slack time; exact, which a float is not."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int((fraction or "0").ljust(6, "0"))


def _day(ts: str) -> str:
    """UTC day of a Slack time."""
    return datetime.fromtimestamp(int(ts.partition(".")[0]), UTC).date().isoformat()


def _just_before(ts: str) -> str:
    number = _number(ts) - 1
    return f"{number // 1_000_000}.{number % 1_000_000:06d}"
