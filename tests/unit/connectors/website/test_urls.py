"""One page, one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnilake.connectors.website.urls import MAX_URL, identity, normalise, origin


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("HTTP://Example.COM:80/A/../b/./c%7e?b=2&a=1&&x=#part", "http://example.com/b/c~?b=2&a=1&x="),
        ("https://example.com", "https://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://example.com./x", "https://example.com/x"),
        ("https://bücher.example/ä?q=ü", "https://xn--bcher-kva.example/%C3%A4?q=%C3%BC"),
        ("https://example.com/a b", "https://example.com/a%20b"),
        ("https://example.com/%e3%81%82", "https://example.com/%E3%81%82"),
        ("https://example.com/p?utm_source=x&id=7&gclid=1&fbclid=2", "https://example.com/p?id=7"),
        ("https://example.com/p?utm_source=x", "https://example.com/p"),
        ("https://example.com/p;jsessionid=0A1B?x=1", "https://example.com/p?x=1"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("\n https://example.com/a\tb ", "https://example.com/ab"),
    ],
)
def test_an_address_has_one_normal_form(written: str, normal: str) -> None:
    assert normalise(written) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "written",
    [
        "", "mailto:a@example.com", "javascript:void(0)", "ftp://example.com/", "data:text/html,x", "//",
        "https://", "https://user:secret@example.com/", "https://" + "a" * MAX_URL + ".example/", "http://ex ample/",
        "file:///etc/passwd", "https://example.com/" + "x" * MAX_URL, "http://[::1", "https://exa%6dple.com/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_has_none(written: str) -> None:
    assert normalise(written) is None


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("c", "https://example.com/a/c"),
        ("../c", "https://example.com/c"),
        ("/c", "https://example.com/c"),
        ("?q=2", "https://example.com/a/b?q=2"),
        ("#top", "https://example.com/a/b?q=1"),
        ("//other.example/x", "https://other.example/x"),
        ("../../../../x", "https://example.com/x"),
    ],
)
def test_links_start_at_their_page(link: str, target: str) -> None:
    assert normalise(link, "https://example.com/a/b?q=1") == target


def test_a_slash_at_the_end_and_the_order_of_parameters_make_no_other_page() -> None:
    assert identity("https://example.com/docs/") == identity("https://example.com/docs")
    assert identity("https://example.com/?b=2&a=1") == identity("https://example.com/?a=1&b=2")
    assert identity("https://example.com/") == "https://example.com/"
    assert identity("https://example.com/docs?a=1") != identity("https://example.com/docs?a=2")
    assert identity("https://example.com/Docs") != identity("https://example.com/docs")


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://example.com/a/b?c") == "https://example.com"
    assert len({origin(each) for each in ("http://a.example/", "https://a.example/", "http://a.example:8080/")}) == 3


@given(st.text(max_size=200), st.sampled_from(["", "https://example.com/a/b?q=1"]))
def test_any_text_has_a_normal_form_that_stays_or_none(written: str, base: str) -> None:
    normal = normalise(written, base)
    if normal is not None:
        assert normalise(normal) == normal
        assert normal.isascii()
        assert len(normal) <= MAX_URL
        assert origin(normal).startswith(("http://", "https://"))
        assert identity(identity(normal)) == identity(normal)
