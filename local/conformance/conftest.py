"""One server and one deployment of ``app/`` for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance_cloud import Cloud, Server, deploy


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The deployed application, on a server that stops with the session."""
    with Server(tmp_path_factory.mktemp("cloud")) as server:
        yield Cloud(server, deploy(server))
