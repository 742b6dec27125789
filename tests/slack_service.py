"""Slack's Web API as its reference documents it, on a real socket, over messages that tests write.

https://docs.slack.dev/reference/methods/conversations.history , …/conversations.replies , …/conversations.list ,
…/users.list , …/auth.test ; errors come with status 200 and ``ok: false``, rate limits with 429 and ``Retry-After``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from vendor_server import Reply, Request, Vendor, vendor

TOKEN = "xoxb-test-token"
DAY = 86_400
MONDAY = 1_780_272_000  # 2026-06-01T00:00:00Z


class Workspace:
    """Channels with messages by Slack time; ``most`` caps every page, as for apps with narrow limits."""

    def __init__(self) -> None:
        self.channels: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.users = [
            {"id": "U1", "name": "ann", "profile": {"real_name": "Ann Lee"}},
            {"id": "U2", "name": "ben", "profile": {"real_name": "Ben Ode"}},
        ]
        self.most = 3
        self.errors: dict[str, str] = {}  # method → error
        self.raw: list[Any] = []  # items that the next page of history has besides
        self.channel("C1", "general")

    def channel(self, channel_id: str, name: str, **fields: Any) -> None:
        self.channels[channel_id] = {"id": channel_id, "name": name, "is_member": True, "is_private": False, **fields}
        self.messages.setdefault(channel_id, [])

    def say(
        self, at: float, text: str, *, channel: str = "C1", user: str = "U1", thread: str = "", **fields: Any
    ) -> str:
        """Post a message at a second; its Slack time."""
        ts = f"{Decimal(str(at)):.6f}"
        message = {"type": "message", "user": user, "text": text, "ts": ts, **fields}
        if thread:
            message["thread_ts"] = thread
            root = self.find(thread, channel)
            root["thread_ts"] = thread
            root["reply_count"] = root.get("reply_count", 0) + 1
        self.messages[channel].append(message)
        return ts

    def find(self, ts: str, channel: str = "C1") -> dict[str, Any]:
        return next(each for each in self.messages[channel] if each["ts"] == ts)

    def edit(self, ts: str, text: str, channel: str = "C1") -> None:
        self.find(ts, channel)["text"] = text

    def delete(self, ts: str, channel: str = "C1") -> None:
        self.messages[channel] = [each for each in self.messages[channel] if each["ts"] != ts]

    def answer(self, request: Request) -> Reply:
        method, form = request.path.rpartition("/")[2], request.form
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _refused("invalid_auth")
        if method in self.errors:
            return _refused(self.errors[method], needed="channels:history")
        if method == "auth.test":
            return _ok(team_id="T1", url="https://harbour.slack.com/", bot_id="B1", user_id="U9")
        if method == "conversations.list":
            private = "private_channel" in form["types"]
            listed = [each for each in self.channels.values() if private or not each["is_private"]]
            return self._paged("channels", listed, form)
        if method == "users.list":
            return self._paged("members", self.users, form)
        if form.get("channel") not in self.messages:
            return _refused("channel_not_found")
        return self._history(form) if method == "conversations.history" else self._replies(form)

    def _history(self, form: dict[str, str]) -> Reply:
        inclusive = form.get("inclusive") == "1"
        oldest, latest = Decimal(form.get("oldest", "0")), Decimal(form.get("latest", "9999999999"))

        def inside(ts: str) -> bool:
            at = Decimal(ts)
            return oldest < at < latest or (inclusive and at in {oldest, latest})

        there = [
            each
            for each in self.messages[form["channel"]]
            if inside(each["ts"]) and (each.get("thread_ts", each["ts"]) == each["ts"] or "subtype" in each)
        ]
        there.sort(key=lambda each: Decimal(each["ts"]), reverse=True)
        most = min(self.most, int(form.get("limit", 100)))
        raw, self.raw = self.raw, []
        return _ok(messages=there[:most] + raw, has_more=len(there) > most)

    def _replies(self, form: dict[str, str]) -> Reply:
        ts = form["ts"]
        thread = [each for each in self.messages[form["channel"]] if each.get("thread_ts", each["ts"]) == ts]
        if not thread:
            return _refused("thread_not_found")
        thread.sort(key=lambda each: Decimal(each["ts"]))
        root, replies = thread[:1], thread[1:]
        first = int(form.get("cursor", "0"))
        page = replies[first : first + self.most]
        more = first + self.most < len(replies)
        following = {"next_cursor": str(first + self.most) if more else ""}
        return _ok(messages=root + page, has_more=more, response_metadata=following)

    def _paged(self, name: str, items: list[Any], form: dict[str, str]) -> Reply:
        first = int(form.get("cursor") or "0")
        page, more = items[first : first + self.most], first + self.most < len(items)
        return _ok(**{name: page, "response_metadata": {"next_cursor": str(first + self.most) if more else ""}})


def _ok(**fields: Any) -> Reply:
    return Reply({"ok": True, **fields})


def _refused(error: str, **fields: Any) -> Reply:
    return Reply({"ok": False, "error": error, **fields})


@contextmanager
def slack(workspace: Workspace) -> Iterator[Vendor]:
    """The API, running."""
    with vendor(workspace.answer) as running:
        yield running
