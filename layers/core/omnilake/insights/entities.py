"""What a document names, found without a model: addresses, identifiers, who speaks, and names that repeat."""

from __future__ import annotations

import re
from collections.abc import Sequence

from omnilake.generation.words import tidy
from omnilake.insights.phrases import capitalised
from omnilake.models import Entity, ExtractedDocument

_PATTERNS = {
    "email": re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"),
    "url": re.compile(r"https?://[^\s<>\"'`|\\^{}\[\]]{3,190}", re.I),
    "identifier": re.compile(r"(?<![\w-])[A-Z][A-Z0-9]{1,9}-\d{1,7}(?![\w-])"),
}
_MAX_NAME = 200


def find(document: ExtractedDocument, text: str, sentences: Sequence[str], language: str, limit: int) -> list[Entity]:
    """At most ``limit`` entities: persons, e-mail addresses, URLs, identifiers (NT-2291), then names.

    Args:
        document: whose metadata and speakers are persons.
        text: what is read of it.
        sentences: of that text.
        language: ISO 639-1, or empty.
        limit: most entities.
    """
    found: dict[tuple[str, str], None] = {}

    def add(name: str, kind: str) -> None:
        name = tidy(name)
        if 0 < len(name) <= _MAX_NAME:
            found.setdefault((name, kind))

    for person in _persons(document):
        add(person, "person")
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            add(match.group().rstrip(".,;:!?)*_"), kind)
    known = {name.casefold() for name, _ in found}
    for name in capitalised(sentences, language):
        if name.casefold() not in known:
            add(name, "name")
    return [Entity(name=name, kind=kind) for name, kind in list(found)[:limit]]


def _persons(document: ExtractedDocument) -> list[str]:
    named = re.split(r"[;,]", document.metadata.get("author", "") or document.metadata.get("authors", ""))
    speakers = [segment.speaker for segment in document.segments if segment.speaker]
    return list(dict.fromkeys(" ".join(each.split()) for each in [*named, *speakers] if each.strip()))
