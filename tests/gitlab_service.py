"""GitLab's REST API as its reference documents it, on a real socket, over a project that tests write.

https://docs.gitlab.com/api/rest/#pagination (``Link`` headers), …/issues/ , …/merge_requests/ , …/discussions/ ,
…/wikis/ ; errors are ``{"message": …}`` with their status.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from vendor_server import Reply, Request, Vendor, vendor

TOKEN = "glpat-test"
PROJECT = "harbour/locks"


class Project:
    """A project. ``most`` caps every page."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {"issues": [], "merge_requests": []}
        self.notes: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.wiki: dict[str, str] = {}
        self.facts: dict[str, Any] = {"id": 7, "web_url": f"https://gitlab.example/{PROJECT}"}
        self.most = 3
        self.url = ""
        self.raw: list[Any] = []  # items that every list of issues ends with

    def put(self, iid: int, title: str, at: str, kind: str = "issues", **fields: Any) -> dict[str, Any]:
        """Open or change an issue (or merge request)."""
        before = next((each for each in self.items[kind] if each.get("iid") == iid), {"created_at": at})
        self.remove(iid, kind)
        item = before | {
            "iid": iid,
            "title": title,
            "description": f"About {title}.",
            "updated_at": at,
            "state": "opened",
            "labels": ["harbour"],
            "author": {"name": "Ann Lee"},
            "web_url": f"https://gitlab.example/{PROJECT}/-/{kind}/{iid}",
            "user_notes_count": len(self.notes.get((kind, iid), [])),
            **fields,
        }
        self.items[kind].append(item)
        return item

    def remove(self, iid: int, kind: str = "issues") -> None:
        self.items[kind] = [each for each in self.items[kind] if each.get("iid") != iid]

    def comment(self, iid: int, body: str, at: str, kind: str = "issues", **fields: Any) -> None:
        note = {"body": body, "created_at": at, "author": {"name": "Ben Ode"}, "system": False, **fields}
        self.notes.setdefault((kind, iid), []).append(note)
        item = next(each for each in self.items[kind] if each["iid"] == iid)
        self.put(iid, item["title"], at, kind)

    def answer(self, request: Request) -> Reply:
        if request.headers.get("private-token") != TOKEN:
            return Reply({"message": "401 Unauthorized"}, 401)
        head, _, rest = request.path.partition("/projects/")
        parts = [unquote(part) for part in rest.split("/")]
        if head != "/api/v4" or parts[0] != PROJECT:
            return Reply({"message": "404 Project Not Found"}, 404)
        match parts[1:]:
            case []:
                return Reply(self.facts)
            case [("issues" | "merge_requests") as kind]:
                return self._listed(request, self._ordered(kind, request.query))
            case [("issues" | "merge_requests") as kind, iid, "discussions"]:
                notes = self.notes.get((kind, int(iid)), [])
                return self._listed(request, [{"id": str(n), "notes": [each]} for n, each in enumerate(notes)])
            case ["wikis"]:
                return self._listed(request, [{"slug": slug, "title": slug.title()} for slug in sorted(self.wiki)])
            case ["wikis", slug] if slug in self.wiki:
                title = slug.rpartition("/")[2].title()
                return Reply({"slug": slug, "title": title, "format": "markdown", "content": self.wiki[slug]})
        return Reply({"message": "404 Not Found"}, 404)

    def _ordered(self, kind: str, query: dict[str, str]) -> list[dict[str, Any]]:
        field = query["order_by"]
        after = _moment(query[field.replace("_at", "_after")])
        assert (query["scope"], query["state"], query["sort"]) == ("all", "all", "asc")
        found = [each for each in self.items[kind] if _moment(each[field]) >= after]
        raw = self.raw if kind == "issues" else []
        return sorted(found, key=lambda each: _moment(each[field])) + raw

    def _listed(self, request: Request, items: list[Any]) -> Reply:
        number, size = int(request.query["page"]), min(self.most, int(request.query["per_page"]))
        page = items[(number - 1) * size : number * size]
        following = {"Link": f'<{self.url}{request.path}?page={number + 1}>; rel="next"'}
        return Reply(page, headers=following if number * size < len(items) else {})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def gitlab(project: Project) -> Iterator[Vendor]:
    """The API, running."""
    with vendor(project.answer) as running:
        project.url = running.url
        yield running
