"""What of a chunk is embedded and indexed: where it stands in its document, then its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnilake.models import Chunk

if TYPE_CHECKING:
    from omnilake.embedding.provider import EmbeddingProvider


def heading(chunk: Chunk) -> str:
    """The title and the headings above a chunk, on one line: what its text alone does not say."""
    title, section = " ".join(chunk.title.split()), " ".join(chunk.section.split())
    if not section or section == title:
        return title
    return section if section.startswith(title) else f"{title} > {section}"


def passages(chunks: list[Chunk], provider: EmbeddingProvider) -> list[str]:
    """Texts to embed: the heading as far as the model's window has room for it, then the whole text of the chunk."""
    encoded: dict[str, list[tuple[int, int]]] = {}
    texts: list[str] = []
    for chunk in chunks:
        head = heading(chunk)
        if head and head not in encoded:
            encoded[head] = provider.encode(head)
        spans = encoded.get(head, [])
        # Counted anew: a text that was cut inside a word can have a token or two more on its own.
        room = provider.max_tokens - len(provider.encode(chunk.text))
        kept = head if len(spans) <= room else head[: spans[room - 1][1]] if room > 0 else ""
        texts.append(f"{kept}\n{chunk.text}" if kept else chunk.text)
    return texts
