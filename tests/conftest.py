"""The embedded cloud of the tests that need one: started at the first that asks, stopped at the end of the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from embedded_cloud import Cloud, Running


settings.register_profile("untimed", deadline=None)  # a busy machine is no defect
settings.load_profile("untimed")

_TOGETHER = ({"integration", "machines", "console"}, {"conformance"}, {"packaging"})
"""Folders whose tests share a cloud or a build, and so a process when ``pytest -n`` makes several."""


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Running]:
    """This checkout, built and deployed for real, with IAM enforced."""
    from embedded_cloud import running

    with running() as started:
        yield started


@pytest.fixture(scope="module")
def cloud(running_cloud: Running) -> Iterator[Cloud]:
    """The same cloud with the environment of this process pointed at it, for as long as a module's tests run."""
    from embedded_cloud import Cloud

    with running_cloud.environment():
        yield Cloud(running_cloud)


def _path(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def _place(nodeid: str) -> int:
    parts = Path(_path(nodeid)).parts
    return next((place for place, folders in enumerate(_TOGETHER) if folders & set(parts)), len(_TOGETHER))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=lambda item: _place(item.nodeid))


class _Scheduling(LoadScopeScheduling):
    """Each group of ``_TOGETHER`` in one process, of the others each file."""

    def _split_scope(self, nodeid: str) -> str:
        place = _place(nodeid)
        return _path(nodeid) if place == len(_TOGETHER) else str(place)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    """Of pytest-xdist. Its own grouping by marks does not work with this version of pytest."""
    return _Scheduling(config, log)
