"""GitLab, on gitlab.com or a server of one's own: issues, merge requests and wiki pages of a project, by the REST API.

**Records.** One an issue, one a merge request, each with its description and its comments (system notes left out), and
one a wiki page.

**Incremental.** Issues and merge requests are read in the order of their last change, from a little before the last one
that an earlier sync saw. Pages are asked for by time rather than by number, so that an item that changes or goes while
they are read moves no other out of sight. A wiki knows no time of change: all its pages are read, those that are the
same are dropped.

**Deletions.** GitLab does not tell of them. Every ``list_every``-th sync lists all issues and merge requests; what is
missing is deleted, and what was overlooked is read. An issue that moved to another project, or became confidential, is
deleted as soon as that is seen. Wiki pages are listed in each sync.

https://docs.gitlab.com/api/issues/ , https://docs.gitlab.com/api/merge_requests/ , https://docs.gitlab.com/api/wikis/ ,
https://docs.gitlab.com/api/discussions/ , https://docs.gitlab.com/api/rest/#pagination
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field

from omnilake.clock import now, timestamp
from omnilake.connectors.http import HttpClient
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
from omnilake.errors import SourceError
from omnilake.models import Record

PAGE_ITEMS = 20
"""Items of a page: each may need calls of its own for its comments."""

PAGE_LISTED = 100
"""Items of a page of a listing; the most that GitLab gives."""

PAGE_COMMENTS = 100
PAGE_WIKI = 20

_ISSUES, _MERGE_REQUESTS, _WIKI = "issues", "merge_requests", "wiki"
_SIGNS = {_ISSUES: "#", _MERGE_REQUESTS: "!"}
_UPDATED, _CREATED = "updated", "created"
_BEGINNING = "1970-01-01T00:00:00.000Z"


class GitLabConfig(SourceConfig):
    """A project. The secret: an access token with the scope ``read_api``."""

    base_url: str = Field(pattern=r"^https?://[^/\s]+", max_length=500)  # https://gitlab.com
    project: str = Field(min_length=1, max_length=500)  # group/project, or its number
    issues: bool = True
    merge_requests: bool = True
    wiki: bool = True
    comments: bool = True
    confidential: bool = False  # confidential issues and internal comments too
    overlap_minutes: int = Field(default=5, ge=0, le=1_440)
    list_every: int = Field(default=4, ge=1, le=1_000)


class GitLabConnector:
    """Reads a project."""

    config_model: ClassVar[type[SourceConfig]] = GitLabConfig

    def __init__(self, config: GitLabConfig, credentials: Credentials) -> None:
        self._config = config
        base_url = config.base_url.rstrip("/")
        self._host = urlsplit(base_url).netloc + urlsplit(base_url).path
        self._project = f"/projects/{quote(config.project, safe='')}"
        self._http = HttpClient("GitLab", f"{base_url}/api/v4", {"PRIVATE-TOKEN": credentials.require()})

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """The kinds of content that the project has and the source wants; the others are gone."""
        project = self._project_facts()
        wanted = {
            name: wanted and _is_enabled(project, name)
            for name, wanted in (
                (_ISSUES, self._config.issues),
                (_MERGE_REQUESTS, self._config.merge_requests),
                (_WIKI, self._config.wiki),
            )
        }
        address = str(project.get("web_url") or "")
        return [
            Stream(name=name, cursor=cursors.get(name), options={"url": address}, gone=not there)
            for name, there in wanted.items()
            if there or name in cursors
        ]

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """A page of items with their comments, of a listing, or of the wiki."""
        if stream.name == _WIKI:
            return self._read_wiki(stream, position)
        return self._read_items(stream, position, known)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _project_facts(self) -> dict[str, Any]:
        answer = self._http.get(self._project, missing_ok=True)
        if answer is None:
            raise SourceError(
                "GitLab has no such project, or this token does not see it.",
                action="Check the source's project and that the token's user is a member of it.",
            )
        facts = self._http.json_of(answer)
        if not isinstance(facts, dict) or "id" not in facts:
            raise SourceError("GitLab's answer is not that of its API.", action="Check the source's base_url.")
        return facts

    # --- issues and merge requests --------------------------------------------------------------------------------

    def _read_items(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        at = position or {"by": _UPDATED, "after": self._start(stream.cursor), "page": 1, "last": ""}
        by, size = at["by"], PAGE_ITEMS if at["by"] == _UPDATED else PAGE_LISTED
        answer = self._http.get(
            f"{self._project}/{stream.name}",
            {
                "scope": "all",
                "state": "all",
                "order_by": f"{by}_at",
                "sort": "asc",
                f"{by}_after": at["after"],
                "per_page": size,
                "page": at["page"],
            },
        )
        items = self._list(self._http.json_of(answer))
        page = _Items()
        for number, item in enumerate(items):
            self._take(stream.name, item, f"{stream.name}, item {number} after {at['after']}", known, page)
        last = max((moment for item in items if (moment := _moment(item, f"{by}_at"))), default="")
        more = answer is not None and "next" in answer.links
        return self._onward(stream, at, last, more, page)

    def _onward(self, stream: Stream, at: Position, last: str, more: bool, page: _Items) -> Page:
        """The page, with where to go on: later in time, further in the same moment, to the listing, or nowhere."""
        newest = max(at["last"], last) if at["by"] == _UPDATED else at["last"]
        syncs = int((stream.cursor or {}).get("syncs", 0)) + 1
        lists = stream.cursor is not None and syncs % self._config.list_every == 0
        position: Position | None
        if more and last > at["after"]:
            position = {**at, "after": last, "page": 1, "last": newest}
        elif more:
            position = {**at, "page": at["page"] + 1, "last": newest}
        elif at["by"] == _UPDATED and lists:
            position = {"by": _CREATED, "after": _BEGINNING, "page": 1, "last": newest}
        else:
            position = None
        newest = max(newest, str((stream.cursor or {}).get("after", "")))
        is_end, is_whole = position is None, stream.cursor is None or at["by"] == _CREATED
        counted = syncs if is_end else syncs - 1
        return Page(
            records=page.records,
            present=page.present,
            problems=page.problems,
            validators=page.validators,
            position=position,
            cursor={"after": newest, "syncs": counted} if newest else None,
            sweep=Sweep() if is_end and is_whole else None,
        )

    def _take(self, kind: str, item: Any, place: str, known: Mapping[str, Known], page: _Items) -> None:
        iid = item.get("iid") if isinstance(item, dict) else None
        if not isinstance(iid, int):
            page.problems.append(Problem(item=place, reason="it has no number"))
            return
        record_id = f"{self._host}/{self._config.project}/{kind}/{iid}"
        updated_at, title = _moment(item, "updated_at"), item.get("title")
        if not updated_at or not isinstance(title, str):
            page.problems.append(
                Problem(item=f"{kind} {iid}", reason="it has no title or no time of change", record_id=record_id)
            )
            return
        if item.get("moved_to_id") or (item.get("confidential") and not self._config.confidential):
            if record_id in known:
                page.records.append(
                    Record(source_type="gitlab", record_id=record_id, updated_at=updated_at, deleted=True)
                )
            return
        validator = f"{updated_at} {item.get('user_notes_count')}"
        if record_id in known and known[record_id].validator == validator:
            page.present.append(record_id)
            return
        comments = list(self._comments(kind, iid)) if self._config.comments and item.get("user_notes_count") else []
        page.validators[record_id] = validator
        page.records.append(
            Record(
                source_type="gitlab",
                record_id=record_id,
                title=f"{title} ({_SIGNS[kind]}{iid})"[:1_024],
                url=_text(item, "web_url")[:4_096],
                media_type="text/markdown",
                text=_item_text(title, item, comments),
                updated_at=updated_at,
                metadata=_item_facts(kind, item),
            )
        )

    def _comments(self, kind: str, iid: int) -> Iterator[str]:
        """Comments of an item as Markdown, thread by thread."""
        for discussion in self._pages(f"{self._project}/{kind}/{iid}/discussions", PAGE_COMMENTS):
            notes = discussion.get("notes") if isinstance(discussion, dict) else None
            for note in notes if isinstance(notes, list) else []:
                if not isinstance(note, dict) or note.get("system") or not _text(note, "body").strip():
                    continue
                if (note.get("internal") or note.get("confidential")) and not self._config.confidential:
                    continue
                yield f"### {_author(note)}, {_moment(note, 'created_at')[:16].replace('T', ' ')}\n\n{note['body']}"

    def _start(self, cursor: Cursor | None) -> str:
        if cursor is None:
            return _BEGINNING
        after = datetime.fromisoformat(cursor["after"]) - timedelta(minutes=self._config.overlap_minutes)
        return timestamp(after)

    # --- wiki -----------------------------------------------------------------------------------------------------

    def _read_wiki(self, stream: Stream, position: Position | None) -> Page:
        problems: list[Problem] = []
        if position is None:
            slugs = []
            for number, page in enumerate(self._pages(f"{self._project}/wikis", PAGE_LISTED)):
                slug = page.get("slug") if isinstance(page, dict) else None
                if isinstance(slug, str) and slug:
                    slugs.append(slug)
                else:
                    problems.append(Problem(item=f"wiki page {number}", reason="it has no slug"))
        else:
            slugs = position["slugs"]
        records = []
        for slug in slugs[:PAGE_WIKI]:
            record_id = f"{self._host}/{self._config.project}/wiki/{slug}"
            answer = self._http.get(f"{self._project}/wikis/{quote(slug, safe='')}", missing_ok=True)
            if answer is None:
                continue  # deleted since the listing
            page = self._http.json_of(answer)
            if not isinstance(page, dict) or not isinstance(page.get("content"), str):
                problems.append(Problem(item=f"wiki page {slug}", reason="it has no content", record_id=record_id))
                continue
            records.append(self._wiki_record(record_id, slug, page, stream.options["url"]))
        rest = slugs[PAGE_WIKI:]
        return Page(
            records=records,
            problems=problems,
            position={"slugs": rest} if rest else None,
            cursor=None if rest else {"read_at": now()},
            sweep=None if rest else Sweep(),
        )

    def _wiki_record(self, record_id: str, slug: str, page: dict[str, Any], address: str) -> Record:
        title = _text(page, "title") or slug
        return Record(
            source_type="gitlab",
            record_id=record_id[:1_024],
            title=title[:1_024],
            url=f"{address}/-/wikis/{quote(slug)}"[:4_096] if address else "",
            media_type="text/markdown" if page.get("format", "markdown") == "markdown" else "text/plain",
            text=f"# {title}\n\n{page['content']}",
            updated_at=now(),
            metadata={"kind": "wiki"},
        )

    def _pages(self, url: str, size: int) -> Iterator[Any]:
        """Items of all pages, as far as the ``Link`` headers lead."""
        number = 1
        while True:
            answer = self._http.get(url, {"per_page": size, "page": number})
            yield from self._list(self._http.json_of(answer))
            if answer is None or "next" not in answer.links:
                return
            number += 1

    @staticmethod
    def _list(content: Any) -> list[Any]:
        if not isinstance(content, list):
            raise SourceError("GitLab's answer is not that of its API.", action="Check the source's base_url.")
        return content


class _Items:
    """What the items of a page come to."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.present: list[str] = []
        self.problems: list[Problem] = []
        self.validators: dict[str, str] = {}


