"""Tokens of a model's input as character spans, by the model's own tokenizer or by a bound that never counts too few.

Everything here gives spans ``[start, end)`` in characters that leave out white space around a token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, partial

Span = tuple[int, int]
Encode = Callable[[str], list[Span]]

_PARTS = re.compile(r"\s+|\w+|[^\w\s]")


def bounded(text: str, piece_bytes: int) -> list[Span]:
    """Spans of units for a model whose tokenizer does not ship: words in pieces, each mark by itself.

    A tokenizer with bytes or characters at its bottom (byte-level BPE, SentencePiece with byte fallback, WordPiece)
    never makes more tokens of a text than it has UTF-8 bytes. It may normalise first, so a character weighs as many
    bytes as the longest of itself, its NFKC form (Unicode Standard Annex 15) and that in lower case. A unit weighs at
    most ``piece_bytes``, one byte of white space before it included: a text of n units has at most n · ``piece_bytes``
    + 1 tokens. In English prose a unit of eight bytes comes near to a token, so sizes keep their meaning.

    Units do not cross white space: the count of a text cut there is the sum of the counts of its parts.

    Args:
        text: any text.
        piece_bytes: heaviest unit, at least 2.
    """
    spans: list[Span] = []
    for match in _PARTS.finditer(text):
        part, start = match[0], match.start()
        if part[0].isspace():
            # One byte of it belongs to the unit that follows; the rest counts by itself.
            excess = _weight(part) - 1
            spans += [(start, match.end())] * -(-excess // piece_bytes)
        elif part.isascii():
            room = piece_bytes - 1
            spans += [(start + first, start + min(first + room, len(part))) for first in range(0, len(part), room)]
        else:
            spans += _pieces(part, start, piece_bytes - 1)
    return spans


def _pieces(part: str, start: int, room: int) -> list[Span]:
    """Spans of a word that is not ASCII: as many characters as weigh ``room`` together, or one that weighs more."""
    spans: list[Span] = []
    first = weight = 0
    for position, character in enumerate(part):
        own = _weight(character)
        if weight and weight + own > room:
            spans += [(start + first, start + position)] * -(-weight // room)
            first, weight = position, 0
        weight += own
    return spans + [(start + first, start + len(part))] * -(-weight // room)


def _weight(text: str) -> int:
    if text.isascii():
        return len(text)
    folded = unicodedata.normalize("NFKC", text)
    return max(len(form.encode("utf-8", "surrogatepass")) for form in (text, folded, folded.lower()))


def cl100k(text: str) -> list[Span]:
    """Spans of the tokens of OpenAI's embedding models (tiktoken's ``cl100k_base``).

    Its tokens are runs of bytes and may begin or end inside a character: such a token's span covers the character.
    """
    from omnilake import tokens

    return tokens.spans(text, "cl100k_base")


def wordpiece(text: str) -> list[Span]:
    """Spans of the tokens of BERT's uncased vocabulary, by the tokenizer that ships with the local model.

    Raises:
        EmbeddingRejected: the models layer is missing.
    """
    return _wordpiece()(text)


@cache
def _wordpiece() -> Encode:
    from omnilake.embedding.local import SPACE, LocalProvider

    return LocalProvider(SPACE).encode


def encoder(tokenizer: str, limit: int) -> Encode:
    """How texts are counted.

    Args:
        tokenizer: ``cl100k``, ``wordpiece``, or ``bounded`` where none ships.
        limit: most tokens of the model.
    """
    if tokenizer == "bounded":
        return partial(bounded, piece_bytes=piece_bytes(limit))
    return {"cl100k": cl100k, "wordpiece": wordpiece}[tokenizer]


def piece_bytes(limit: int) -> int:
    """Heaviest unit of :func:`bounded`: words stay whole where the model reads much, and it pays to be exact where
    not."""
    return 8 if limit >= 2_048 else 4


def most_units(tokenizer: str, limit: int, reserved: int) -> int:
    """Most tokens, as they are counted here, of a text that is sure to fit.

    Args:
        tokenizer: as for :func:`encoder`.
        limit: most tokens of one text, special tokens included.
        reserved: of these, for special tokens, prompts that the provider puts before a text, and a line break.
    """
    room = limit - reserved
    return room // piece_bytes(limit) if tokenizer == "bounded" else room
