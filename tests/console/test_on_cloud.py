"""The console in a browser on the deployed stack: documents in, a question, its answer down to the quoted span."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
import requests
from console.told import file_of
from embedded_cloud import Cloud, unique
from playwright.sync_api import BrowserContext, Page, Route, expect
from served import serving

from omnilake.cli.console_proxy import COOKIE, ConsoleProxy
from omnilake.client.signing import SigV4, find_endpoint

PATIENCE_MS = 120_000

HANDOVER = "On-call changes every Monday at 09:00 UTC."
HANDBOOK = f"""# On-call handbook

## Rotation

{HANDOVER} The engineer who hands over writes a summary of the week.

## Tides 🌊

The tide pipeline reads gauges every six minutes and keeps late readings for two days.
"""

Shot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def proxy(cloud: Cloud) -> Iterator[ConsoleProxy]:
    """What `omnilake console` starts, with the credentials of the environment."""
    made = ConsoleProxy(find_endpoint(), SigV4())
    with serving(made):
        yield made


@pytest.fixture(scope="module")
def archive(cloud: Cloud) -> str:
    """The id of an archive that is not there yet."""
    return unique("console-")


@pytest.fixture
def page(proxy: ConsoleProxy, context: BrowserContext) -> Iterator[Page]:
    """A page of a browser that has opened the run's address."""
    context.add_cookies(
        [{"name": COOKIE, "value": proxy.cookie, "domain": "127.0.0.1", "path": f"{proxy.root}/", "httpOnly": True}]
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield context.new_page()
    expect.set_options(timeout=5_000)


def at(proxy: ConsoleProxy, view: str) -> str:
    return f"{proxy.origin}{proxy.root}/{view}"


def test_no_file_of_the_page_is_to_be_had_without_a_signature(cloud: Cloud) -> None:
    for path in ("/", "/console/main.js", "/console/workflows.json"):
        assert requests.get(cloud.outputs["ApiEndpoint"] + path, timeout=30).status_code == 403


def test_the_page_comes_from_the_api_through_the_opening_address(context: BrowserContext, proxy: ConsoleProxy) -> None:
    page = context.new_page()
    statuses: dict[str, int] = {}
    page.on("response", lambda response: statuses.update({response.url.rsplit("/", 1)[-1]: response.status}))
    page.goto(proxy.opening_url)
    expect(page.get_by_role("heading", name="Ask")).to_be_visible(timeout=PATIENCE_MS)
    assert statuses["main.js"] == statuses["console.css"] == statuses["dom.js"] == 200


def test_a_document_is_added_asked_about_and_cited(page: Page, proxy: ConsoleProxy, archive: str, shot: Shot) -> None:
    page.goto(at(proxy, "#/add"))
    page.get_by_label("Archive", exact=True).select_option("")
    page.get_by_label("Id of the new archive").fill(archive)
    page.get_by_label("Choose files").set_input_files(
        [
            file_of("on-call.md", HANDBOOK.encode()),
            file_of("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png"),
        ]
    )
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="on-call.md")).to_contain_text("completed")
    expect(rows.filter(has_text="picture.png")).to_contain_text("failed")
    shot(page, "cloud-added")

    page.get_by_role("link", name="Ask", exact=True).click()
    page.get_by_label(archive).check()
    page.get_by_label("Question", exact=True).fill("When does on-call change?")
    page.keyboard.press("Control+Enter")
    claim = page.get_by_role("region", name="Claims").get_by_role("listitem").filter(has_text=HANDOVER)
    expect(claim.locator(".support")).to_have_text("1 document")
    shot(page, "cloud-answer")

    claim.get_by_role("button", name=re.compile("Citation")).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("mark")).to_contain_text(HANDOVER)
    shown = dialog.get_by_role("region", name="Text of the document").text_content()
    assert shown
    assert shown in HANDBOOK
    original = dialog.get_by_role("link", name="Open the original").get_attribute("href")
    assert original
    assert requests.get(original, timeout=30).content.decode() == HANDBOOK  # signed for whoever has the link
    shot(page, "cloud-passage")
    page.keyboard.press("Escape")

    page.get_by_text("The execution as a graph").click()
    expect(page.locator("svg .state").filter(has_text="Publish Answer")).to_have_class(re.compile("done"))
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("scored 1")).to_be_visible()


def test_a_question_without_an_answer_abstains(page: Page, proxy: ConsoleProxy, archive: str) -> None:
    page.goto(at(proxy, f"#/ask?archive={archive}"))
    page.get_by_label("Question", exact=True).fill("Which grape varieties grow best on volcanic soil?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("region", name="No answer")).to_contain_text("Nearest passages")


def test_what_an_answer_would_take_is_reckoned(page: Page, proxy: ConsoleProxy, archive: str) -> None:
    page.goto(at(proxy, f"#/ask?archive={archive}"))
    page.get_by_label("Question", exact=True).fill("When does on-call change?")
    page.get_by_role("button", name="What would it take?").click()
    expect(page.locator("#quote")).to_contain_text(re.compile(r"\$0.00, about .* over \d+ chunks"))


def test_jobs_costs_and_refusals_are_told(page: Page, proxy: ConsoleProxy, archive: str, shot: Shot) -> None:
    page.goto(at(proxy, f"#/jobs?archive_id={archive}"))
    jobs = page.get_by_role("region", name="Jobs").get_by_role("row")
    expect(jobs.filter(has_text="ingest document").first).to_be_visible()
    expect(jobs.filter(has_text="answer request").first).to_be_visible()
    shot(page, "cloud-jobs")
    # The picture may have come in an ingestion of its own, which indexes nothing.
    jobs.filter(has_text="ingest document").filter(has_text="completed").first.get_by_role("link").click()
    expect(page.get_by_role("region", name="States entered")).to_contain_text("Publish Entries")
    expect(page.locator("svg .state").filter(has_text="Index Chunks")).to_have_class(re.compile("done"))
    expect(page.get_by_role("region", name="Documents")).to_be_visible()
    shot(page, "cloud-job")

    page.get_by_role("link", name="Costs").click()
    expect(page.get_by_role("region", name="Cost by kind of job")).to_contain_text("answer request")

    page.goto(at(proxy, f"#/ask?archive={archive}"))
    page.get_by_label("Question", exact=True).fill("When?")
    page.get_by_text("Options").click()
    page.get_by_role("button", name="Add a filter").click()
    page.get_by_label("Field").fill("colour")
    page.get_by_label("Value", exact=True).fill("blue")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("REQUEST_INVALID").first).to_be_visible()


def test_a_large_file_goes_to_s3_in_parts(page: Page, proxy: ConsoleProxy, archive: str) -> None:
    """The page asks for parts from a size on that no test sends: here the API is asked to want them earlier."""

    def in_parts(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        route.continue_(post_data={**asked, "multipart": True})

    page.route("**/uploads", in_parts)
    page.goto(at(proxy, f"#/add?archive={archive}"))
    large = b"\x00\xff" + bytes(17 * 1024 * 1024)
    page.get_by_label("Choose files").set_input_files([file_of("late.bin", large, "application/octet-stream")])
    row = page.get_by_role("row").filter(has_text="late.bin")
    expect(row).to_contain_text("failed")  # it has arrived whole, and is no document
    expect(row).to_contain_text("type")
