"""Tokens of generation models, counted by tiktoken with ranks that ship in the layer.

tiktoken downloads its ranks unless it finds them in ``TIKTOKEN_CACHE_DIR``, which a function in a VPC can't. The data
package ``omnilake_tiktoken`` holds them under the names that tiktoken looks for; a directory that the variable names
already goes first.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from omnilake.errors import StageFailed

if TYPE_CHECKING:
    from tiktoken import Encoding

DEFAULT_ENCODING = "cl100k_base"

RANK_FILES = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
"""Names under which tiktoken looks for the ranks: the SHA-1 of the address it would download them from."""


def count(text: str, encoding: str = DEFAULT_ENCODING) -> int:
    """Tokens of a text. Special tokens spelled out in it count as the plain text they are.

    Args:
        text: any text.
        encoding: ``cl100k_base`` or ``o200k_base``.

    Raises:
        StageFailed: the ranks are not installed; nothing is downloaded in their place.
    """
    return len(_encoding(encoding).encode_ordinary(text))


def spans(text: str, encoding: str = DEFAULT_ENCODING) -> list[tuple[int, int]]:
    """Character spans ``[start, end)`` of a text's tokens, white space around a token left out of its span.

    A token is a run of bytes. One that begins or ends inside a character covers that character, so several tokens may
    share a place. Special tokens spelled out in the text count as the plain text they are.

    Raises:
        StageFailed: as :func:`count`.
    """
    coder = _encoding(encoding)
    pieces = coder.decode_tokens_bytes(coder.encode_ordinary(text))
    found: list[tuple[int, int]] = []
    begun = 0  # characters whose first byte has been seen
    for piece in pieces:
        starts = sum(byte & 0xC0 != 0x80 for byte in piece)
        start = begun - (piece[0] & 0xC0 == 0x80)
        begun += starts
        found.append(_trimmed(text, start, begun))
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without white space around it; one of white space alone as it is."""
    inner = text[start:end]
    if not inner or inner.isspace():
        return start, end
    return start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())


@cache
def _encoding(name: str) -> Encoding:
    ranks = os.environ.setdefault("TIKTOKEN_CACHE_DIR", _packaged_ranks())
    if name not in RANK_FILES or not (Path(ranks) / RANK_FILES[name]).is_file():
        raise StageFailed(
            f"tiktoken's ranks of {name} are not installed in {ranks or 'a package omnilake_tiktoken'}.",
            action="Attach the core layer to this function, or build it and put it on the path.",
        )
    import tiktoken

    return tiktoken.get_encoding(name)


def _packaged_ranks() -> str:
    try:
        import omnilake_tiktoken
    except ModuleNotFoundError:
        return ""
    return str(omnilake_tiktoken.CACHE_DIR)
