"""What robots.txt asks for."""

from __future__ import annotations

import pytest

from omnilake.connectors.website.robots import Robots


def test_the_group_that_names_the_crawler_counts_and_no_other() -> None:
    rules = Robots("User-agent: OmniLake\nDisallow: /private\n\nUser-agent: *\nDisallow: /\n", "OmniLake")
    assert rules.allows("https://example.com/open")
    assert not rules.allows("https://example.com/private/x")
    assert not Robots("User-agent: *\nDisallow: /\n", "OmniLake").allows("https://example.com/open")


def test_wildcards_ends_and_longer_rules_are_understood() -> None:
    rules = Robots("User-agent: *\nDisallow: /*?print=\nDisallow: /*.pdf$\nDisallow: /a\nAllow: /a/b\n", "OmniLake")
    assert not rules.allows("https://example.com/x?print=1")
    assert not rules.allows("https://example.com/x.pdf")
    assert rules.allows("https://example.com/x.pdf?y")
    assert rules.allows("https://example.com/a/b/c")
    assert not rules.allows("https://example.com/a/c")


@pytest.mark.parametrize("text", ["", "<!doctype html><p>not found", "\x00\x01\x02", "Disallow", "User-agent: *\n"])
def test_a_file_without_rules_allows_everything(text: str) -> None:
    rules = Robots(text, "OmniLake")
    assert rules.allows("https://example.com/x")
    assert rules.delay_s == 0.0


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Crawl-delay: 2.5", 2.5),
        ("Crawl-delay: nonsense", 0.0),
        ("Crawl-delay: -3", 0.0),
        ("Request-rate: 1/10s", 10.0),
        ("Request-rate: 30/1m", 2.0),
        ("Crawl-delay: nan", 0.0),
    ],
)
def test_the_pause_between_requests_is_told(line: str, seconds: float) -> None:
    assert Robots(f"User-agent: *\n{line}\nDisallow:\n", "OmniLake").delay_s == seconds


def test_sitemaps_are_told() -> None:
    rules = Robots("Sitemap: https://example.com/a.xml\nSitemap: https://example.com/b.xml.gz\n", "OmniLake")
    assert rules.sitemaps == ["https://example.com/a.xml", "https://example.com/b.xml.gz"]
