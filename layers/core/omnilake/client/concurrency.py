"""What waits, in both manners: ``asynchronous.py`` uses the first of each pair, ``synchronous.py`` the second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def async_pause(seconds: float) -> None:
    """Let other tasks go on for so long."""
    await asyncio.sleep(seconds)


def pause_for(seconds: float) -> None:
    """Wait for so long."""
    time.sleep(seconds)


async def async_call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call what blocks, in a thread."""
    return await asyncio.to_thread(function, *args, **kwargs)


def call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call it."""
    return function(*args, **kwargs)
