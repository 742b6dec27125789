"""Sites for the crawler to crawl."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from any_site import Site, any_site
from synced_source import Source

from omnilake.connectors.protocol import Credentials
from omnilake.connectors.website.addresses import AddressPolicy
from omnilake.connectors.website.connector import WebsiteConfig, WebsiteConnector

LOOPBACK = AddressPolicy(frozenset({"127.0.0.1"}))


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with robots.txt that allows everything, and no page yet."""
    with any_site() as running:
        running.pages["/robots.txt"] = "User-agent: *\nDisallow:\n"
        yield running


AHEAD = [0.0]
"""Seconds that the connector's clock is ahead of the real one."""


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The connector's clock: waiting moves it on at once. Holds the pauses that were slept through."""
    pauses: list[float] = []

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return time.time() + AHEAD[0]

        @staticmethod
        def sleep(seconds: float) -> None:
            pauses.append(seconds)

    AHEAD[0] = 0.0
    monkeypatch.setattr("omnilake.connectors.website.connector.time", Clock)
    return pauses


def source(start_url: str, *, policy: AddressPolicy = LOOPBACK, **config: Any) -> Source:
    """A source of a site; nothing is waited for, neither between requests nor when the site asks for it."""
    settings = WebsiteConfig.model_validate({"start_url": start_url, "delay_s": 0, **config})

    def waited(seconds: int) -> None:
        AHEAD[0] += seconds

    return Source(lambda: WebsiteConnector(settings, Credentials(), policy=policy), waited)
