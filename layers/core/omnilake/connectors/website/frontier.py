"""What a crawl has before and behind it, as it travels from one invocation to the next."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from omnilake.connectors.protocol import MAX_POSITION_BYTES, Position, Problem

_ROOM = MAX_POSITION_BYTES * 3 // 4
"""Bytes of a position beyond which no further address is taken up."""
_REMEMBERED = 10_000


class Waiting(BaseModel):
    """A page that is to be fetched.

    Attributes:
        url: in normal form.
        depth: links from a start page to it; those of sitemaps are 0.
        tries: how often it was tried in vain in this crawl.
        changed: the sitemap's ``lastmod``, empty when it tells none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    depth: int = 0
    tries: int = 0
    changed: str = ""


class LeftOut(BaseModel):
    """Pages that were left out for one reason."""

    model_config = ConfigDict(extra="forbid")

    count: int = 0
    examples: list[str] = []


class Frontier(BaseModel):
    """The state of a crawl of one origin.

    Attributes:
        phase: what is being read.
        robots: text of robots.txt.
        ready_at: epoch seconds before which the site is not to be asked again.
        sitemaps: addresses of sitemaps still to be read.
        sitemap_files: how many were read.
        sitemap_pages: pages that they listed.
        sitemap_pauses: how often the site asked for a pause while they were read.
        waiting: pages still to be fetched, in order.
        seen: short hashes of the identities of all pages that were taken up.
        aliases: short hash of a page → that of the page it names as canonical, of pages left for the canonical one.
        fetched: pages that were asked for.
        readable: pages that are or stay records.
        listed: problems that were listed one by one.
        refused: short hashes of addresses that were left out, so that each is counted once; the first 10,000.
        first_failure: why the first page that failed did.
        left_out: by reason.
    """

    model_config = ConfigDict(extra="forbid")

    phase: Literal["sitemaps", "pages"] = "sitemaps"
    robots: str = ""
    ready_at: float = 0.0
    sitemaps: list[str] = []
    sitemap_files: int = 0
    sitemap_pages: int = 0
    sitemap_pauses: int = 0
    waiting: list[Waiting] = []
    seen: set[str] = set()
    aliases: dict[str, str] = {}
    fetched: int = 0
    readable: int = 0
    listed: int = 0
    refused: set[str] = set()
    first_failure: str = ""
    left_out: dict[str, LeftOut] = Field(default={})

    @classmethod
    def of(cls, position: Position) -> Frontier:
        """The frontier of a position."""
        return cls.model_validate(position)

    def position(self) -> Position:
        """As it travels: JSON, the same for the same state."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return {name: sorted(value) if name in {"seen", "refused"} else value for name, value in told.items()}

    def room(self) -> int:
        """Bytes that further pages may take in the position; see :func:`room_of`."""
        hashes = 20 * (len(self.seen) + len(self.refused)) + 40 * len(self.aliases)
        return _ROOM - 2 * len(self.robots) - hashes - sum(room_of(page) for page in self.waiting)

    def leave_out(self, reason: str, url: str) -> None:
        """Count a page that is left out; once, as far as that can be remembered."""
        key = short(url)
        if key in self.refused:
            return
        if len(self.refused) < _REMEMBERED:
            self.refused.add(key)
        group = self.left_out.setdefault(reason, LeftOut())
        group.count += 1
        if len(group.examples) < 3:
            group.examples.append(url[:300])

    def problems(self) -> list[Problem]:
        """What was left out, one problem a reason."""
        return [
            Problem(item=", ".join(group.examples)[:1_000], reason=f"{_pages(group.count)} left out: {reason}")
            for reason, group in sorted(self.left_out.items())
        ]


def room_of(page: Waiting) -> int:
    """Bytes that a page takes in a position, waiting and then seen; not fewer than it really takes."""
    return len(page.url) + len(page.changed) + 90


def short(identity: str) -> str:
    """Hash that stands for a page in ``seen`` and ``aliases``: 60 bits, so that 20,000 pages don't collide."""
    return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()[:15]


class Validator(BaseModel):
    """What is kept of a page for the next crawl (``Known.validator``)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str = ""  # as fetched
    etag: str = ""
    modified: str = ""  # Last-Modified, as the server wrote it
    changed: str = ""  # the sitemap's lastmod
    depth: int = 0

    @classmethod
    def of(cls, text: str) -> Validator:
        """Of its text; of another text than ours an empty one, which only costs a full fetch."""
        try:
            return cls.model_validate_json(text) if text else cls()
        except ValueError:
            return cls()

    @property
    def text(self) -> str:
        return json.dumps(self.model_dump(exclude_defaults=True), sort_keys=True, ensure_ascii=False)

    @property
    def conditions(self) -> dict[str, str]:
        """Headers that ask for the page only if it has changed (RFC 9110, section 13)."""
        told = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in told.items() if value}


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"
