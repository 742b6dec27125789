"""What a hostile file is, and what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

CANARY = "quokkacanary"
"""A word in the files' content that must never come up in a log or an error message."""

LANDS = "COMPLETED"
EXPANDS = "EXPANDED"


@dataclass(frozen=True)
class Case:
    """A file with its expected end.

    Attributes:
        name: path that it is uploaded as.
        about: what is hostile in it.
        make: its bytes; the same at every call, and unlike those of any other case.
        outcome: of its ingestion: COMPLETED, EXPANDED or the code of an error.
        says: what its text holds, when it lands.
        hides: what its text must not hold.
        extracted: what extraction alone comes to, where that is another (a name is not extraction's matter).
        members: path in the archive file → outcome, of those that it expands to.
        lands_slowly: it lands with so many chunks that embedding them takes minutes: looked at in extraction only.
    """

    name: str
    about: str
    make: Callable[[], bytes]
    outcome: str
    says: str = ""
    hides: str = ""
    extracted: str = ""
    members: Mapping[str, str] = field(default_factory=dict)
    lands_slowly: bool = False

    def content(self) -> bytes:
        """Bytes of the file."""
        return self.make()

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix
