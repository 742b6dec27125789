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
