"""The machines' tests share one warm cloud; what was entered of the machines is looked at last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from embedded_cloud import Cloud

FACT = "The night ferry to Selmere leaves from pier seven at half past nine."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder's ``test_coverage.py`` come after all others, because they look at what those left."""
    items.sort(key=lambda item: item.path.parent.name == "machines" and item.path.name == "test_coverage.py")


@pytest.fixture(scope="session")
def session_began() -> float:
    """Unix time before the first test of this folder."""
    return time.time()


@pytest.fixture(scope="module", autouse=True)
def _warm(cloud: Cloud, session_began: float) -> None:
    """Every function of an ingestion and of a simple answer has a process."""
    archive_id = cloud.archive()
    assert cloud.ingest(archive_id, {"ferry.txt": FACT})["ferry.txt"]["status"] == "COMPLETED"
    cloud.ask(archive_id, "From which pier does the night ferry to Selmere leave?")
