"""What is read of a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.connectors.website.pages import (
    RobotsDirectives,
    WebPage,
    decoded,
    header_directives,
    read_page,
)
from omnilake.errors import CorruptDocument, InvalidEncoding, UnsupportedDocumentType
from omnilake.extraction.limits import DEFAULT_LIMITS
from omnilake.extraction.web import read_html

URL = "https://example.com/docs/page"


def page(html: str) -> WebPage:
    return read_page(html, URL, "OmniLake")


def test_title_language_and_links_are_read() -> None:
    read = page(
        "<html lang='de'><head><title> Der \n Titel </title></head><body><a href='../a'>a</a> <a href='b#c'>b</a>"
        "<a href='/x?utm_source=y'>x</a><a href='mailto:z@example.com'>mail</a><a href='b'>again</a></body></html>"
    )
    assert (read.title, read.language) == ("Der Titel", "de")
    assert read.links == ["https://example.com/a", "https://example.com/docs/b", "https://example.com/x"]


def test_the_first_heading_is_the_title_where_there_is_none() -> None:
    assert page("<h1>The <b>heading</b></h1><p>x").title == "The heading"
    assert page("<p>x").title == ""


def test_the_base_of_links_is_kept_to() -> None:
    assert page("<base href='/other/'><a href='x'>x</a>").links == ["https://example.com/other/x"]
    assert page("<base href='//elsewhere.example/'><a href='x'>x</a>").links == ["https://elsewhere.example/x"]


def test_pictures_archives_and_links_with_nofollow_are_not_followed() -> None:
    html = "<a href='a.PNG'>a</a><a href='b.tar.gz'>b</a><a rel='nofollow ugc' href='c'>c</a><a href='d.html'>d</a>"
    assert page(html).links == ["https://example.com/docs/d.html"]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ("<meta name='robots' content='noindex, follow'>", RobotsDirectives(noindex=True)),
        ("<meta name=ROBOTS content='NOFOLLOW'>", RobotsDirectives(nofollow=True)),
        ("<meta name='robots' content='none'>", RobotsDirectives(noindex=True, nofollow=True)),
        ("<meta name='omnilake' content='noindex'>", RobotsDirectives(noindex=True)),
        ("<meta name='otherbot' content='noindex'>", RobotsDirectives()),
        ("<meta name='robots' content='max-snippet:-1'>", RobotsDirectives()),
    ],
)
def test_what_the_page_says_to_crawlers_is_read(meta: str, expected: RobotsDirectives) -> None:
    assert page(f"<head>{meta}</head><p>text <a href=x>x</a>").directives == expected
    assert bool(page(f"<head>{meta}</head><p>text <a href=x>x</a>").links) != expected.nofollow


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("noindex", RobotsDirectives(noindex=True)),
        ("noarchive, nofollow", RobotsDirectives(nofollow=True)),
        ("otherbot: noindex, nofollow", RobotsDirectives()),
        ("otherbot: noindex, omnilake: nofollow", RobotsDirectives(nofollow=True)),
        ("OmniLake: none", RobotsDirectives(noindex=True, nofollow=True)),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noindex", RobotsDirectives(noindex=True)),
        ("", RobotsDirectives()),
    ],
)
def test_what_the_headers_say_to_crawlers_is_read(value: str, expected: RobotsDirectives) -> None:
    assert header_directives(value, "OmniLake") == expected


def test_a_canonical_address_is_read() -> None:
    assert page("<head><link rel='canonical' href='/docs/page?utm_id=1'></head>").canonical == URL
    assert page("<head><link rel='canonical' href='javascript:x'></head>").canonical == ""


def test_what_changes_with_every_request_is_not_part_of_the_text() -> None:
    def served(number: int) -> str:
        return (
            f"<html><head><title>T</title><meta name='csrf' content='{number}'><script nonce='{number}'>{number}"
            f"</script><style>.c{number}{{}}</style></head><body class='c{number}' data-t='{number}'>"
            f"<!-- {number} --><nav>menu {number}</nav><div style='display:none'>{number}</div>"
            f"<form><input type=hidden value='{number}'></form><p id='p{number}'>The text <i>stays</i>.</p></body>"
        )

    assert page(served(1)).html == page(served(2)).html
    assert "The text <i>stays</i>." in page(served(1)).html


def test_structure_stays_for_the_reader_of_the_text() -> None:
    html = (
        "<html><head><title>Fees</title></head><body><h1>Fees</h1><p>One <script>no</script>two</p>"
        "<div hidden>not seen</div>tail<ol start=3><li>third</ol>"
        "<table><tr><th>Item<th colspan=2>Price</tr><tr><td>Berth<td>10<td>EUR</tr></table>"
        "<pre>code\n  here</pre></body></html>"
    )
    straight = read_html(html.encode(), "", DEFAULT_LIMITS)
    through = read_html(page(html).html.encode(), "", DEFAULT_LIMITS)
    assert (through.text, through.title, through.segments) == (straight.text, straight.title, straight.segments)
    assert "not seen" not in through.text


def test_a_page_that_scripts_fill_is_told_apart() -> None:
    app = "<html><head><title>App</title></head><body><div id=root></div><noscript>Enable JavaScript please, it is " + (
        "really needed here " * 10
    )
    assert page(app + "</noscript><script src=app.js></script></body></html>").filled_by_scripts
    assert not page("<p>" + "Words to read. " * 20 + "<script>x()</script>").filled_by_scripts
    assert not page("<p>Short.</p>").filled_by_scripts


@pytest.mark.parametrize(
    ("data", "header", "text"),
    [
        ("<p>äöü".encode(), "text/html", "<p>äöü"),
        ("<p>äöü".encode("cp1252"), "text/html; charset=ISO-8859-1", "<p>äöü"),
        ("<meta charset=shift_jis><p>港の料金".encode("shift_jis"), "text/html", "<meta charset=shift_jis><p>港の料金"),
        ("<p>港の料金".encode("euc_jp"), 'text/html; charset="EUC-JP"', "<p>港の料金"),
        (b"\xff\xfe" + "<p>äöü".encode("utf-16-le"), "text/html", "<p>äöü"),
        ("<p>äöü".encode(), "text/html; charset=us-ascii", "<p>äöü"),  # says one thing and is another
    ],
)
def test_bodies_are_decoded_as_they_are_meant(data: bytes, header: str, text: str) -> None:
    assert decoded(data, header) == text


@pytest.mark.parametrize("data", [b"<p>\xe4\xf6 \xff\xfe\x81 \xc3", b"\x00\x01\x02\x03" * 100])
def test_bodies_that_can_not_be_decoded_are_refused(data: bytes) -> None:
    with pytest.raises((InvalidEncoding, UnsupportedDocumentType)):
        decoded(data, "text/html; charset=utf-8")


def test_a_page_nested_deeper_than_the_parser_goes_is_refused_not_cut() -> None:
    with pytest.raises(CorruptDocument):
        page("<div>" * 5_000 + "deep" + "</div>" * 5_000 + "<p>after")


@given(st.text(max_size=500))
def test_any_text_is_a_page_or_is_refused(source: str) -> None:
    try:
        read = page(source)
    except CorruptDocument:
        return
    assert read.html == page(source).html
    assert all(link.startswith("http") for link in read.links)
