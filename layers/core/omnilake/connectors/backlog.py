"""The connector of Backlog (nulab): issues with their comments, wiki pages and documents of projects.

There is no official Python SDK; the third-party ones (pybacklogpy, backlogpy) are thin layers over requests without
releases since 2022, so the API is called as https://developer.nulab.com/docs/backlog/ describes it:

- authentication: ``apiKey`` as a parameter of each call, or an OAuth 2.0 token as bearer (``/docs/backlog/auth``);
- rate limits: 429 with ``X-RateLimit-Reset`` (``/docs/backlog/rate-limit``);
- issues: ``get-issue-list`` in pages of ``offset`` and ``count``, and ``get-comment-list``;
- deletions of issues: ``get-project-recent-updates``, activities of type 4, by their ids;
- wiki pages: ``get-wiki-page-list`` names all of a project with their times, ``get-wiki-page`` has the content;
- documents: ``get-document-list`` has the content, ``get-document-tree`` tells which are in the trash.

Each kind of each project is a stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from omnilake.clock import now
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

SOURCE_TYPE = "backlog"

_MOST = 100
"""Items of the longest page that the API gives."""
_ISSUES = 25
"""Issues of a page; the comments of each take a call of their own."""
_OVERLAP = 5
"""Issues that a page has in common with the one before: as many may be deleted in between and none is skipped."""
_ISSUE_DELETED = 4
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, ValidationError)
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class BacklogConfig(SourceConfig):
    """Which space, and what of it.

    Attributes:
        space_url: address of the space: https://<space>.backlog.com, .backlog.jp or .backlogtool.com, or of a server of
            one's own. Over plain http only on this machine: the key would be readable on the way.
        projects: keys of projects; none: all that the key's owner has joined.
        issues, wikis, documents: which kinds.
        lookback_days: issues that changed in so many days before the last sync are read again. Edited and deleted
            comments do not count as a change of their issue.
    """

    space_url: str = Field(max_length=200)
    projects: list[str] = Field(default=[], max_length=1_000)
    issues: bool = True
    wikis: bool = True
    documents: bool = True
    lookback_days: int = Field(default=7, ge=1, le=365)

    @field_validator("space_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS)
        if not secure or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ValueError("must be the https address of the space")
        return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


class BacklogConnector:
    """A client of one space; see the module.

    Args:
        config: of the source.
        credentials: ``token`` (or ``api_key``) is an API key, ``access_token`` an OAuth 2.0 token. A token lasts an
            hour and is not renewed here, so a source that is synced by schedule has an API key.
    """

    config_model: ClassVar[type[SourceConfig]] = BacklogConfig

    def __init__(self, config: BacklogConfig, credentials: Credentials) -> None:
        self._config = config
        access_token = credentials.get("access_token")
        self._key: dict[str, str | int] = {}
        if not access_token:
            self._key = {"apiKey": credentials.get("api_key") or credentials.require()}
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        self._http = HttpClient("Backlog", f"{config.space_url}/api/v2", headers)
        self._host = urlsplit(config.space_url).netloc

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """A stream for each kind of each project; projects that are no longer seen are gone.

        Raises:
            SourceError: no project is to be seen, or one that was asked for never was.
        """
        projects = self._projects(cursors)
        streams = [
            Stream(name=f"{project['id']}/{kind}", cursor=cursors.get(f"{project['id']}/{kind}"), options=project)
            for project in projects
            for kind in self._kinds(project)
        ]
        names = {stream.name for stream in streams}
        return streams + [Stream(name=name, gone=True) for name in cursors if name not in names]

    def _projects(self, cursors: Mapping[str, Cursor]) -> list[dict[str, Any]]:
        told = self._list("/projects", {"all": "false"})
        try:
            seen = [
                {
                    "id": int(each["id"]),
                    "key": str(each["projectKey"]),
                    "name": str(each["name"]),
                    "markdown": each.get("textFormattingRule") == "markdown",
                    "wiki": each.get("useWiki") is not False,
                }
                for each in told
            ]
        except _MALFORMED as error:
            raise SourceError(
                "Backlog's list of projects is malformed.", action="Check the source's space_url."
            ) from error
        if not seen:
            raise SourceError(
                "The key sees no project of the space.", action="Let its owner join the projects that are to be read."
            )
        if not self._config.projects:
            return seen
        wanted = {key.upper() for key in self._config.projects}
        missing = sorted(wanted - {each["key"].upper() for each in seen})
        found = [each for each in seen if each["key"].upper() in wanted]
        if missing and (not found or not cursors):
            raise SourceError(
                f"The key does not see these projects: {', '.join(missing[:10])}.",
                action="Correct the project keys, or let the key's owner join the projects.",
            )
        return found

    def _kinds(self, project: dict[str, Any]) -> list[str]:
        config = self._config
        wanted = {"issues": config.issues, "wikis": config.wikis and project["wiki"], "documents": config.documents}
        return [kind for kind, yes in wanted.items() if yes]

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """A page of a stream.

        Raises:
            RateLimited, TransientError, SourceError: as ``HttpClient`` has it.
        """
        kind = stream.name.partition("/")[2]
        if kind == "issues":
            if position is None:
                position = self._begin_issues(stream)
            return self._issues(stream, position) if position["step"] == "issues" else self._deletions(stream, position)
        if kind == "wikis":
            return self._wikis(stream, position, known)
        return self._documents(stream, position, known)

    # --- issues -----------------------------------------------------------------------------------------------------

    def _begin_issues(self, stream: Stream) -> Position:
        """Where issues begin: with the last activity before anything is read, so that no deletion is missed."""
        cursor = stream.cursor or {}
        position: Position = {"step": "issues", "offset": 0, "started": now(), "activity": cursor.get("activity")}
        if position["activity"] is None:
            latest = self._list(f"/projects/{stream.options['id']}/activities", {"count": 1, "order": "desc"})
            position["activity"] = max((_whole(each, "id") for each in latest), default=0)
        if "since" in cursor:
            # Days are those of the space's time zone, which may be up to 14 hours away; a look-back is never less
            # than a day.
            day = datetime.fromisoformat(cursor["since"]) - timedelta(days=self._config.lookback_days)
            position["since"] = day.date().isoformat()
        return position

    def _issues(self, stream: Stream, position: Position) -> Page:
        """Issues by the time they were made, which no change moves; changed ones are all in the next sync again."""
        offset = int(position["offset"])
        parameters: dict[str, str | int] = {
            "projectId[]": stream.options["id"],
            "sort": "created",
            "order": "asc",
            "offset": offset,
            "count": _ISSUES,
        }
        if "since" in position:
            parameters["updatedSince"] = position["since"]
        told = self._list("/issues", parameters)
        ids = [_whole(each, "id") for each in told]
        page = Page()
        before = position.get("last", [])
        if offset and not set(before) & set(ids):
            # More issues than the overlap were deleted meanwhile: go back until a known one is seen again.
            return Page(
                position={**position, "offset": max(0, offset - _ISSUES), "last": [] if offset < _MOST else before}
            )
        for number, issue in enumerate(told):
            if ids[number] in before:
                continue
            self._keep(page, partial(self._issue, stream, issue), issue, f"issue {offset + number}", "issue")
        if len(told) < _ISSUES:
            onward = {"step": "deletions", "started": position["started"], "activity": position["activity"]}
        else:
            onward = {**position, "offset": offset + len(told) - _OVERLAP, "last": ids[-_OVERLAP:]}
        return page.model_copy(update={"position": onward})

    def _deletions(self, stream: Stream, position: Position) -> Page:
        """Issues that were deleted since the last activity that is known of."""
        last = int(position["activity"])
        told = self._list(
            f"/projects/{stream.options['id']}/activities",
            {"activityTypeId[]": _ISSUE_DELETED, "minId": last, "order": "asc", "count": _MOST},
        )
        records, problems, newest = [], [], last
        for activity in told:
            number = _whole(activity, "id")
            newest = max(newest, number)
            if number <= last or activity.get("type") != _ISSUE_DELETED:
                continue
            try:
                issue = int(activity["content"]["id"])
            except _MALFORMED:
                problems.append(Problem(item=f"activity {number}", reason="It does not say which issue was deleted."))
                continue
            records.append(self._gone(f"issue/{issue}"))
        if len(told) == _MOST and newest > last:
            return Page(records=records, problems=problems, position={**position, "activity": newest})
        cursor = {"since": position["started"], "activity": newest}
        return Page(records=records, problems=problems, cursor=cursor)

    def _issue(self, stream: Stream, issue: Mapping[str, Any]) -> Record:
        key, summary = str(issue["issueKey"]), str(issue["summary"])
        comments = self._comments(f"/issues/{int(issue['id'])}/comments")
        told = {
            "Type": _named(issue.get("issueType")),
            "Status": _named(issue.get("status")),
            "Priority": _named(issue.get("priority")),
            "Resolution": _named(issue.get("resolution")),
            "Assignee": _named(issue.get("assignee")),
            "Categories": _named(issue.get("category")),
            "Versions": _named(issue.get("versions")),
            "Milestones": _named(issue.get("milestone")),
            "Start": _day(issue.get("startDate")),
            "Due": _day(issue.get("dueDate")),
            "Attachments": _named(issue.get("attachments")),
        } | {_named(field): _value(field.get("value")) for field in issue.get("customFields") or []}
        parts = [
            f"# {key} {summary}",
            "\n".join(f"- {name}: {value}" for name, value in told.items() if name and value),
            _markdown(issue.get("description"), stream.options["markdown"]),
            *self._rendered(comments, stream.options["markdown"]),
        ]
        return self._record(
            f"issue/{int(issue['id'])}",
            title=f"{key} {summary}",
            path=f"/view/{key}",
            text="\n\n".join(part for part in parts if part),
            updated=str(issue["updated"]),
            metadata={"project": stream.options["key"], "kind": "issue", "status": told["Status"], "issue_key": key},
        )

    def _comments(self, path: str) -> list[Mapping[str, Any]]:
        """All comments of an issue, oldest first; none of one that was deleted meanwhile."""
        found: dict[int, Mapping[str, Any]] = {}
        least = 0
        while True:
            bounds: dict[str, str | int] = {"minId": least} if least else {}
            told = self._list(path, {"count": _MOST, "order": "asc", **bounds}, missing_ok=True)
            fresh = {_whole(each, "id"): each for each in told if _whole(each, "id") not in found}
            found |= fresh
            if len(told) < _MOST or not fresh:
                return [found[number] for number in sorted(found)]
            least = max(found)

    def _rendered(self, comments: list[Mapping[str, Any]], markdown: bool) -> list[str]:
        """Comments as text; those that only record a change of fields have none."""
        texts = []
        for comment in comments:
            content = comment.get("content")
            if isinstance(content, str) and content.strip():
                head = f"## Comment by {_named(comment.get('createdUser')) or 'unknown'}, {comment.get('created', '')}"
                texts.append(f"{head}\n\n{_markdown(content, markdown)}")
        return texts

    # --- wiki pages -------------------------------------------------------------------------------------------------

    def _wikis(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """First the list of all pages with their times, then the content of those that changed."""
        if position is None:
            return self._wiki_list(stream, known)
        waiting: list[int] = position["waiting"]
        page = Page()
        for number in waiting[:_ISSUES]:
            told = self._http.json_of(self._http.get(f"/wikis/{number}", self._key, missing_ok=True))
            if told is not None:  # else deleted since it was listed
                make = partial(self._wiki, stream, told)
                if self._keep(page, make, told, f"wiki page {number}", "wiki"):
                    page.validators[self._id(f"wiki/{number}")] = _text(told, "updated")
        left = waiting[_ISSUES:]
        if left:
            return page.model_copy(update={"position": {**position, "waiting": left}})
        return page.model_copy(update={"sweep": Sweep() if position["complete"] else None, "cursor": {}})

    def _wiki_list(self, stream: Stream, known: Mapping[str, Known]) -> Page:
        told = self._list("/wikis", {"projectIdOrKey": stream.options["id"]})
        present, problems, waiting = [], [], []
        for place, wiki in enumerate(told):
            number = _whole(wiki, "id")
            if not number:
                problems.append(Problem(item=f"wiki page {place}", reason="It has no id."))
                continue
            record_id = self._id(f"wiki/{number}")
            present.append(record_id)
            held = known.get(record_id)
            if held is None or not held.validator or held.validator != str(wiki.get("updated", "")):
                waiting.append(number)
        # An entry without an id may be any page: then none is taken for deleted.
        if waiting:
            position = {"waiting": waiting, "complete": not problems}
            return Page(present=present, problems=problems, position=position)
        return Page(present=present, problems=problems, sweep=None if problems else Sweep(), cursor={})

    def _wiki(self, stream: Stream, wiki: Mapping[str, Any]) -> Record:
        name = str(wiki["name"])
        content = wiki["content"]
        if content is not None and not isinstance(content, str):
            raise TypeError("content")
        return self._record(
            f"wiki/{int(wiki['id'])}",
            title=name,
            path=f"/alias/wiki/{int(wiki['id'])}",
            text=f"# {name}\n\n{_markdown(content, stream.options['markdown'])}",
            updated=str(wiki["updated"]),
            metadata={"project": stream.options["key"], "kind": "wiki", "tags": _named(wiki.get("tags"))},
        )

    # --- documents --------------------------------------------------------------------------------------------------

    def _documents(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """First the tree, which says what is in use and what in the trash; then all documents, with their content."""
        if position is None:
            answer = self._http.get(
                "/documents/tree", {"projectIdOrKey": stream.options["id"], **self._key}, missing_ok=True
            )
            if answer is None:  # a space without documents
                return Page(cursor={})
            tree = self._http.json_of(answer)
            if not isinstance(tree, dict):
                raise SourceError("Backlog's tree of documents is malformed.")
            active = _tree_ids(tree.get("activeTree"))
            return Page(
                present=[self._id(f"document/{each}") for each in sorted(active)],
                position={"offset": 0, "trash": sorted(_tree_ids(tree.get("trashTree")) - active)},
            )
        offset, trash = int(position["offset"]), set(position["trash"])
        told = self._list(
            "/documents",
            {
                "projectId[]": stream.options["id"],
                "sort": "created",
                "order": "asc",
                "offset": offset,
                "count": _ISSUES,
            },
        )
        page = Page()
        for number, document in enumerate(told):
            name = str(document.get("id", "")) if isinstance(document, dict) else ""
            if name in trash:
                continue
            record_id, changed = self._id(f"document/{name}"), _text(document, "updated")
            held = known.get(record_id)
            if held is not None and held.validator and held.validator == changed and not self._recent(changed):
                page.present.append(record_id)
                continue
            label = f"document {offset + number}"
            make = partial(self._document, stream, document)
            if self._keep(page, make, document, label, "document"):
                page.validators[record_id] = changed
        if len(told) < _ISSUES:
            return page.model_copy(update={"sweep": Sweep(), "cursor": {}})
        return page.model_copy(update={"position": {**position, "offset": offset + len(told) - _OVERLAP}})

    def _document(self, stream: Stream, document: Mapping[str, Any]) -> Record:
        name, title = str(document["id"]), str(document["title"])
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name):
            raise ValueError("id")
        plain = document["plain"]
        if plain is not None and not isinstance(plain, str):
            raise TypeError("plain")
        parts = [f"# {title}", plain or "", *self._remarks(name)]
        return self._record(
            f"document/{name}",
            title=title,
            path=f"/document/{stream.options['key']}/{name}",
            text="\n\n".join(part for part in parts if part),
            updated=str(document["updated"]),
            metadata={"project": stream.options["key"], "kind": "document", "tags": _named(document.get("tags"))},
        )

    def _remarks(self, document: str) -> list[str]:
        """Comments of a document with their replies. They are shown to administrators and normal users only."""
        try:
            told = self._list(f"/documents/{document}/comments", {}, missing_ok=True)
        except SourceError as error:
            if error.details.get("status") == 403:
                return []
            raise
        texts = []
        for comment in told:
            for each in (comment, *(comment.get("replies") or [])):
                plain = _text(each, "plain").strip()
                if plain:
                    head = f"## Comment by {_named(each.get('createdUser')) or 'unknown'}, {_text(each, 'created')}"
                    texts.append(f"{head}\n\n{plain}")
        return texts

    def _recent(self, changed: str) -> bool:
        try:
            moment = datetime.fromisoformat(changed)
        except ValueError:
            return True
        return datetime.now(UTC) - moment.astimezone(UTC) < timedelta(days=self._config.lookback_days)

    # --- all of them ------------------------------------------------------------------------------------------------

    def _keep(self, page: Page, make: Callable[[], Record], item: object, label: str, kind: str) -> bool:
        """Put the record of an item into a page, or what is wrong with the item; whether it is a record."""
        try:
            record = make()
        except _MALFORMED as error:
            told = item.get("id") if isinstance(item, dict) else None
            record_id = self._id(f"{kind}/{told}") if isinstance(told, (int, str)) and told else ""
            reason = f"It is malformed: {type(error).__name__}."
            page.problems.append(Problem(item=record_id or label, reason=reason, record_id=record_id))
            return False
        page.records.append(record)
        return True

    def _record(
        self, local_id: str, *, title: str, path: str, text: str, updated: str, metadata: dict[str, str]
    ) -> Record:
        datetime.fromisoformat(updated)
        return Record(
            source_type=SOURCE_TYPE,
            record_id=self._id(local_id),
            title=title[:1_024],
            url=f"{self._config.space_url}{path}",
            media_type="text/markdown",
            text=text,
            updated_at=updated,
            metadata={name: value for name, value in metadata.items() if value},
        )

    def _gone(self, local_id: str) -> Record:
        return Record(source_type=SOURCE_TYPE, record_id=self._id(local_id), updated_at=now(), deleted=True)

    def _id(self, local_id: str) -> str:
        """Ids are those of the space: its host keeps two spaces apart."""
        return f"{self._host}/{local_id}"

    def _list(self, path: str, parameters: Mapping[str, str | int], *, missing_ok: bool = False) -> list[Any]:
        """A list that the API answers with; empty for what is not there, with ``missing_ok``.

        Raises:
            SourceError: it is none.
        """
        told = self._http.json_of(self._http.get(path, {**parameters, **self._key}, missing_ok=missing_ok))
        if told is None and missing_ok:
            return []
        if not isinstance(told, list):
            raise SourceError("Backlog answered with something else than a list.", action="Check the space_url.")
        return told


def _whole(item: object, name: str) -> int:
    """A whole number of an item, 0 where there is none."""
    value = item.get(name) if isinstance(item, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text(item: object, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""


def _named(item: object) -> str:
    """Name of what has one, or names of a list of such."""
    if isinstance(item, list):
        return ", ".join(name for name in map(_named, item) if name)
    return _text(item, "name").strip()


def _value(value: object) -> str:
    """Value of a custom field: a number, text, day, or what has a name."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value).strip()
    return _named(value)


