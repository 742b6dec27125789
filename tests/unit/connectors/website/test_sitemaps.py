"""Sitemaps: of a malformed one the good entries land and the bad ones are counted."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.connectors.website.sitemaps import MAX_SITEMAP_BYTES, read_sitemap

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(*entries: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{NAMESPACE}">{"".join(entries)}</urlset>'


def test_pages_come_with_the_date_of_their_last_change() -> None:
    text = urlset(
        "<url><loc> https://example.com/a </loc><lastmod>2026-01-02</lastmod><priority>0.5</priority></url>",
        "<url><loc>https://example.com/b?x=1&amp;y=2</loc></url>",
    )
    sitemap = read_sitemap(text.encode(), 100)
    assert sitemap.pages == [("https://example.com/a", "2026-01-02"), ("https://example.com/b?x=1&y=2", "")]
    assert not sitemap.broken


def test_an_index_names_further_sitemaps() -> None:
    text = (
        f'<sitemapindex xmlns="{NAMESPACE}"><sitemap><loc>https://example.com/1.xml.gz</loc></sitemap>'
        "<sitemap><loc>https://example.com/2.xml</loc></sitemap></sitemapindex>"
    )
    assert read_sitemap(text.encode(), 100).sitemaps == ["https://example.com/1.xml.gz", "https://example.com/2.xml"]


def test_a_packed_sitemap_is_unpacked() -> None:
    text = urlset("<url><loc>https://example.com/a</loc></url>")
    assert read_sitemap(gzip.compress(text.encode()), 100).pages == [("https://example.com/a", "")]


def test_a_text_sitemap_has_an_address_on_each_line() -> None:
    sitemap = read_sitemap("\ufeffhttps://example.com/a\r\n\r\nnonsense\nhttps://example.com/b\n".encode(), 100)
    assert [address for address, _ in sitemap.pages] == ["https://example.com/a", "https://example.com/b"]
    assert (sitemap.malformed, sitemap.malformed_entries) == (["entry 3"], 1)


@pytest.mark.parametrize(
    "text",
    [
        urlset("<url><loc>https://example.com/a</loc></url>", "<url><loc>https://example.com/b</loc></url>")[:-30],
        urlset("<url><loc>https://example.com/a</loc></url>", "<oops></url>", "<url><loc>https://example.com/b"),
        urlset("<url><loc>https://example.com/a</loc></url>", "<url><loc>https://example.com/b?c=1&d</loc></url>"),
    ],
)
def test_of_a_malformed_sitemap_the_good_entries_are_used(text: str) -> None:
    sitemap = read_sitemap(text.encode(), 100)
    assert sitemap.pages[0] == ("https://example.com/a", "")
    assert sitemap.broken


def test_entries_that_name_no_page_are_counted() -> None:
    empty = "<url><lastmod>2026-01-01</lastmod></url>"
    sitemap = read_sitemap(urlset(*[empty] * 50, "<url><loc>https://example.com/a</loc></url>").encode(), 100)
    assert sitemap.pages == [("https://example.com/a", "")]
    assert sitemap.malformed_entries == 50
    assert sitemap.malformed[:2] == ["entry 1", "entry 2"]
    assert len(sitemap.malformed) == 20


def test_entities_are_not_resolved() -> None:
    text = (
        '<!DOCTYPE urlset [<!ENTITY file SYSTEM "file:///etc/hostname"><!ENTITY a "aaaaaaaaaa">'
        '<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        "<urlset><url><loc>https://example.com/&file;</loc></url><url><loc>https://example.com/b</loc></url></urlset>"
    )
    sitemap = read_sitemap(text.encode(), 100)
    assert ("https://example.com/b", "") in sitemap.pages
    assert all(len(address) < 40 for address, _ in sitemap.pages)


def test_no_more_entries_are_read_than_asked_for() -> None:
    entries = [f"<url><loc>https://example.com/{number}</loc></url>" for number in range(1_000)]
    assert len(read_sitemap(urlset(*entries).encode(), 10).pages) == 10
    assert len(read_sitemap("\n".join(f"https://e.com/{n}" for n in range(99)).encode(), 10).pages) == 10


def test_a_bomb_is_cut_off() -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * (MAX_SITEMAP_BYTES + 1024 * 1024) + b"</urlset>")
    assert read_sitemap(bomb, 100).broken


@given(st.binary(max_size=2_000))
def test_no_file_makes_it_fail(data: bytes) -> None:
    read_sitemap(data, 10)
    read_sitemap(gzip.compress(data)[: len(data)], 10)
    read_sitemap(b"<urlset><url><loc>" + data, 10)
