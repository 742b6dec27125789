"""A headless Chromium, and the console in it, through its proxy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import httpx2
import pytest
from console.fake_api import FakeApi
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from served import serving

from omnilake.cli.console_proxy import ConsoleProxy

PATIENCE_MS = 20_000
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

Open = Callable[..., Page]


class Unsigned(httpx2.Auth):
    """For the stand-in of the API, which checks no signature."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        yield request


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """OMNILAKE_CHROMIUM, or the machine's own Chromium, or the one that Playwright has installed (`make browser`)."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("OMNILAKE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox does not run as root
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    server = FakeApi()
    with serving(server):
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without history; a script error or a breach of the page's own policy fails the test."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    made.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    made.on("weberror", lambda error: faults.append(str(error.error)))
    made.on("console", lambda message: faults.append(message.text) if "Security Policy" in message.text else None)
    yield made
    made.close()
    assert faults == []


@pytest.fixture
def open_console(api: FakeApi, context: BrowserContext) -> Iterator[Open]:
    """Opens the console at a view, on the stand-in of the API."""
    proxy = ConsoleProxy(api.address, Unsigned())

    def opened(view: str = "#/ask") -> Page:
        page = context.new_page()
        page.goto(proxy.opening_url + view)  # a redirect keeps what stands behind the #
        return page

    with serving(proxy):
        yield opened


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keeps a picture of a page under ``build/screenshots``, for people to look at."""

    def keep(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return keep