def _is_enabled(project: dict[str, Any], name: str) -> bool:
    """Whether a project has a kind of content: by its access level, or by the older flag."""
    level = project.get(f"{name}_access_level")
    return level != "disabled" if isinstance(level, str) else project.get(f"{name}_enabled", True) is not False


def _item_text(title: str, item: dict[str, Any], comments: list[str]) -> str:
    parts = [f"# {title}", _text(item, "description"), *(["## Comments", *comments] if comments else [])]
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _item_facts(kind: str, item: dict[str, Any]) -> dict[str, str]:
    labels = item.get("labels")
    milestone = item.get("milestone")
    facts = {
        "kind": kind.removesuffix("s"),
        "state": _text(item, "state"),
        "author": _author(item),
        "labels": ", ".join(each for each in labels if isinstance(each, str)) if isinstance(labels, list) else "",
        "milestone": _text(milestone, "title") if isinstance(milestone, dict) else "",
        "created_at": _moment(item, "created_at"),
    }
    return {name: value for name, value in facts.items() if value}


def _author(item: dict[str, Any]) -> str:
    author = item.get("author")
    return (_text(author, "name") or _text(author, "username")) if isinstance(author, dict) else ""


def _moment(item: Any, name: str) -> str:
    """A time of an item in UTC with milliseconds; empty when it is none."""
    value = _text(item, name) if isinstance(item, dict) else ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
