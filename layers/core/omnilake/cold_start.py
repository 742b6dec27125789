"""The start of a function's process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Around a handler's imports: no garbage is looked for meanwhile, nor ever again among what they made.

    Modules and classes live as long as the process. Python's collector goes through all of them several times while
    they are made (about a seventh of the API's import), and again with each full collection later
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()
