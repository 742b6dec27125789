"""The prompt of insights: a versioned template in this package, and how a document is put into it.

A document can't leave its place: it stands between two lines that hold a random boundary, made anew for each call.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template

from omnilake.generation.wires import Prompt
from omnilake.insights.excerpt import Excerpt
from omnilake.insights.provider import Wanted
from omnilake.models import ExtractedDocument

TEMPLATE = "insights-1"
"""Name of the template; a new one gets a new number."""

MAX_METADATA_CHARACTERS = 2_000
"""Of title and metadata together: they come from the document and are shown beside its text."""

_PARTS = "----\n"


def version() -> str:
    """Name of the template and 8 hex digits of its SHA-256: an edit without a new name shows too."""
    return f"{TEMPLATE}@{hashlib.sha256(_template().encode()).hexdigest()[:8]}"


def render(document: ExtractedDocument, excerpt: Excerpt, wanted: Wanted) -> Prompt:
    """The prompt for one document."""
    shown = "\n".join([*_stated(document), "", excerpt.text])
    boundary = _boundary(shown)
    values = {
        "boundary": boundary,
        "hints": json.dumps(wanted.tag_hints, ensure_ascii=False) if wanted.tag_hints else "(none)",
        "excerpt": _told(excerpt),
        "document": shown,
    }
    system, user = (Template(part).substitute(values) for part in _template().split(_PARTS))
    return Prompt(system.strip(), user.strip(), boundary)


def _boundary(text: str) -> str:
    """A name that does not stand in the text."""
    while (boundary := f"document-{secrets.token_hex(16)}") in text:
        pass
    return boundary


def _stated(document: ExtractedDocument) -> Sequence[str]:
    """Title and metadata, a line each, as far as there is room."""
    stated = {"title": document.title, **document.metadata}
    left, lines = MAX_METADATA_CHARACTERS, []
    for name, value in stated.items():
        line = " ".join(f"{name}: {value}".split())
        if value and len(line) <= left:
            lines.append(line)
            left -= len(line)
    return lines


def _told(excerpt: Excerpt) -> str:
    if excerpt.whole:
        return "The whole document:"
    return (
        f"Of a document of {excerpt.characters:,} characters, {excerpt.characters_read:,}: its beginning and the "
        "sentences nearest to what it is about. […] stands where something was left out."
    )


@cache
def _template() -> str:
    return (files("omnilake.insights") / "prompts" / f"{TEMPLATE}.txt").read_text(encoding="utf-8")
