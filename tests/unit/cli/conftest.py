"""The command line, with the API's answers told in advance."""

from __future__ import annotations

import pytest
from wire import Wire

from omnilake.cli import connection


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The API that commands go to; the output is wide enough for a line each."""
    made = Wire()
    monkeypatch.setattr(connection, "connect", lambda stack: made.client())
    monkeypatch.setenv("COLUMNS", "200")
    return made
