"""A deployment behind a real HTTP endpoint, because LanceDB speaks to S3 by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stack_in_moto
from moto.server import ThreadedMotoServer

from omnilake import aws
from omnilake.settings import settings
from omnilake.stores import table


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def served(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template's data resources, reached as in the cloud: by the environment alone."""
    import urllib.request

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    caches = (settings, aws.client, aws.lake, table._handle, table._database)
    for cached in caches:
        cached.cache_clear()
    for name, value in stack_in_moto.create().items():
        monkeypatch.setenv(name, value)
    yield
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"))  # noqa: S310
    for cached in caches:
        cached.cache_clear()
