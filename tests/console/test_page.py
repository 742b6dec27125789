"""The console page in a browser, on a stand-in of the API."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from console.fake_api import Answered, Asked, FakeApi, Told, problem
from console.told import QUOTE, TEXT, Json, abstained, any_answer, any_citation, any_job, file_of, page_of
from playwright.sync_api import BrowserContext, Page, expect

Open = Callable[..., Page]
Shot = Callable[[Page, str], None]

ARCHIVES = page_of({"archive_id": "team", "description": "Team's documents"}, {"archive_id": "ops", "description": ""})
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(autouse=True)
def _usual(api: FakeApi) -> None:
    """An API with two archives and one answered question."""
    job = any_job()
    start = TEXT.index(QUOTE)
    api.routes |= {
        "GET /v1/archives": ARCHIVES,
        "GET /v1/jobs": page_of(job),
        "GET /v1/jobs/answer-team-1": job,
        "GET /v1/requests/answer-team-1": {
            "request": {"archives": ["team"], "question": "When does on-call change?"},
            "job": job,
        },
        "GET /v1/answers/answer-team-1": any_answer(),
        "GET /v1/answers/answer-team-1/citations/1": {
            "number": 1,
            "before": TEXT[start - 20 : start],
            "text": QUOTE,
            "after": TEXT[start + len(QUOTE) :][:10],
            "url": "https://bucket.s3.us-east-1.amazonaws.com/original?X-Amz-Signature=1",
        },
    }


def in_turn(*answers: Told) -> Callable[[Asked], Json | Answered]:
    """One answer after another; the last one stays."""
    rest = itertools.chain(answers, itertools.repeat(answers[-1]))

    def told(asked: Asked) -> Json | Answered:
        answer = next(rest)
        return answer(asked) if callable(answer) else answer

    return told


def running(**changes: Any) -> Json:
    entered = {"Plan Retrieval": "2026-03-21T10:00:00.100Z", "Retrieve": "2026-03-21T10:00:00.400Z"}
    told = {"status": "RUNNING", "state": "Retrieve", "entered": entered, "ended_at": "", "cost_usd": None}
    return any_job(**(told | {"progress": {"retrievers": 2, "retrievers_done": 1}} | changes))


# --- asking ---------------------------------------------------------------------------------------------------------


def test_a_question_is_asked_and_answered_by_the_keyboard_alone(open_console: Open, api: FakeApi) -> None:
    api.routes["POST /v1/requests"] = Answered(202, running())
    api.routes["GET /v1/jobs/answer-team-1"] = in_turn(running(), running(), any_job())
    page = open_console()
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    expect(page.get_by_label("team", exact=True)).to_be_checked()  # what was asked last
    page.keyboard.type("When does on-call change?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(QUOTE).first).to_be_visible()
    (asked,) = api.of("POST /v1/requests")
    assert asked.body == {
        "archives": ["team"],
        "question": "When does on-call change?",
        "mode": "EXCLUSIVE",
        "style": "concise",
        "evidence_limit": 24,
        "max_claims": 6,
    }
    assert asked.headers["idempotency-key"]


def test_progress_is_shown_while_an_answer_is_made(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs/answer-team-1"] = running()
    page = open_console("#/answers/answer-team-1")
    execution = page.get_by_role("region", name="Execution")
    expect(execution.get_by_text("running")).to_be_visible()
    expect(execution.get_by_text("retrievers 1 of 2")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0.5")
    expect(page.locator("#announcer")).to_have_text("Retrieve")
    api.routes["GET /v1/jobs/answer-team-1"] = any_job()
    expect(page.locator("#announcer")).to_have_text("Answered with 4 claims.")


def test_options_are_sent_as_their_types(open_console: Open, api: FakeApi) -> None:
    api.routes["POST /v1/requests"] = Answered(202, any_job())
    page = open_console()
    page.get_by_label("Question", exact=True).fill(" How many? ")
    page.get_by_label("ops", exact=True).check()
    page.get_by_label("team", exact=True).uncheck()
    page.get_by_text("Options").click()
    page.get_by_label("Works over").select_option("INCLUSIVE")
    page.get_by_label("Most money, dollars").fill("0")
    page.get_by_label("Tags first").fill("tides, , sea")
    for number, (name, operator, value) in enumerate(
        [("page", "ge", "4"), ("source_type", "in", "slack, gitlab"), ("metadata.team", "eq", "7"), ("", "eq", "x")]
    ):
        page.get_by_role("button", name="Add a filter").click()
        page.get_by_label("Field").nth(number).fill(name)
        page.get_by_label("Operator").nth(number).select_option(operator)
        page.get_by_label("Value", exact=True).nth(number).fill(value)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text(QUOTE).first).to_be_visible()
    (asked,) = api.of("POST /v1/requests")
    assert asked.body["archives"] == ["ops"]
    assert (asked.body["mode"], asked.body["max_cost"], asked.body["tags"]) == ("INCLUSIVE", 0, ["tides", "sea"])
    assert asked.body["filters"] == [
        {"field": "page", "operator": "ge", "value": 4},
        {"field": "source_type", "operator": "in", "value": ["slack", "gitlab"]},
        {"field": "metadata.team", "operator": "eq", "value": "7"},
    ]


def test_nothing_is_sent_without_a_question_or_an_archive(open_console: Open, api: FakeApi) -> None:
    page = open_console()
    expect(page.get_by_label("team", exact=True)).to_be_checked()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Ask something.")).to_be_visible()
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.get_by_label("Question", exact=True).fill("Who?")
    page.get_by_label("team", exact=True).uncheck()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Choose an archive.")).to_be_visible()
    assert api.of("POST /v1/requests") == []


def test_what_an_answer_would_take_is_told_before_it_is_asked_for(open_console: Open, api: FakeApi) -> None:
    budget = {"calls": 12, "input_tokens": 48_000, "output_tokens": 900, "cost_usd": 0.42, "seconds": 31.0}
    api.routes["POST /v1/requests"] = Answered(202, any_job())
    api.routes["GET /v1/answers/answer-team-1"] = any_answer(budget=budget | {"chunks": 240, "groups": 10})
    page = open_console()
    expect(page.get_by_label("team", exact=True)).to_be_checked()
    page.get_by_label("Question", exact=True).fill("Everything?")
    page.get_by_role("button", name="What would it take?").click()
    expect(page.locator("#quote")).to_contain_text("$0.4200, about 31.0 s: 12 model calls, 48,000 tokens in")
    assert api.of("POST /v1/requests")[0].body["deliver"] == "quote"


def test_a_refused_request_shows_the_problem_and_the_field_at_fault(open_console: Open, api: FakeApi) -> None:
    refused = problem(422, "REQUEST_INVALID", "Some fields do not fit.")
    assert refused.body
    refused.body["errors"] = [{"field": "filters.0.field", "message": "There is no such field"}]
    api.routes["POST /v1/requests"] = refused
    page = open_console()
    expect(page.get_by_label("team", exact=True)).to_be_checked()
    page.get_by_label("Question", exact=True).fill("Who?")
    page.keyboard.press("Control+Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Some fields do not fit.")
    expect(alert).to_contain_text("filters.0.field: There is no such field")
    expect(alert).to_contain_text("REQUEST_INVALID · request r-1")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()


def test_a_busy_api_is_asked_again_with_the_same_key(open_console: Open, api: FakeApi) -> None:
    busy = problem(429, "RATE_LIMITED", "Too many calls.", Retry_After="1")
    api.routes["POST /v1/requests"] = in_turn(busy, Answered(202, any_job()))
    page = open_console()
    expect(page.get_by_label("team", exact=True)).to_be_checked()
    page.get_by_label("Question", exact=True).fill("Who?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text(QUOTE).first).to_be_visible()
    keys = {asked.headers["idempotency-key"] for asked in api.of("POST /v1/requests")}
    assert len(api.of("POST /v1/requests")) == 2
    assert len(keys) == 1


# --- answers --------------------------------------------------------------------------------------------------------


def test_claims_are_marked_by_what_carries_them_in_words_as_well_as_colour(open_console: Open) -> None:
    page = open_console("#/answers/answer-team-1")
    claims = page.get_by_role("region", name="Claims").get_by_role("listitem")
    expect(claims).to_have_count(4)
    supports = [each.inner_text() for each in claims.locator(".support").all()]
    assert supports == ["2 documents", "1 document", *["Sources contradict one another: interval"] * 2]
    colours = {each.evaluate("each => getComputedStyle(each).borderLeftColor") for each in claims.all()}
    assert len(colours) == 3


def test_what_went_wrong_on_the_way_is_said_above_the_details(open_console: Open) -> None:
    page = open_console("#/answers/answer-team-1")
    warnings = page.locator(".notice.warn li")
    expect(warnings).to_have_text(
        [
            "The retriever full_text failed (TRANSIENT): what only it finds is missing.",
            "map was done by small (budget).",
            "2 claims were removed: 2 quote not found.",
        ]
    )


def test_a_citation_opens_its_exact_span_and_closing_leads_back(open_console: Open, shot: Shot) -> None:
    page = open_console("#/answers/answer-team-1")
    citation = page.get_by_role("button", name="Citation 1: Tide pipeline runbook").first
    citation.press("Enter")
    dialog = page.get_by_role("dialog", name="Tide pipeline runbook")
    expect(dialog.locator("mark")).to_have_text(QUOTE)
    start = TEXT.index(QUOTE)
    shown = dialog.get_by_role("region", name="Text of the document")
    assert shown.text_content() == TEXT[start - 20 : start + len(QUOTE) + 10]
    expect(dialog.get_by_role("link", name="Open the original")).to_have_attribute("href", re.compile("Signature=1"))
    shot(page, "passage")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(citation).to_be_focused()


def test_more_of_the_document_is_read_around_a_citation(open_console: Open, api: FakeApi) -> None:
    start = TEXT.index(QUOTE)
    assert "🌊" in TEXT[:start]  # one character for the API, two for a script

    def content(asked: Asked) -> Json:
        span = slice(int(asked.query["start"]), int(asked.query["end"]))
        return {"text": TEXT[span], "start": span.start, "end": span.stop, "total": len(TEXT)}

    api.routes["GET /v1/archives/team/entries/entry-1/content"] = content
    page = open_console("#/answers/answer-team-1")
    page.get_by_role("button", name="Citation 1: Tide pipeline runbook").first.click()
    page.get_by_role("button", name="More before").click()
    page.get_by_role("button", name="More after").click()
    shown = page.get_by_role("region", name="Text of the document")
    expect(shown).to_have_text(TEXT, use_inner_text=True)
    expect(page.locator("mark")).to_have_text(QUOTE)
    assert api.of("GET /v1/archives/team/entries/entry-1/content")[0].query["version"] == "v0001"


def test_a_citation_of_a_document_that_was_removed_says_so(open_console: Open, api: FakeApi) -> None:
    gone = {"number": 1, "before": "", "text": "", "after": "", "url": "", "removed": True}
    api.routes["GET /v1/answers/answer-team-1/citations/1"] = gone
    page = open_console("#/answers/answer-team-1")
    page.get_by_role("button", name="Citation 1: Tide pipeline runbook").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("was removed after the answer was given")
    expect(page.get_by_role("dialog")).to_contain_text(QUOTE)


def test_people_say_whether_an_answer_was_right(open_console: Open, api: FakeApi) -> None:
    api.routes["PUT /v1/requests/answer-team-1/score"] = {"score": 0.0}
    page = open_console("#/answers/answer-team-1")
    page.get_by_role("group", name="Was it right?").get_by_role("button", name="No").click()
    expect(page.get_by_text("scored 0")).to_be_visible()
    assert api.of("PUT /v1/requests/answer-team-1/score")[0].body == {"score": 0}


def test_an_abstention_gives_its_reasons_and_the_nearest_passages(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/answers/answer-team-1"] = abstained()
    page = open_console("#/answers/answer-team-1")
    region = page.get_by_role("region", name="No answer")
    expect(region).to_contain_text("at least 0.57 is asked for")
    expect(region).to_contain_text("similarity 0.10")
    expect(page.locator("#announcer")).to_have_text("No answer.")


def test_what_an_answer_took_is_listed_by_state_with_its_sum(open_console: Open) -> None:
    page = open_console("#/answers/answer-team-1")
    page.get_by_text("What it took").click()
    rows = page.get_by_role("region", name="Ledger").get_by_role("row")
    expect(rows.nth(1)).to_have_text(re.compile("Compose Answer.*bedrock / claude.*3,813.*171.*1.10 s.*\\$0.0123"))
    expect(rows.last).to_have_text(re.compile("Total.*\\$0.0123"))


def test_text_of_documents_is_shown_and_never_run(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/answers/answer-team-1"] = any_answer(
        claims=[{"text": HOSTILE, "citations": [1], "score": 1.0, "conflict": ""}],
        citations=[any_citation(1, title=HOSTILE, section=HOSTILE, quote=HOSTILE)],
        versions={HOSTILE: HOSTILE},
    )
    api.routes["GET /v1/answers/answer-team-1/citations/1"] = {
        "text": HOSTILE,
        "before": HOSTILE,
        "after": HOSTILE,
        "url": "javascript:document.title=3",
    }
    page = open_console("#/answers/answer-team-1")
    expect(page.get_by_role("region", name="Claims").get_by_role("listitem")).to_contain_text(HOSTILE)
    page.get_by_role("button", name=re.compile("Citation 1")).first.click()
    expect(page.locator("mark")).to_have_text(HOSTILE)
    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(0)
    assert page.locator("main script, main img, dialog img, dialog script").count() == 0
    assert page.title() not in {"1", "2", "3"}


# --- jobs and costs -------------------------------------------------------------------------------------------------


def test_the_graph_shows_what_was_entered_what_runs_and_what_was_not_reached(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs/answer-team-1"] = running()
    page = open_console("#/jobs/answer-team-1")
    states = page.locator("svg .state")
    expect(states.filter(has_text="Plan Retrieval")).to_have_class(re.compile("done"))
    expect(states.filter(has=page.get_by_text("Retrieve", exact=True))).to_have_class(re.compile("running"))
    expect(states.filter(has_text="Run Retriever")).to_have_class(re.compile("running"))  # of the Map, not recorded
    expect(states.filter(has_text="Publish Answer")).to_have_class(re.compile("none"))
    api.routes["GET /v1/jobs/answer-team-1"] = any_job()
    expect(states.filter(has_text="Publish Answer")).to_have_class(re.compile("done"))
    expect(states.filter(has_text="Any Evidence?")).to_have_class(re.compile("done"))  # passed, not recorded
    expect(states.filter(has_text="Run Retriever")).to_have_class(re.compile("done"))
    expect(states.filter(has_text="Retriever Failed")).to_have_class(re.compile("none"))


def test_the_graph_shows_no_part_of_a_map_that_had_nothing_to_go_through(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs/answer-team-1"] = any_job(progress={"retrievers": 0, "retrievers_done": 0, "evidence": 24})
    states = open_console("#/jobs/answer-team-1").locator("svg .state")
    expect(states.filter(has_text="Publish Answer")).to_have_class(re.compile("done"))
    expect(states.filter(has_text="Run Retriever")).to_have_class(re.compile("none"))


def test_the_graph_of_a_sync_shows_that_its_records_were_ingested(open_console: Open, api: FakeApi) -> None:
    steps = ["Plan Sync", "Fetch Pages", "Prepare Ingestion", "Ingest Records", "Advance Cursor"]
    entered = {state: f"2026-03-21T10:00:0{number}.000Z" for number, state in enumerate(steps)}
    told: Json = {
        "kind": "sync_source",
        "state": "Advance Cursor",
        "ended_at": "2026-03-21T10:00:09.000Z",
        "progress": {},
    }
    api.routes["GET /v1/jobs/answer-team-1"] = any_job(**told, entered=entered)
    api.routes["GET /v1/jobs/answer-team-1/items"] = page_of()
    states = open_console("#/jobs/answer-team-1").locator("svg .state")
    for name in [*steps, "Anything To Ingest?", "Synced"]:
        expect(states.filter(has=states.page.locator("title", has_text=f"{name} ("))).to_have_class(re.compile("done"))
    expect(states.filter(has_text="Records Only Rejected?")).to_have_class(re.compile("none"))


def test_the_graph_of_a_removal_that_went_round_shows_its_way(open_console: Open, api: FakeApi) -> None:
    at = "2026-03-21T10:00:0{}.000Z"
    steps = ["Mark Entries", "Erase Rows", "Release Versions", "Purge Objects", "Prove Absence"]
    again = [{"state": state, "at": at.format(5 + number)} for number, state in enumerate(steps[1:])]
    api.routes["GET /v1/jobs/answer-team-1"] = any_job(
        kind="remove_entries",
        state="Prove Absence",
        entered={state: at.format(number) for number, state in enumerate(steps)},
        reentered=again,
        ended_at=at.format(9),
    )
    api.routes["GET /v1/jobs/answer-team-1/items"] = page_of()
    page = open_console("#/jobs/answer-team-1")
    states = page.locator("svg .state")
    for name in [*steps, "Anything Worked On?", "Await Readers", "Absence Proven?", "Removed"]:
        expect(states.filter(has=page.locator("title", has_text=f"{name} ("))).to_have_class(re.compile("done"))
    expect(states.filter(has=page.locator("title", has_text="Await Jobs ("))).to_have_class(re.compile("none"))
    expect(states.filter(has_text="Erase Rows")).to_contain_text("×2")
    expect(page.get_by_role("region", name="States entered").get_by_role("row").filter(has_text="×2")).to_have_count(4)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("ingest_document", "Register Documents"),
        ("ingest_collection", "Plan Collection"),
        ("sync_source", "Plan Sync"),
        ("remove_entries", "Mark Entries"),
        ("reindex_archive", "Plan Collection"),
    ],
)
def test_every_kind_of_job_has_its_graph(open_console: Open, api: FakeApi, kind: str, state: str) -> None:
    entered = {state: "2026-03-21T10:00:00.100Z"}
    api.routes["GET /v1/jobs/answer-team-1"] = running(kind=kind, state=state, entered=entered)
    page = open_console("#/jobs/answer-team-1")
    expect(page.locator("svg .state").filter(has_text=state)).to_have_class(re.compile("running"))


def test_a_failed_job_says_why_and_can_be_retried(open_console: Open, api: FakeApi) -> None:
    error = {"code": "DOCUMENT_CORRUPT", "message": "The PDF can't be read.", "action": "Save it anew."}
    failed = any_job("ingest-1", kind="ingest_document", status="FAILED", state="Extract Text", error=error)
    again = any_job("ingest-2", kind="ingest_document", status="PENDING", state="", entered={}, ended_at="")
    api.routes |= {
        "GET /v1/jobs/ingest-1": failed | {"entered": {"Extract Text": failed["created_at"]}},
        "GET /v1/jobs/ingest-1/items": page_of({"name": "a.pdf", "status": "FAILED", "error": error}),
        "POST /v1/jobs/ingest-1/retry": Answered(202, again),
        "GET /v1/jobs/ingest-2": again,
    }
    page = open_console("#/jobs/ingest-1")
    expect(page.get_by_text("The PDF can't be read. Save it anew.").first).to_be_visible()
    expect(page.locator("svg .state").filter(has_text="Extract Text")).to_have_class(re.compile("failed"))
    expect(page.get_by_role("region", name="Documents")).to_contain_text("a.pdf")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", name="ingest-2")).to_be_visible()


def test_states_of_a_job_have_their_tokens_and_money(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs/answer-team-1"] = any_job(ledger=any_answer()["ledger"])
    page = open_console("#/jobs/answer-team-1")
    rows = page.get_by_role("region", name="States entered").get_by_role("row")
    expect(rows.filter(has_text="Compose Answer")).to_have_text(re.compile(r"1.00 s\s*3,984\s*\$0.0123"))
    expect(rows.filter(has_text="Verify Claims")).not_to_contain_text("$")


def test_a_failed_collection_can_go_on_where_it_ended(open_console: Open, api: FakeApi) -> None:
    failed = any_job("c1", kind="ingest_collection", status="FAILED", state="Ingest Batches", error=None)
    api.routes |= {"GET /v1/jobs/c1": failed, "GET /v1/jobs/c1/items": page_of()}

    def redrive(_: Asked) -> Json:
        api.routes["GET /v1/jobs/c1"] = running(job_id="c1", kind="ingest_collection", state="Ingest Batches")
        return failed

    api.routes["POST /v1/jobs/c1/redrive"] = redrive
    page = open_console("#/jobs/c1")
    page.get_by_role("button", name="Go on where it ended").click()
    expect(page.get_by_role("region", name="Execution").get_by_text("running")).to_be_visible()


def test_a_running_job_can_be_cancelled(open_console: Open, api: FakeApi) -> None:
    cancelled = any_job(status="CANCELLED", state="Retrieve")
    api.routes["GET /v1/jobs/answer-team-1"] = running()

    def cancel(_: Asked) -> Json:
        api.routes["GET /v1/jobs/answer-team-1"] = cancelled
        return cancelled

    api.routes["POST /v1/jobs/answer-team-1/cancel"] = cancel
    page = open_console("#/jobs/answer-team-1")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("region", name="Execution").get_by_text("cancelled")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_jobs_are_listed_by_filters_and_stay_up_to_date(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs"] = in_turn(page_of(running()), page_of(any_job()))
    page = open_console("#/jobs?kind=answer_request")
    expect(page.get_by_role("region", name="Jobs")).to_contain_text("completed")
    assert api.of("GET /v1/jobs")[0].query["kind"] == "answer_request"
    with page.expect_response(re.compile("status=FAILED")):
        page.get_by_label("Status").select_option("FAILED")
    page.wait_for_url("**/#/jobs?kind=answer_request&status=FAILED")
    expect(page.get_by_role("link", name="answer-team-1")).to_be_visible()
    assert api.of("GET /v1/jobs")[-1].query["status"] == "FAILED"


def test_costs_are_summed_by_day_and_kind_over_all_pages(open_console: Open, api: FakeApi) -> None:
    first = page_of(any_job("a", cost_usd=0.5), any_job("b", cost_usd=None, kind="sync_source"))
    second = page_of(any_job("c", cost_usd=1.0, created_at="2026-03-20T10:00:00Z"))
    api.routes["GET /v1/jobs"] = lambda asked: second if asked.query.get("cursor") else first | {"next_cursor": "n"}
    page = open_console("#/costs")
    expect(page.locator(".total")).to_have_text("$1.50 for models, in 3 jobs")
    days = page.locator(".bars tr")
    expect(days.filter(has_text="2026-03-20")).to_contain_text("$1.00")
    expect(days.filter(has_text="2026-03-21")).to_contain_text("$0.5000")
    kinds = page.get_by_role("region", name="Cost by kind of job").get_by_role("row")
    expect(kinds.filter(has_text="answer request")).to_have_text(re.compile("2.*\\$1.50.*\\$0.7500"))
    expect(page.get_by_role("region", name="The dearest jobs").get_by_role("link").first).to_have_text("c")


# --- adding documents -----------------------------------------------------------------------------------------------


@pytest.fixture
def uploads(api: FakeApi) -> Callable[[Sequence[Json]], None]:
    """Lets the API sign uploads and tell of an ingestion with these documents."""

    def tell(documents: Sequence[Json]) -> None:
        job = any_job("ingest-1", kind="ingest_document", documents=list(documents))
        api.routes |= {
            "POST /v1/archives/team/uploads": {
                "upload_id": "u1",
                "method": "POST",
                "url": f"{api.address}/s3/landing",
                "fields": {"key": "incoming/team/a.md", "policy": "p"},
                "expires_at": "2026-03-21T11:00:00Z",
            },
            "POST /s3/landing": Answered(204),
        }
        earlier = any_job("ingest-0", kind="ingest_document", documents=[{"name": "a.md", "status": "FAILED"}])
        arrived = {"POST /s3/landing", "PUT /s3/part/1"}

        def jobs(_: Asked) -> Json:
            """The ingestion of a file starts when it has arrived; that of an earlier one is there before."""
            sent = any(f"{each.method} {each.path}" in arrived for each in api.asked)
            return page_of(job, earlier) if sent else page_of(earlier)

        api.routes["GET /v1/jobs"] = jobs

    return tell


def test_a_file_goes_straight_to_s3_and_its_ingestion_is_followed(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    uploads([{"name": "a.md", "status": "COMPLETED", "chunks": 3}])
    page = open_console("#/add")
    page.get_by_label("Archive", exact=True).select_option("team")
    page.get_by_text("Metadata").click()
    page.get_by_label("Of all these files").fill("team=sea\n region = north ")
    page.get_by_label("Choose files").set_input_files([file_of("a.md")])
    row = page.get_by_role("row").filter(has_text="a.md")
    expect(row).to_contain_text("completed 3 chunks")
    (signed,) = api.of("POST /v1/archives/team/uploads")
    metadata = {"team": "sea", "region": "north"}
    assert signed.body == {"name": "a.md", "bytes": 3, "media_type": "text/markdown", "metadata": metadata}
    (sent,) = api.of("POST /s3/landing")
    parts = re.findall(rb'name="(\w+)"', sent.body)
    assert parts == [b"key", b"policy", b"file"]  # S3 ignores what comes behind the file
    assert not {"cookie", "authorization"} & sent.headers.keys()


def test_a_document_that_is_refused_says_why_and_its_neighbour_goes_on(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    error = {"code": "DOCUMENT_EMPTY", "message": "The object holds no bytes.", "action": "Upload content."}
    uploads(
        [{"name": "a.md", "status": "COMPLETED", "chunks": 1}, {"name": "b.md", "status": "FAILED", "error": error}]
    )
    page = open_console("#/add")
    page.get_by_label("Archive", exact=True).select_option("team")
    page.get_by_label("Choose files").set_input_files([file_of("a.md"), file_of("b.md")])
    expect(page.get_by_role("row").filter(has_text="b.md")).to_contain_text(
        "The object holds no bytes. Upload content."
    )
    expect(page.get_by_role("row").filter(has_text="a.md")).to_contain_text("completed")


def test_what_s3_refuses_is_told_with_its_code(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    uploads([])
    api.routes["POST /s3/landing"] = Answered(403, {"text": "<Error><Code>EntityTooLarge</Code></Error>"})
    page = open_console("#/add")
    page.get_by_label("Archive", exact=True).select_option("team")
    page.get_by_label("Choose files").set_input_files([file_of("a.md")])
    expect(page.get_by_role("row").filter(has_text="a.md")).to_contain_text("S3 answered 403 (EntityTooLarge).")


def test_a_large_file_goes_in_parts_that_are_tried_again(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    uploads([{"name": "big.md", "status": "COMPLETED", "chunks": 9}])
    parts = [{"number": number, "url": f"{api.address}/s3/part/{number}"} for number in (1, 2, 3)]
    api.routes["POST /v1/archives/team/uploads"] = {"upload_id": "u/1", "part_bytes": 4, "parts": parts}
    api.routes["POST /v1/archives/team/uploads/u/1/complete"] = Answered(200, {})
    for number in (1, 2, 3):
        api.routes[f"PUT /s3/part/{number}"] = Answered(200, {}, ETag=f'"tag{number}"')
    api.routes["PUT /s3/part/2"] = in_turn(Answered(500, {}), api.routes["PUT /s3/part/2"])
    page = open_console("#/add")
    page.get_by_label("Archive", exact=True).select_option("team")
    page.get_by_label("Choose files").set_input_files([file_of("big.md", b"0123456789")])
    expect(page.get_by_role("row").filter(has_text="big.md")).to_contain_text("completed 9 chunks")
    assert [each.body for each in api.of("PUT /s3/part/2")] == [b"4567"] * 2
    assert api.of("PUT /s3/part/3")[0].body == b"89"
    (done,) = api.of("POST /v1/archives/team/uploads/u/1/complete")
    assert done.body == {"parts": [{"number": number, "etag": f'"tag{number}"'} for number in (1, 2, 3)]}


def test_a_large_file_that_can_t_be_sent_is_given_up_at_s3_too(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    uploads([])
    api.routes["POST /v1/archives/team/uploads"] = {
        "upload_id": "u1",
        "part_bytes": 4,
        "parts": [{"number": 1, "url": f"{api.address}/s3/part/1"}],
    }
    api.routes["PUT /s3/part/1"] = Answered(403, {})
    api.routes["DELETE /v1/archives/team/uploads/u1"] = Answered(204)
    page = open_console("#/add")
    page.get_by_label("Archive", exact=True).select_option("team")
    page.get_by_label("Choose files").set_input_files([file_of("a.md")])
    expect(page.get_by_role("row").filter(has_text="a.md")).to_contain_text("S3 answered 403")
    assert len(api.of("DELETE /v1/archives/team/uploads/u1")) == 1


def test_a_new_archive_is_made_with_the_first_file(
    open_console: Open, api: FakeApi, uploads: Callable[[Sequence[Json]], None]
) -> None:
    uploads([{"name": "a.md", "status": "COMPLETED", "chunks": 1}])
    api.routes["GET /v1/archives"] = page_of()
    api.routes["POST /v1/archives"] = Answered(201, {"archive_id": "team", "description": ""})
    page = open_console("#/add")
    page.get_by_label("Choose files").set_input_files([file_of("a.md")])
    expect(page.get_by_text("Give the new archive an id")).to_be_visible()
    page.get_by_label("Id of the new archive").fill("team")
    page.get_by_label("Choose files").set_input_files([file_of("a.md")])
    expect(page.get_by_role("row").filter(has_text="a.md")).to_contain_text("completed")
    assert api.of("POST /v1/archives")[0].body == {"archive_id": "team", "description": ""}


# --- for everyone ---------------------------------------------------------------------------------------------------

VIEWS = ["#/ask", "#/answers/answer-team-1", "#/add", "#/jobs", "#/jobs/answer-team-1", "#/costs", "#/nowhere"]

CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_text_stands_out_from_its_ground(open_console: Open, view: str, scheme: Any, shot: Shot) -> None:
    page = open_console(view)
    page.emulate_media(color_scheme=scheme)
    settled(page)
    shot(page, f"{view.strip('#/').replace('/', '-')}-{scheme}")
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("view", VIEWS)
def test_everything_that_can_be_used_has_a_name_and_shows_its_focus(open_console: Open, view: str) -> None:
    page = open_console(view)
    settled(page)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
              const element = document.activeElement;
              if (element === document.body) return null;
              const style = getComputedStyle(element);
              const label = element.matches("input[type=file]") ? element.nextElementSibling : element;
              return { tag: element.outerHTML.slice(0, 80), outline: getComputedStyle(label).outlineStyle,
                       shown: style.visibility !== "hidden" };
            }"""
        )
        if told is None or told in seen:
            break
        seen.append(told)
    assert len(seen) >= 7  # the link to the content, the bar, something in the view
    assert [each for each in seen if each["outline"] == "none" or not each["shown"]] == []
    snapshot = page.locator("body").aria_snapshot()
    unnamed = re.findall(r"^\s*- (?:button|link|textbox|combobox|checkbox)(?:$|:$| \[)", snapshot, re.MULTILINE)
    assert unnamed == [], snapshot


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_needs_no_sideways_scrolling(open_console: Open, view: str, shot: Shot) -> None:
    page = open_console(view)
    page.set_viewport_size({"width": 360, "height": 740})
    settled(page)
    shot(page, f"{view.strip('#/').replace('/', '-')}-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_asks_nobody_but_where_it_is_from(context: BrowserContext, open_console: Open, view: str) -> None:
    hosts: set[str] = set()
    context.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    settled(open_console(view))
    assert len(hosts) == 1


def test_leaving_a_view_ends_what_it_was_asking(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/jobs/answer-team-1"] = running()
    page = open_console("#/jobs/answer-team-1")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("link", name="Add documents").click()
    expect(page.get_by_role("heading", name="Add documents")).to_be_visible()
    before = len(api.of("GET /v1/jobs/answer-team-1"))
    page.wait_for_timeout(1500)
    assert len(api.of("GET /v1/jobs/answer-team-1")) <= before + 1  # one that was under way


def test_a_view_that_can_t_be_read_says_so(open_console: Open, api: FakeApi) -> None:
    api.routes["GET /v1/archives"] = problem(403, "FORBIDDEN", "You may not list archives.")
    page = open_console()
    expect(page.get_by_role("alert")).to_contain_text("You may not list archives.")


def settled(page: Page) -> None:
    """Wait until a view has drawn what it asked for, and open all that is folded."""
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.wait_for_load_state("networkidle")
