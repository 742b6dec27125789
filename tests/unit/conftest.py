"""Fixtures of the unit tests: the template's tables and buckets in moto, fresh for each test that asks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import layer_packages
import pytest
import stack_in_moto
from any_queue import Queue
from moto import mock_aws

from omnilake import aws, handler
from omnilake.settings import settings


@pytest.fixture(scope="session", autouse=True)
def data_packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the packages ``omnilake_minilm`` and ``omnilake_tiktoken``; token counts find their ranks there."""
    home = tmp_path_factory.mktemp("layers")
    path = home / "path"
    path.mkdir()
    for layer, name in (("models", "omnilake_minilm"), ("core", "omnilake_tiktoken")):
        (path / name).symlink_to(layer_packages.build(layer, name, home))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(path / "omnilake_tiktoken"))
        yield path


@pytest.fixture(autouse=True)
def _own_metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Metrics in the namespace of the template, which is read when the product is imported; none of another test."""
    monkeypatch.setattr(handler.metrics.provider, "namespace", "OmniLake")
    yield
    handler.metrics.clear_metrics()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the product's loggers write, as CloudWatch would get it."""
    written = io.StringIO()
    monkeypatch.setattr(handler.logger.registered_handler, "stream", written)
    return written


@pytest.fixture(scope="module")
def mocked_aws() -> Iterator[None]:
    """AWS in this process for a module's tests: clients are made once, they cost more than most tests."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_TRACE_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        aws_client.cache_clear()
        yield
    aws_client.cache_clear()


@pytest.fixture
def stack(mocked_aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty deployment: data resources of the template, settings that name them."""
    stack_in_moto.empty()
    settings.cache_clear()
    lake.cache_clear()
    for name, value in stack_in_moto.create().items():
        monkeypatch.setenv(name, value)
    yield
    settings.cache_clear()
    lake.cache_clear()


@pytest.fixture
def published(stack: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """(detail type, detail) of every event that was put on the bus."""
    seen: list[tuple[str, dict[str, Any]]] = []
    real = aws.client("events").put_events

    def put_events(Entries: list[dict[str, Any]]) -> Any:  # noqa: N803 - boto3's own name
        seen.extend((each["DetailType"], json.loads(each["Detail"])) for each in Entries)
        return real(Entries=Entries)

    monkeypatch.setattr(aws.client("events"), "put_events", put_events)
    return seen


@pytest.fixture
def index_queue(stack: None, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The queue before the stores' committers."""
    return Queue(settings().require("index_queue_url"), monkeypatch)


@pytest.fixture
def upload_queue(stack: None, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The queue of S3's events."""
    return Queue(settings().require("upload_queue_url"), monkeypatch)


aws_client, lake = aws.client, aws.lake  # as they are before a test puts something in their place
