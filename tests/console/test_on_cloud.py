"""The console in a browser on the deployed stack: documents in, a question, its answer down to the quoted span."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from console.fake_api import serving
from embedded_cloud import Cloud
from playwright.sync_api import BrowserContext, Page, expect

from omnilake.cli.console_proxy import ConsoleProxy
from omnilake.client.signing import SigV4, find_endpoint

PATIENCE_MS = 120_000

HANDBOOK = b"""# On-call handbook

## Rotation

On-call changes every Monday at 09:00 UTC. The engineer who hands over writes a summary of the week.

## Tides

The tide pipeline reads gauges every six minutes and keeps late readings for two days.
"""


@pytest.fixture(scope="module")
def proxy(cloud: Cloud) -> Iterator[ConsoleProxy]:
    """What `omnilake console` starts, with the credentials of the environment."""
    made = ConsoleProxy(find_endpoint(), SigV4())
    with serving(made):
        yield made


@pytest.fixture(scope="module")
def address(proxy: ConsoleProxy) -> str:
    return f"{proxy.origin}{proxy.root}/"


@pytest.fixture
def page(proxy: ConsoleProxy, address: str, context: BrowserContext) -> Page:
    """A browser that has the run's cookie. The opening address is for the first alone."""
    context.add_cookies([{"name": "omnilake_console", "value": proxy.cookie, "url": address}])
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context.new_page()


def test_the_page_and_all_its_files_come_from_the_api(page: Page, proxy: ConsoleProxy) -> None:
    statuses: dict[str, int] = {}
    page.on("response", lambda response: statuses.update({response.url.rsplit("/", 1)[-1]: response.status}))
    page.goto(proxy.opening_url)
    expect(page.get_by_role("heading", name="Ask")).to_be_visible()
    assert statuses["main.js"] == statuses["console.css"] == statuses["dom.js"] == 200
