"""Fixtures of the unit tests: the template's tables and buckets in moto, fresh for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import layer_packages
import pytest
import stack_in_moto
from moto import mock_aws

from omnilake import aws
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


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty deployment: data resources of the template, settings that name them."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "OmniLake",
        "POWERTOOLS_SERVICE_NAME": "omnilake",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    _forget()
    with mock_aws():
        for name, value in stack_in_moto.create().items():
            monkeypatch.setenv(name, value)
        yield
    _forget()


_CACHED = (settings, aws.client, aws.lake)  # as they are before a test puts something in their place


def _forget() -> None:
    for cached in _CACHED:
        cached.cache_clear()
