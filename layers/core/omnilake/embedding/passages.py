"""What of a chunk is embedded and indexed: its contextual header, then its text.

The header says what the text alone does not: the document's title and the sections it stands in, the column names of
its table, who speaks. It is made once, when the document is cut (``Chunk.context``), so that the vector and the
full-text index are of the same words. It is no part of the chunk's text and is never quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnilake.models import Chunk

if TYPE_CHECKING:
    from omnilake.embedding.provider import EmbeddingProvider

MAX_HEADER_CHARACTERS = 400
"""Most characters of the column names in a context: a table can have thousands of columns."""


def heading(chunk: Chunk) -> str:
    """The title and the headings above a chunk, on one line."""
    return _path(chunk.title, chunk.section)


def contextual_header(title: str, section: str, *, header: str = "", speaker: str = "") -> str:
    """What is embedded and indexed with a chunk: a line of title and section path, and a line of the column names or
    the speaker where there are any. The most telling comes first, because the end is left out where there is no room.

    Args:
        header: of the table whose rows the chunk holds.
        speaker: of the turn or message that began before the chunk.
    """
    detail = " ".join((header or speaker).split())[:MAX_HEADER_CHARACTERS].rstrip()
    return "\n".join(filter(None, [_path(title, section), detail]))


def indexed_text(chunk: Chunk) -> str:
    """What the full-text index holds of a chunk."""
    return _joined(chunk.context, chunk.text)


def passages(chunks: list[Chunk], provider: EmbeddingProvider) -> list[str]:
    """Texts to embed: the context as far as the model's window has room for it, then the whole text of the chunk.

    A chunk without a token of its own (invisible characters alone) can't be embedded by itself: it stands for its
    place.
    """
    separator = len(provider.encode("\n"))
    encoded: dict[str, list[tuple[int, int]]] = {}
    texts: list[str] = []
    for chunk in chunks:
        context = chunk.context if chunk.tokens else chunk.context or heading(chunk) or chunk.source
        if context and context not in encoded:
            encoded[context] = provider.encode(context)
        spans = encoded.get(context, [])
        room = provider.max_tokens - chunk.tokens - separator
        kept = context if len(spans) <= room else _whole_words(context, spans[room][0]) if room > 0 else ""
        texts.append(_joined(kept, chunk.text))
    return texts


def _whole_words(text: str, end: int) -> str:
    """The words of a text that end at or before a place."""
    while end > 0 and not text[end - 1].isspace() and not text[end].isspace():
        end -= 1
    return text[:end].rstrip()


def _path(title: str, section: str) -> str:
    title, section = " ".join(title.split()), " ".join(section.split())
    if not section or section == title:
        return title
    return section if section.startswith(title) else f"{title} > {section}"


def _joined(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text
