"""``omnilake console`` finds the API, opens the browser and ends on Ctrl-C."""

from __future__ import annotations

import re
from typing import Any

import click
import httpx2
import pytest
from click.testing import CliRunner

from omnilake.cli import cli
from omnilake.cli.console_proxy import ConsoleProxy


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ConsoleProxy]:
    """Proxies that were to serve; a person ends each at once."""
    proxies: list[ConsoleProxy] = []

    def serve(self: ConsoleProxy, poll_interval: float = 0.5) -> None:
        proxies.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ConsoleProxy, "serve_forever", serve)
    return proxies


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that the browser was to open."""
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    return opened


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["console", *arguments], catch_exceptions=False)


def test_the_address_that_opens_the_page_is_printed_and_opened(
    served: list[ConsoleProxy], launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNILAKE_ENDPOINT", "https://abc.execute-api.eu-west-1.amazonaws.com/")
    result = run()
    assert result.exit_code == 0
    (address,) = launched
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{20,}/\?open=[\w-]{40,}", address)
    assert address in result.output
    assert served[0].opening_url == address


def test_without_a_browser_the_address_is_only_printed(served: list[ConsoleProxy], launched: list[str]) -> None:
    result = run("--endpoint", "https://api.example.com", "--no-browser")
    assert launched == []
    assert served[0].opening_url in result.output


def test_two_runs_share_no_secret(served: list[ConsoleProxy], launched: list[str]) -> None:
    for _ in range(2):
        run("--endpoint", "https://api.example.com", "--no-browser")
    one, other = served
    assert one.root != other.root
    assert one.cookie != other.cookie
    assert one.opening_url.partition("=")[2] != other.opening_url.partition("=")[2]


def test_a_token_goes_to_the_api_and_not_into_the_address(
    served: list[ConsoleProxy], launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={})

    class Client(httpx2.Client):
        def __init__(self, **options: Any) -> None:
            super().__init__(transport=httpx2.MockTransport(answer), **options)

        def close(self) -> None:
            """Stays open: the test asks after the end."""

    monkeypatch.setattr("omnilake.cli.console_proxy.httpx2.Client", Client)
    result = run("--endpoint", "https://api.example.com/", "--token", "a.b.c", "--no-browser")
    served[0].forward("GET", "/v1/health", {}, b"")
    assert sent[0].headers["authorization"] == "Bearer a.b.c"
    assert str(sent[0].url) == "https://api.example.com/v1/health"
    assert "a.b.c" not in result.output