def _day(value: object) -> str:
    return value[:10] if isinstance(value, str) else ""


def _tree_ids(tree: object) -> set[str]:
    """Ids of all documents below a root of the tree (the root itself is none)."""
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        for child in (node.get("children") or []) if isinstance(node, dict) else []:
            name = _text(child, "id")
            if name:
                found.add(name)
            waiting.append(child)
    return found


_HEADING = re.compile(r"^(\*{1,6})[ \t]*(?=[^*\s])", re.M)
_CODE = re.compile(r"\{code(?::[\w+#-]+)?\}\n?(.*?)\n?\{/code\}", re.S)


def _markdown(text: object, markdown: bool) -> str:
    """Text of a field as Markdown.

    Of Backlog's own notation headings ("* ") and code blocks ("{code}") are told in Markdown's way; the rest is left as
    it is written.
    """
    if not isinstance(text, str):
        return ""
    source = text.replace("\r\n", "\n").strip()
    if markdown:
        return source
    parts: list[str] = []
    end = 0
    for match in _CODE.finditer(source):
        parts += [_headings(source[end : match.start()]), f"```\n{match[1]}\n```"]
        end = match.end()
    return "".join([*parts, _headings(source[end:])])


def _headings(text: str) -> str:
    return _HEADING.sub(lambda match: "#" * len(match[1]) + " ", text)
