from __future__ import annotations

from pathlib import Path

import pytest
from any_store import any_store

from omnilake.models import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store in a directory."""
    return any_store(tmp_path / "stores")
