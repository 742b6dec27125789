"""Fixtures of the unit tests: the template's tables and buckets in moto, fresh for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

import stack_in_moto
from omnilake import aws
from omnilake.settings import settings


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
