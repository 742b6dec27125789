"""The embedded cloud of the tests that need one: started at the first that asks, stopped at the end of the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from embedded_cloud import Cloud, Running


_GROUPS = (
    ("integration", "cloud"),
    ("machines", "cloud"),
    ("conformance", "conformance"),
    ("packaging", "build"),
)
"""Folders of tests, and the process in which all tests of a folder run when ``pytest -n`` makes several."""


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a cloud or a build stay together, and those that take longest come first."""

    def order(item: pytest.Item) -> int:
        return next((place for place, (folder, _) in enumerate(_GROUPS) if folder in item.path.parts), len(_GROUPS))

    for item in items:
        for folder, group in _GROUPS:
            if folder in item.path.parts:
                item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=order)
