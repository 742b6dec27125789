"""Who may use the console's proxy, and what it sends on."""

from __future__ import annotations

import http.client
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any

import httpx2
import pytest
from served import serving

from omnilake.cli.console_proxy import COOKIE, MAX_BODY_BYTES, ConsoleProxy
from omnilake.errors import ArchiveNotFound

HTML = "<!doctype html><title>OmniLake</title>"


class Signature(httpx2.Auth):
    """Stands for SigV4: what is sent without it was not signed."""

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = "signed"
        yield request


class NoCredentials(httpx2.Auth):
    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        raise ArchiveNotFound("There are no AWS credentials.", action="Set AWS_PROFILE.")
        yield request


class Api(TCPServer):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Api)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Api(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(
            {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body.decode()}
        )
        if self.path == "/v1/gone":
            self.send_response(204)
            self.end_headers()
            return
        if self.path == "/v1/answers/large":
            self.send_response(303)
            self.send_header("Location", f"{self.server.address}/lake/answer.json?X-Amz-Signature=s")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = HTML.encode() if self.path == "/" else b'{"status": "ok"}'
        self.send_response(429 if self.path == "/v1/busy" else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "application/json")
        self.send_header("Retry-After", "1")
        self.send_header("Content-Security-Policy", "script-src 'self'")
        self.send_header("Set-Cookie", "theirs=1")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_POST = do_DELETE = do_GET  # noqa: N815 (names of http.server)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    with serving(server):
        yield server


@pytest.fixture
def proxy(api: Api) -> Iterator[ConsoleProxy]:
    server = ConsoleProxy(api.address, Signature())
    with serving(server):
        yield server


def ask(
    proxy: ConsoleProxy, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body of a request as it is written, with nothing that a client would add or follow."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.server_address[1], timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Host": proxy.host, "Content-Length": str(len(body or b""))} | named).items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def opened(proxy: ConsoleProxy) -> str:
    """The cookie of a browser that has opened the address."""
    status, headers, _ = ask(proxy, proxy.opening_url.removeprefix(proxy.origin))
    assert status == 303
    assert headers["location"] == f"{proxy.root}/"
    return headers["set-cookie"].partition(";")[0]


def test_whoever_opens_the_address_first_gets_the_page(proxy: ConsoleProxy, api: Api) -> None:
    status, headers, body = ask(proxy, f"{proxy.root}/", Cookie=opened(proxy))
    assert (status, body.decode()) == (200, HTML)
    assert headers["content-security-policy"] == "script-src 'self'"
    assert api.seen[0]["path"] == "/"


def test_the_address_opens_once(proxy: ConsoleProxy) -> None:
    opened(proxy)
    status, headers, _ = ask(proxy, proxy.opening_url.removeprefix(proxy.origin))
    assert status == 403
    assert "set-cookie" not in headers


def test_a_wrong_key_opens_nothing_and_leaves_the_right_one_good(proxy: ConsoleProxy) -> None:
    assert ask(proxy, f"{proxy.root}/?open=guess")[0] == 403
    opened(proxy)


def test_the_cookie_is_for_this_run_s_path_and_out_of_reach_of_scripts_and_other_sites(proxy: ConsoleProxy) -> None:
    _, headers, _ = ask(proxy, proxy.opening_url.removeprefix(proxy.origin))
    attributes = {each.strip() for each in headers["set-cookie"].split(";")[1:]}
    assert attributes == {f"Path={proxy.root}/", "HttpOnly", "SameSite=Strict"}


@pytest.mark.parametrize("cookie", ["", "other=1", f"{COOKIE}=", f"{COOKIE}=guess", f"{COOKIE}=\xfc", "=;=", "[]=;"])
def test_without_the_cookie_nothing_is_sent_on(proxy: ConsoleProxy, api: Api, cookie: str) -> None:
    opened(proxy)
    assert ask(proxy, f"{proxy.root}/v1/health", Cookie=cookie)[0] == 403
    assert api.seen == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:80", "127.0.0.1:1", ""])
def test_a_name_of_elsewhere_that_points_here_is_refused(proxy: ConsoleProxy, api: Api, host: str) -> None:
    cookie = opened(proxy)
    assert ask(proxy, f"{proxy.root}/v1/health", Cookie=cookie, Host=host)[0] == 421
    assert api.seen == []


@pytest.mark.parametrize("path", ["/", "/v1/health", "/x/v1/health", "/?open=x"])
def test_without_the_run_s_path_nothing_is_there(proxy: ConsoleProxy, api: Api, path: str) -> None:
    assert ask(proxy, path, Cookie=opened(proxy))[0] == 404
    assert api.seen == []


