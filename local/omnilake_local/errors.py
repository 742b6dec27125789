"""Errors of the embedded cloud's lifecycle."""

from __future__ import annotations

from pathlib import Path


class LocalCloudError(Exception):
    """Something a person can act on.

    Attributes:
        action: what to do about it, one sentence.
        log: file whose end tells more, if there is one.
    """

    def __init__(self, message: str, *, action: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.log = log


class NotRunning(LocalCloudError):
    """No embedded cloud runs in this state directory."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(f"No embedded cloud is running in {state_dir}.", action="Start one with `omnilake local up`.")
