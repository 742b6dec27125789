"""A website on a real socket of 127.0.0.1, as well-behaved or hostile as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from served import serving

Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """An answer of a site. Text is sent as UTF-8; ``send`` writes to the connection by itself instead of a body."""

    body: str | bytes = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)
    media_type: str = "text/html; charset=utf-8"
    send: Callable[[BaseHTTPRequestHandler], None] | None = None


@dataclass
class Site:
    """A running site.

    Attributes:
        pages: path with query → answer; what is not there is answered with 404.
        make: answers for paths that are not in ``pages``.
        asked: path and headers of all requests, in order.
    """

    port: int
    address: str = "127.0.0.1"
    pages: dict[str, Answer | str] = field(default_factory=dict)
    make: Callable[[str, Headers], Answer | None] = lambda path, headers: None
    asked: list[tuple[str, Headers]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """Of all requests, in order, without robots.txt and sitemap.xml."""
        return [path for path, _ in self.asked if path not in {"/robots.txt", "/sitemap.xml"}]

    def page(self, title: str, *links: str, text: str = "", head: str = "") -> str:
        """HTML of a page with some text and links."""
        listed = "".join(f'<li><a href="{link}">to {number}</a></li>' for number, link in enumerate(links))
        words = text or f"The page called {title} says what there is to say about {title}, at some length."
        return (
            f"<!doctype html><html lang=en><head><title>{title}</title>{head}</head>"
            f"<body><h1>{title}</h1><p>{words}</p><ul>{listed}</ul></body></html>"
        )


@contextmanager
def any_site(address: str = "127.0.0.1") -> Iterator[Site]:
    """Serve a site on a free port of a loopback address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: 40 ms apart with it

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append((self.path, headers))
            answer = site.pages.get(self.path) or site.make(self.path, headers) or Answer("nothing here", 404)
            if isinstance(answer, str):
                answer = Answer(answer)
            if answer.send is not None:
                self.close_connection = True
                answer.send(self)
                return
            body = answer.body.encode() if isinstance(answer.body, str) else answer.body
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": answer.media_type,
                "Content-Length": str(len(body)),
                **answer.headers,
            }.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if answer.status != 304:
                self.wfile.write(body)

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # the client had enough
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    site = Site(server.server_address[1], address)
    with serving(server):
        yield site