@pytest.mark.parametrize("path", ["/create_archive", "/v2/health", "/v1", "/console", "/.env"])
def test_only_the_console_s_own_paths_are_sent_on(proxy: ConsoleProxy, api: Api, path: str) -> None:
    assert ask(proxy, proxy.root + path, Cookie=opened(proxy))[0] == 404
    assert api.seen == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_makes_the_browser_ask_is_refused(proxy: ConsoleProxy, api: Api, site: str) -> None:
    assert ask(proxy, f"{proxy.root}/v1/health", Cookie=opened(proxy), Sec_Fetch_Site=site)[0] == 403
    assert api.seen == []


@pytest.mark.parametrize("origin", ["", "null", "https://evil.example", "http://127.0.0.1:1"])
def test_a_change_must_come_from_the_page_itself(proxy: ConsoleProxy, api: Api, origin: str) -> None:
    cookie = opened(proxy)
    assert ask(proxy, f"{proxy.root}/v1/archives", "POST", b"{}", Cookie=cookie, Origin=origin)[0] == 403
    assert api.seen == []


def test_what_is_sent_on_is_signed_and_holds_neither_cookie_nor_origin(proxy: ConsoleProxy, api: Api) -> None:
    status, headers, body = ask(
        proxy,
        f"{proxy.root}/v1/archives/a%2Fb?limit=1&cursor=a%20b",
        "POST",
        b'{"a": 1}',
        Cookie=opened(proxy),
        Origin=proxy.origin,
        Content_Type="application/json",
        Idempotency_Key="k",
        If_Match='"1"',
        Authorization="mine",
        X_Amz_Date="yesterday",
    )
    assert (status, body) == (200, b'{"status": "ok"}')
    (seen,) = api.seen
    assert (seen["method"], seen["path"], seen["body"]) == (
        "POST",
        "/v1/archives/a%2Fb?limit=1&cursor=a%20b",
        '{"a": 1}',
    )
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert sent["authorization"] == "signed"
    assert (sent["idempotency-key"], sent["if-match"], sent["content-type"]) == ("k", '"1"', "application/json")
    assert not {"cookie", "origin", "x-amz-date", "sec-fetch-site"} & sent.keys()
    assert not {"set-cookie", "access-control-allow-origin"} & headers.keys()


def test_statuses_and_the_headers_that_the_page_reads_come_back(proxy: ConsoleProxy) -> None:
    cookie = opened(proxy)
    status, headers, _ = ask(proxy, f"{proxy.root}/v1/busy", Cookie=cookie)
    assert (status, headers["retry-after"]) == (429, "1")
    assert ask(proxy, f"{proxy.root}/v1/gone", "DELETE", Cookie=cookie, Origin=proxy.origin)[::2] == (204, b"")


def test_an_answer_that_the_api_links_to_is_fetched_without_the_caller_s_signature(
    proxy: ConsoleProxy, api: Api
) -> None:
    status, _, body = ask(proxy, f"{proxy.root}/v1/answers/large", Cookie=opened(proxy), If_None_Match='"1"')
    assert (status, body) == (200, b'{"status": "ok"}')
    asked, linked = api.seen
    assert asked["headers"]["Authorization"] == "signed"
    assert (linked["method"], linked["path"]) == ("GET", "/lake/answer.json?X-Amz-Signature=s")
    assert not {"authorization", "if-none-match", "cookie"} & {name.lower() for name in linked["headers"]}


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "1e3"}, 411),
        ({"Content-Length": str(MAX_BODY_BYTES + 1)}, 413),
    ],
)
def test_a_body_without_end_or_too_large_is_refused(
    proxy: ConsoleProxy, api: Api, headers: dict[str, str], refused: int
) -> None:
    told = {"Cookie": opened(proxy), "Origin": proxy.origin, **headers}
    assert ask(proxy, f"{proxy.root}/v1/archives", "POST", None, **told)[0] == refused
    assert api.seen == []


def test_an_api_that_can_t_be_reached_is_a_problem_that_says_so() -> None:
    unreachable = ConsoleProxy("http://127.0.0.1:9", Signature())
    with serving(unreachable):
        status, headers, body = ask(unreachable, f"{unreachable.root}/v1/health", Cookie=opened(unreachable))
    assert (status, headers["content-type"]) == (502, "application/problem+json")
    assert b"API_UNREACHABLE" in body


def test_a_browser_that_leaves_is_no_error(proxy: ConsoleProxy, capfd: pytest.CaptureFixture[str]) -> None:
    for error in (BrokenPipeError(), ConnectionResetError(), TimeoutError()):
        try:
            raise error
        except OSError:
            proxy.handle_error(None, None)
    assert capfd.readouterr().err == ""


def test_missing_credentials_are_a_problem_that_says_what_to_do(api: Api) -> None:
    unsigned = ConsoleProxy(api.address, NoCredentials())
    with serving(unsigned):
        status, _, body = ask(unsigned, f"{unsigned.root}/v1/health", Cookie=opened(unsigned))
    assert status == 502
    assert b"Set AWS_PROFILE" in body
    assert api.seen == []
