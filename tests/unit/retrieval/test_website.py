"""The retriever ``website``: only allowed hosts, by the rules of a crawl, as evidence whose quotes can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from any_site import Answer, Site, any_site
from hypothesis import given
from hypothesis import strategies as st

from omnilake import aws, layout
from omnilake.errors import RateLimited, SourceError
from omnilake.models import Filter, InformationRequest
from omnilake.retrieval import Lookup, RetrievalPlan
from omnilake.retrieval.website import WebsiteOptions, best_spans, find, wanted_pages
from omnilake.settings import settings

JOB = "answer-1"


@pytest.fixture
def site(stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that the deployment may fetch from."""
    with any_site() as running:
        monkeypatch.setenv("OMNILAKE_ALLOWED_PRIVATE_HOSTS", f"127.0.0.1:{running.port}")
        settings.cache_clear()
        yield running


def look(question: str, hosts: list[str], *, plan: dict[str, Any] | None = None, **options: Any) -> Lookup:
    InformationRequest(archives=["docs"], question=question)
    made = RetrievalPlan.model_validate(
        {
            "job_id": JOB,
            "archives": ["docs"],
            "question": question,
            "vectors": {},
            "limit": 50,
            "retrievers": ["website"],
        }
        | (plan or {})
    )
    return Lookup("website", made, {"hosts": hosts} | options)


def allowed(site: Site) -> list[str]:
    return [f"127.0.0.1:{site.port}"]


def test_a_page_that_the_question_names_is_read_and_its_quotes_can_be_checked(site: Site) -> None:
    site.pages["/status"] = site.page("Status", text="The ferry to Selmere leaves from pier nine today.")
    found = find(look(f"From which pier does the ferry leave, says {site.url}/status?", allowed(site)))
    [evidence] = found.evidence
    stored = aws.lake().read(layout.quoted_text(JOB, evidence.chunk.entry_id, evidence.chunk.version)).decode()
    assert stored[evidence.chunk.start : evidence.chunk.end] == evidence.chunk.text
    assert "pier nine" in evidence.chunk.text
    assert (evidence.chunk.source, evidence.chunk.title) == (f"{site.url}/status", "Status")


def test_configured_pages_are_read_for_every_question(site: Site) -> None:
    site.pages["/now"] = site.page("Now", text="All is well.")
    found = find(look("Is all well?", allowed(site), pages=[f"{site.url}/now"]))
    assert [each.chunk.title for each in found.evidence] == ["Now"]


def test_a_host_that_is_not_allowed_is_not_asked(site: Site) -> None:
    found = find(look(f"What says {site.url}/status?", ["status.example.com"]))
    assert (found.evidence, found.left_out) == ([], {"host_not_allowed": 1})
    assert site.asked == []


def test_another_port_of_an_allowed_host_is_another_host(site: Site) -> None:
    assert find(look(f"What says {site.url}/status?", ["127.0.0.1"])).left_out == {"host_not_allowed": 1}
    assert site.asked == []


def test_an_address_that_is_not_public_is_refused_although_its_host_is_allowed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNILAKE_ALLOWED_PRIVATE_HOSTS", "")
    settings.cache_clear()
    with pytest.raises(SourceError, match="not public"):
        find(look(f"What says {site.url}/status?", allowed(site)))
    assert site.asked == []


def test_robots_are_obeyed(site: Site) -> None:
    site.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /private", media_type="text/plain")
    site.pages["/private"] = site.page("Private")
    with pytest.raises(SourceError, match="robots"):
        find(look(f"What says {site.url}/private?", allowed(site)))
    assert site.paths == []


def test_a_redirect_to_another_origin_is_not_followed(site: Site) -> None:
    with any_site("127.0.0.2") as other:
        other.pages["/"] = other.page("Other")
        site.pages["/away"] = Answer(status=302, headers={"Location": f"{other.url}/"})
        with pytest.raises(SourceError):
            find(look(f"What says {site.url}/away?", allowed(site)))
        assert other.asked == []


def test_a_page_that_asks_not_to_be_indexed_is_none(site: Site) -> None:
    site.pages["/hidden"] = site.page("Hidden", head='<meta name="robots" content="noindex">')
    with pytest.raises(SourceError, match="noindex"):
        find(look(f"What says {site.url}/hidden?", allowed(site)))


def test_links_and_sitemaps_of_a_page_are_not_followed(site: Site) -> None:
    site.pages["/a"] = site.page("A", "/b", "/c")
    find(look(f"What says {site.url}/a?", allowed(site)))
    assert site.paths == ["/a"]
    assert "/sitemap.xml" not in [path for path, _ in site.asked]


def test_a_page_that_can_not_be_read_is_counted_beside_others(site: Site) -> None:
    site.pages["/a"] = site.page("A")
    found = find(look(f"Compare {site.url}/a and {site.url}/gone", allowed(site)))
    assert [each.chunk.title for each in found.evidence] == ["A"]
    assert found.left_out == {"page_not_read": 1}


def test_a_site_that_asks_for_a_pause_is_rate_limited(site: Site) -> None:
    site.pages["/busy"] = Answer(status=429, headers={"Retry-After": "30"})
    with pytest.raises(RateLimited, match="30 s"):
        find(look(f"What says {site.url}/busy?", allowed(site)))


def test_no_more_pages_are_read_than_the_configuration_allows(site: Site) -> None:
    for name in "abc":
        site.pages[f"/{name}"] = site.page(name)
    named = " ".join(f"{site.url}/{name}" for name in "abc")
    found = find(look(f"Compare {named}", allowed(site), max_pages=2))
    assert site.paths == ["/a", "/b"]
    assert found.left_out == {"over_max_pages": 1}


@pytest.mark.parametrize(
    "plan",
    [
        {"tenant": {"business_id": "b1"}},
        {"filters": [Filter(field="tag", value="x").model_dump()]},
        {"as_of": {"moment": "2026-01-01T00:00:00.000Z"}},
        {"entries": ["e1"]},
    ],
)
def test_a_request_that_is_restricted_gets_no_live_page(site: Site, plan: dict[str, Any]) -> None:
    found = find(look(f"What says {site.url}/a?", allowed(site), plan=plan))
    assert found.left_out == {"page_without_what_is_filtered": 1}
    assert site.asked == []


def test_the_passages_that_hold_the_questions_words_come_first() -> None:
    text = "The sea is wide. The pier is long. The ferry leaves from pier nine."
    spans = [(0, 16), (17, 34), (35, len(text))]
    assert best_spans(text, spans, "Which pier does the ferry leave from? http://a.b/sea", 2) == [spans[2], spans[1]]


def test_addresses_are_read_as_people_write_them() -> None:
    options = WebsiteOptions(hosts=["a.example"], pages=["https://a.example/always"])
    urls, refused = wanted_pages(
        "See (https://A.example/x), <https://a.example/y?utm_source=z> and https://a.example/x/. Not http://b.example!",
        options,
    )
    assert urls == ["https://a.example/x", "https://a.example/y", "https://a.example/always"]
    assert refused == 1


@given(
    host=st.sampled_from(
        ["a.example", "b.example", "a.example.evil", "evil@a.example", "a.example@evil", "a.example:81"]
    ),
    path=st.text(max_size=30),
    around=st.text(max_size=10),
)
def test_only_allowed_hosts_are_wanted(host: str, path: str, around: str) -> None:
    urls, _ = wanted_pages(f"{around} https://{host}/{path} {around}", WebsiteOptions(hosts=["a.example"]))
    assert all(url.split("/", 3)[2] == "a.example" for url in urls)
