"""One request: bounded in size and time, no cookies, no redirects of its own, no surprises in packing."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from any_site import Answer, Site

from omnilake.connectors.website.addresses import AddressPolicy
from omnilake.connectors.website.fetching import Fetcher, FetchFailed, FetchLimits

MIB = 1024 * 1024


@pytest.fixture
def client() -> Iterator[Fetcher]:
    made = Fetcher(AddressPolicy.of("127.0.0.1"), "Test/1.0", FetchLimits(seconds=1.0, max_bytes=MIB))
    yield made
    made.close()


def test_an_answer_comes_with_status_headers_and_body(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer("äöü", headers={"ETag": '"1"'})
    answer = client.get(site.url + "/")
    assert (answer.status, answer.body.decode(), answer.headers["etag"]) == (200, "äöü", '"1"')
    assert answer.media_type == "text/html"
    assert site.asked[0][1]["user-agent"] == "Test/1.0"


def test_cookies_are_neither_kept_nor_sent(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer("x", headers={"Set-Cookie": "session=1; Path=/"})
    client.get(site.url + "/")
    client.get(site.url + "/")
    assert "cookie" not in site.asked[1][1]


def test_a_redirect_is_handed_back(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer(status=302, headers={"Location": "/there"})
    answer = client.get(site.url + "/")
    assert (answer.status, answer.headers["location"]) == (302, "/there")
    assert site.paths == ["/"]


def test_a_packed_body_is_unpacked(site: Site, client: Fetcher) -> None:
    body = b"word " * 50_000
    site.pages["/"] = Answer(gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert client.get(site.url + "/").body == body


def test_an_empty_packed_body_is_empty(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer(b"", headers={"Content-Encoding": "gzip"})
    assert client.get(site.url + "/").body == b""


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_above_the_cap_is_refused_before_it_is_read(site: Site, client: Fetcher, packed: bool) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(bomb.compress(b"\0" * MIB) for _ in range(200)) + bomb.flush() if packed else b"x" * (4 * MIB)
    site.pages["/"] = Answer(body, headers={"Content-Encoding": "gzip"} if packed else {})
    with pytest.raises(FetchFailed, match="larger than 1024 KiB") as caught:
        client.get(site.url + "/")
    assert caught.value.lasting


def test_a_body_can_be_cut_at_the_cap(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer(b"x" * 100_000)
    assert client.get(site.url + "/", max_bytes=10, truncate=True).body == b"x" * 10


def test_a_body_without_end_is_refused(site: Site, client: Fetcher) -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        while True:
            handler.wfile.write(b"and on " * 10_000)

    site.pages["/"] = Answer(send=pour)
    with pytest.raises(FetchFailed, match="larger"):
        client.get(site.url + "/")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_sends_byte_by_byte_does_not_get_round_the_time_limit(
    site: Site, client: Fetcher, part: str
) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    site.pages["/"] = Answer(send=drip)
    with pytest.raises(FetchFailed, match="longer than 1 s") as caught:
        client.get(site.url + "/")
    assert not caught.value.lasting


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_a_packing_that_was_not_asked_for_is_refused(site: Site, client: Fetcher, coding: str) -> None:
    site.pages["/"] = Answer(b"\x00\x01", headers={"Content-Encoding": coding})
    with pytest.raises(FetchFailed, match="not asked for"):
        client.get(site.url + "/")


def test_what_is_not_packed_although_it_says_so_is_refused(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer(b"<p>plain</p>", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchFailed, match="unpacked"):
        client.get(site.url + "/")


def test_a_packed_body_that_breaks_off_is_refused(site: Site, client: Fetcher) -> None:
    site.pages["/"] = Answer(gzip.compress(bytes(range(256)) * 100)[:-20], headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchFailed, match="breaks off"):
        client.get(site.url + "/")


@pytest.mark.parametrize(
    "raw", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"]
)
def test_what_is_no_http_or_breaks_off_is_told(site: Site, client: Fetcher, raw: bytes) -> None:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(raw)

    site.pages["/"] = Answer(send=send)
    with pytest.raises(FetchFailed, match="broke"):
        client.get(site.url + "/")


def test_a_port_where_nobody_listens_is_told(client: Fetcher) -> None:
    with pytest.raises(FetchFailed, match="does not accept connections"):
        client.get("http://127.0.0.1:1/")


def test_plain_http_where_a_certificate_is_expected_is_told(site: Site, client: Fetcher) -> None:
    with pytest.raises(FetchFailed):
        client.get(f"https://127.0.0.1:{site.port}/")
