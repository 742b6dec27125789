"""The connector of websites.

A source is one site, or several. Each origin is a stream that is crawled anew with every sync: robots.txt, then the
sitemaps, and where there are none the links, breadth first. Pages that are known from the last crawl are asked for
again, whether something still links to them or not: with their ETag and date, so that an unchanged page costs little.

- A page answered with 404 or 410, one that says ``noindex``, one that has moved to another address or that names
  another as canonical is deleted. A page that can't be reached, or that robots.txt now closes, stays as it was.
- A record's order is the time it was read, not ``Last-Modified``: a site that goes back to an older version of a page
  would otherwise keep the newer one in search.
- Scripts are not run. A page that is filled by scripts is listed as a problem.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from omnilake.clock import now
from omnilake.connectors.http import retry_after
from omnilake.connectors.protocol import Credentials, Cursor, Known, Page, Position, Problem, SourceConfig, Stream
from omnilake.connectors.website.addresses import AddressPolicy, Resolve, system_addresses
from omnilake.connectors.website.fetching import Fetched, Fetcher, FetchFailed, FetchLimits
from omnilake.connectors.website.frontier import Frontier, Validator, Waiting, room_of, short
from omnilake.connectors.website.pages import RobotsDirectives, decoded, header_directives, read_page
from omnilake.connectors.website.robots import MAX_ROBOTS_BYTES, Robots
from omnilake.connectors.website.sitemaps import Sitemap, read_sitemap
from omnilake.connectors.website.urls import identity, normalise, origin
from omnilake.errors import DocumentError, RateLimited, SourceError, TransientError
from omnilake.models import Record
from omnilake.settings import settings

SOURCE_TYPE = "website"

_BUDGET_S = 15.0
"""After so long no further request of an invocation is begun."""
_BUDGET_BYTES = 16 * 1024 * 1024
_BUDGET_PAGES = 50
_SLEEP_S = 1.0
"""A pause between requests up to here is waited for; a longer one is the state machine's."""
_MAX_DELAY_S = 600.0
_MAX_HOPS = 5
_MAX_SITEMAPS = 200
_MAX_SITEMAP_BYTES = 50 * 1024 * 1024
_MAX_ENTRIES = 50_000
_TRIES = 3
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_MAX_PROBLEMS = 100
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class WebsiteConfig(SourceConfig):
    """What to crawl, and how much of it.

    Attributes:
        start_url: where the crawl begins; nothing outside of its origin is fetched.
        more_start_urls: further beginnings; each origin among them is crawled by itself.
        include: globs over the path; with any, only pages that match one are fetched (start pages always).
        exclude: globs over the path of pages that are not wanted; pages known before are deleted.
        max_pages: of one origin in one crawl.
        max_depth: links from a start page.
        follow_links: ``auto`` follows links where no sitemap lists pages.
        trust_lastmod: a known page is not asked for as long as the sitemap tells the same ``lastmod`` of it.
        user_agent: product token that robots.txt may name, and that requests carry.
        delay_s: seconds between two requests, unless robots.txt asks for more.
        max_page_bytes: of one page, unpacked.
        page_timeout_s: of one request, from connecting to the last byte.
    """

    start_url: str
    more_start_urls: list[str] = Field(default=[], max_length=50)
    include: list[str] = Field(default=[], max_length=100)
    exclude: list[str] = Field(default=[], max_length=100)
    max_pages: int = Field(default=500, ge=1, le=20_000)
    max_depth: int = Field(default=5, ge=0, le=50)
    follow_links: Literal["auto", "always", "never"] = "auto"
    trust_lastmod: bool = False
    user_agent: str = Field(default="OmniLake", pattern=r"^[A-Za-z][A-Za-z_-]{0,49}$")
    delay_s: float = Field(default=0.25, ge=0, le=_MAX_DELAY_S)
    max_page_bytes: int = Field(default=4 * 1024 * 1024, ge=1_024, le=16 * 1024 * 1024)
    page_timeout_s: float = Field(default=20.0, ge=1, le=30)

    @field_validator("start_url")
    @classmethod
    def _start(cls, value: str) -> str:
        return _address(value)

    @field_validator("more_start_urls")
    @classmethod
    def _starts(cls, values: list[str]) -> list[str]:
        return [_address(value) for value in values]

    @property
    def starts(self) -> dict[str, list[str]]:
        """Start pages by origin."""
        found: dict[str, list[str]] = {}
        for url in (self.start_url, *self.more_start_urls):
            found.setdefault(origin(url), []).append(url)
        return found

    def wants(self, url: str) -> bool:
        """Whether the path of an address is included and not excluded."""
        path = "/" + url.split("/", 3)[3]
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in self.exclude):
            return False
        return not self.include or any(fnmatch.fnmatchcase(path, pattern) for pattern in self.include)


def _address(value: str) -> str:
    url = normalise(value)
    if url is None:
        raise ValueError("must be an http or https address of at most 1,000 characters, without a password")
    return url


class WebsiteConnector:
    """A crawl; see the module. No credentials are used.

    Args:
        config: of the source.
        credentials: not used.
        policy: where connections may go; the deployment's own when omitted.
        resolve: names to addresses.
    """

    config_model: ClassVar[type[SourceConfig]] = WebsiteConfig

    def __init__(
        self,
        config: WebsiteConfig,
        credentials: Credentials,
        *,
        policy: AddressPolicy | None = None,
        resolve: Resolve = system_addresses,
    ) -> None:
        self._config = config
        self._fetcher = Fetcher(
            AddressPolicy.of(settings().allowed_private_hosts) if policy is None else policy,
            f"{config.user_agent}/1.0 (OmniLake crawler)",
            FetchLimits(config.page_timeout_s, config.max_page_bytes),
            resolve,
        )

    def plan(self, cursors: Mapping[str, Cursor]) -> list[Stream]:
        """A stream for each origin; origins that are no longer configured are gone."""
        wanted = self._config.starts
        streams = [Stream(name=name, cursor=cursors.get(name)) for name in wanted]
        return streams + [Stream(name=name, gone=True) for name in cursors if name not in wanted]

    def fetch(self, stream: Stream, position: Position | None, known: Mapping[str, Known]) -> Page:
        """Some pages of an origin.

        Raises:
            RateLimited: the site asks for a pause before the next request.
            TransientError: robots.txt can't be read for now: then nothing may be fetched (RFC 9309, section 2.3.1.4).
            SourceError: the origin can't be crawled at all.
        """
        if position is None:
            frontier = self._begin(stream.name)
        else:
            frontier = Frontier.of(position)
            pause = frontier.ready_at - time.time()
            if pause > 0:
                raise RateLimited.after(pause, stream.name)
        crawl = _Crawl(self._config, self._fetcher, stream.name, frontier, known)
        if frontier.phase == "sitemaps":
            crawl.read_sitemaps()
        if frontier.phase == "pages":
            crawl.read_pages()
        return crawl.page()

    def read(self, url: str) -> Record:
        """One start page without sitemaps and links; see :func:`read_one`."""
        site = origin(url)
        frontier = Frontier(robots=_robots_text(self._fetcher, site), phase="pages")
        crawl = _Crawl(self._config, self._fetcher, site, frontier, {})
        crawl.take_up_starts()
        crawl.read_pages()
        pause = frontier.ready_at - time.time()
        if frontier.waiting and pause > 0:
            raise RateLimited.after(pause, site)
        page = crawl.page()
        if not page.records:
            raise TransientError(f"A page of {site} was not read in time.")
        return page.records[0]

    def close(self) -> None:
        """Close the connections."""
        self._fetcher.close()

    def _begin(self, site: str) -> Frontier:
        text = _robots_text(self._fetcher, site)
        found = Robots(text, self._config.user_agent).sitemaps
        maps = [url for url in (normalise(each, site + "/") for each in found) if url]
        return Frontier(robots=text, sitemaps=list(dict.fromkeys(maps)) or [f"{site}/sitemap.xml"])


def read_one(
    url: str, *, page_timeout_s: float = 10.0, policy: AddressPolicy | None = None, resolve: Resolve = system_addresses
) -> Record:
    """One page by itself, by the rules of a crawl: robots.txt, redirects within the origin, canonical, noindex, caps.

    Args:
        url: in normal form (``urls.normalise``).
        page_timeout_s: of one request.
        policy: where connections may go; the deployment's own when omitted.
        resolve: names to addresses.
    Raises:
        SourceError: it can't be read, or is not to be; says why.
        RateLimited: the site asks for a pause.
        TransientError: robots.txt can't be read for now.
    """
    config = WebsiteConfig(
        start_url=url, max_pages=2, max_depth=0, follow_links="never", page_timeout_s=page_timeout_s
    )  # the second is for the page that it names as canonical
    connector = WebsiteConnector(config, Credentials(), policy=policy, resolve=resolve)
    try:
        return connector.read(url)
    finally:
        connector.close()


def _robots_text(fetcher: Fetcher, site: str) -> str:
    """Text of robots.txt; empty when there is none.

    Redirects are followed to other origins as well, as RFC 9309, section 2.3.1.2 asks; each hop's address is checked.
    """
    url = f"{site}/robots.txt"
    for _ in range(_MAX_HOPS + 1):
        try:
            answer = fetcher.get(url, max_bytes=MAX_ROBOTS_BYTES, truncate=True)
        except FetchFailed as error:
            if error.lasting:
                raise SourceError(
                    f"{site} can't be crawled: {error.reason}", action="Correct the source's address."
                ) from error
            raise TransientError(f"The robots.txt of {site} can't be read: {error.reason}") from error
        if answer.status == 200:
            return answer.body.decode("utf-8", errors="replace")
        if answer.status == 429 or (answer.status == 503 and retry_after(answer.headers) is not None):
            raise RateLimited.after(retry_after(answer.headers) or 60.0, site)
        if answer.status >= 500:
            raise TransientError(f"The robots.txt of {site} is answered with status {answer.status}.")
        target = normalise(answer.headers.get("location", ""), url) if answer.status in _REDIRECTS else None
        if target is None:
            return ""
        url = target
    return ""


class _Crawl:
    """One invocation's share of a crawl."""

    def __init__(
        self, config: WebsiteConfig, fetcher: Fetcher, site: str, frontier: Frontier, known: Mapping[str, Known]
    ) -> None:
        self._config = config
        self._fetcher = fetcher
        self._site = site
        self._state = frontier
        self._known = known
        self._robots = Robots(frontier.robots, config.user_agent)
        self._delay_s = max(config.delay_s, self._robots.delay_s)
        self._began = time.monotonic()
        self._bytes = 0
        self._requests = 0
        self._room = frontier.room()
        self._done = False
        self._records: list[Record] = []
        self._present: list[str] = []
        self._problems: list[Problem] = []
        self._validators: dict[str, str] = {}
        if self._delay_s > _MAX_DELAY_S:
            raise SourceError(
                f"The robots.txt of {site} asks for {self._delay_s:g} s between requests, too long for a crawl.",
                action="Ask the site's owner for a shorter Crawl-delay for this crawler.",
            )

    def page(self) -> Page:
        """What came of it."""
        problems = self._problems + (self._state.problems() if self._done else [])
        if self._done and not self._state.readable and not self._known:
            raise SourceError(
                f"No page of {self._site} could be read. {self._state.first_failure}",
                action="Correct the source's start_url, include and exclude, or look at the site's robots.txt.",
            )
        return Page(
            records=self._records,
            present=self._present,
            problems=problems,
            validators=self._validators,
            position=None if self._done else self._state.position(),
            cursor={"crawled_at": now()} if self._done else None,
        )

    def take_up_starts(self) -> None:
        """Put the start pages into the queue."""
        for url in self._config.starts[self._site]:
            self._take_up(Waiting(url=url), start=True)

    # --- sitemaps ---------------------------------------------------------------------------------------------------

    def read_sitemaps(self) -> None:
        """Read sitemaps until there are no more or the time is up; then take up start pages and known pages."""
        state = self._state
        self.take_up_starts()
        while state.sitemaps and state.sitemap_files < _MAX_SITEMAPS and self._may_go_on():
            url = state.sitemaps.pop(0)
            state.sitemap_files += 1
            if origin(url) != self._site:
                state.leave_out("a sitemap of another origin is not read.", url)
                continue
            self._pause()
            wait = self._list_sitemap(url)
            if wait:
                state.sitemaps.insert(0, url)
                state.sitemap_files -= 1
                state.ready_at = time.time() + wait
                return
        if state.sitemaps and state.sitemap_files < _MAX_SITEMAPS:
            self._rest()
            return
        for url in state.sitemaps:
            state.leave_out(f"no more than {_MAX_SITEMAPS} sitemaps are read.", url)
        state.sitemaps = []
        state.phase = "pages"
        for record_id, known in self._known.items():
            self._take_up_known(record_id, Validator.of(known.validator))
        self._rest()

    def _list_sitemap(self, url: str) -> float:
        """Take up the entries of a sitemap; seconds to wait when the site asks for a pause first."""
        guessed = url == f"{self._site}/sitemap.xml"
        try:
            answer = self._follow(url, {}, max_bytes=_MAX_SITEMAP_BYTES, wanted=lambda answer: answer.status == 200)
        except (FetchFailed, _Moved) as error:
            self._problem(url, f"The sitemap can't be read. {error.reason}")
            return 0.0
        if answer.status in {429, 503} and self._state.sitemap_pauses < _TRIES:
            self._state.sitemap_pauses += 1
            return retry_after(answer.headers) or 60.0
        if answer.status != 200:
            if not guessed:
                self._problem(url, f"The sitemap is answered with status {answer.status}.")
            return 0.0
        if guessed and answer.media_type in _HTML and b"<urlset" not in answer.body[:4096]:
            return 0.0  # a site that answers every address with a page
        self._take_up_entries(read_sitemap(answer.body, most=_MAX_ENTRIES), url)
        return 0.0

    def _take_up_entries(self, sitemap: Sitemap, url: str) -> None:
        if sitemap.broken:
            self._problem(url, "The sitemap is malformed; entries that could be read are used.")
        if sitemap.malformed_entries:
            listed = ", ".join(sitemap.malformed)
            self._problem(url, f"{sitemap.malformed_entries} entries of the sitemap name no page: {listed}.")
        for entry in sitemap.sitemaps:
            inner = normalise(entry, url)
            if inner and inner not in self._state.sitemaps and len(self._state.sitemaps) < _MAX_SITEMAPS:
                self._state.sitemaps.append(inner)
        for entry, changed in sorted(sitemap.pages, key=lambda each: each[1], reverse=True):
            address = normalise(entry, url)
            if address is None or origin(address) != self._site:
                reason = "a sitemap names what is no page of this origin."
                self._state.leave_out(reason, entry[:1_000] if address is None else address)
                continue
            self._state.sitemap_pages += 1
            self._take_up(Waiting(url=address, changed=changed[:40]))

    # --- pages ------------------------------------------------------------------------------------------------------

    def read_pages(self) -> None:
        """Fetch waiting pages until there are no more, or the invocation has done its share."""
        state = self._state
        while state.waiting and self._may_go_on():
            page = state.waiting.pop(0)
            self._pause()
            wait = self._read(page)
            if wait:
                state.ready_at = time.time() + wait
                return
        self._done = not state.waiting
        self._rest()

    def _read(self, page: Waiting) -> float:
        """Fetch a page and keep what it is; seconds to wait when the site asks for a pause."""
        name = identity(page.url)
        known = self._known.get(name)
        validator = Validator.of(known.validator) if known else Validator()
        if known and self._config.trust_lastmod and page.changed and page.changed == validator.changed:
            self._stays(name, validator.model_copy(update={"depth": page.depth}))
            return 0.0
        if not self._robots.allows(page.url):
            self._fails(name, page.url, "robots.txt does not allow it.")
            return 0.0
        self._state.fetched += 1
        try:
            answer = self._follow(page.url, validator.conditions if known else {}, wanted=_is_text)
        except FetchFailed as error:
            if not error.lasting and self._try_again(page):
                return 0.0
            self._fails(name, page.url, error.reason)
            return 0.0
        except _Moved as moved:
            self._gone(name, page.url, moved.reason)
            return 0.0
        self._bytes += len(answer.body)
        moved_to = identity(answer.url)
        if moved_to != name:
            self._gone(name, page.url, "")
            if short(moved_to) in self._state.seen:
                return 0.0
            self._state.seen.add(short(moved_to))
            if not self._config.wants(answer.url) and answer.url not in self._config.starts[self._site]:
                return 0.0
        return self._keep(answer, page, moved_to)

    def _keep(self, answer: Fetched, page: Waiting, name: str) -> float:
        """What an answer means for its page; seconds to wait when the site asks for a pause."""
        wait = retry_after(answer.headers) if answer.status in {429, 503} else None
        if answer.status == 429 or wait is not None:
            if self._try_again(page, first=True):
                return wait or 60.0
            self._fails(name, page.url, f"It is answered with status {answer.status}, again and again.")
        elif answer.status == 304:
            self._stays(name, Validator.of(self._known[name].validator) if name in self._known else Validator())
        elif answer.status in {404, 410}:
            self._gone(name, page.url, f"it is answered with status {answer.status}.")
        elif answer.status >= 500 or answer.status == 408:
            if not self._try_again(page):
                self._fails(name, page.url, f"It is answered with status {answer.status}.")
        elif answer.status != 200:
            self._fails(name, page.url, f"It is answered with status {answer.status}.")
        elif not _is_text(answer):
            self._gone(name, page.url, f"it is of type {answer.media_type[:60] or 'unknown'}.")
        else:
            self._keep_text(answer, page, name)
        return 0.0

    def _keep_text(self, answer: Fetched, page: Waiting, name: str) -> None:
        try:
            source = decoded(answer.body, answer.headers.get("content-type", "")) if answer.body.strip() else ""
            html = read_page(source, answer.url, self._config.user_agent) if answer.media_type in _HTML else None
        except DocumentError as error:
            self._fails(name, answer.url, error.message)
            return
        directives = header_directives(answer.headers.get("x-robots-tag", ""), self._config.user_agent)
        if html is not None:
            directives |= html.directives
            if not directives.nofollow:
                self._take_up_links(html.links, page)
            if html.canonical and self._defers(answer.url, name, html.canonical, page, directives):
                self._gone(name, answer.url, "it names another page as canonical.")
                return
        if directives.noindex:
            self._gone(name, answer.url, "it says noindex.")
        elif html is not None and html.filled_by_scripts:
            self._fails(name, answer.url, "It has no text before scripts have run, and they are not run.")
        elif not (source.strip() if html is None else html.characters):
            self._gone(name, answer.url, "it holds no text.")
        else:
            text_type: Literal["text/html", "text/markdown", "text/plain"] = "text/html"
            if html is None:
                marked = "markdown" in answer.media_type or answer.url.lower().endswith((".md", ".markdown"))
                text_type = "text/markdown" if marked else "text/plain"
            self._state.readable += 1
            self._validators[name] = Validator(
                url=answer.url,
                etag=answer.headers.get("etag", "")[:300],
                modified=answer.headers.get("last-modified", "")[:60],
                changed=page.changed,
                depth=page.depth,
            ).text
            self._records.append(
                Record(
                    source_type=SOURCE_TYPE,
                    record_id=name,
                    title=(html.title if html else "") or answer.url[:1_000],
                    url=answer.url,
                    media_type=text_type,
                    text=html.html if html else source,
                    updated_at=now(),
                    metadata={"language": html.language} if html and html.language else {},
                )
            )

    def _defers(self, url: str, name: str, canonical: str, page: Waiting, directives: RobotsDirectives) -> bool:
        """Whether a page leaves its place to the one that it names as canonical.

        Not when that is itself, of another origin, not to be fetched, or (over however many steps) leaves its place to
        this one.
        """
        target = identity(canonical)
        if target == name or origin(canonical) != self._site or directives.noindex:
            return False
        me, step = short(name), short(target)
        while step in self._state.aliases:
            step = self._state.aliases[step]
            if step == me:
                return False
        if short(target) not in self._state.seen and not self._take_up(
            Waiting(url=canonical, depth=page.depth, changed=page.changed)
        ):
            return False
        self._state.aliases[me] = short(target)
        return True

    # --- outcomes ---------------------------------------------------------------------------------------------------

    def _stays(self, name: str, validator: Validator) -> None:
        self._state.readable += 1
        self._present.append(name)
        self._validators[name] = validator.text

    def _gone(self, name: str, url: str, reason: str) -> None:
        """A page that is to be out of search: deleted when it was known, else only counted."""
        if name in self._known:
            self._records.append(
                Record(source_type=SOURCE_TYPE, record_id=name, url=url, updated_at=now(), deleted=True)
            )
        elif reason:
            self._first_failure(reason)
            self._state.leave_out(reason, url)

    def _fails(self, name: str, url: str, reason: str) -> None:
        """A page that can't be read for now: what is known of it stays."""
        self._first_failure(reason)
        if name in self._known or self._state.listed < _MAX_PROBLEMS:
            self._problem(url, reason, name)
        else:
            self._state.leave_out(reason, url)

    def _problem(self, url: str, reason: str, name: str = "") -> None:
        self._state.listed += 1
        self._problems.append(Problem(item=url[:1_000], reason=reason, record_id=name))

    def _first_failure(self, reason: str) -> None:
        self._state.first_failure = self._state.first_failure or reason[:1].upper() + reason[1:]

    def _try_again(self, page: Waiting, *, first: bool = False) -> bool:
        """Put a page back: at the end, or as the next; False when it was tried often enough."""
        again = page.model_copy(update={"tries": page.tries + 1})
        if again.tries >= _TRIES:
            return False
        self._state.waiting.insert(0 if first else len(self._state.waiting), again)
        return True

    # --- the frontier -----------------------------------------------------------------------------------------------

    def _take_up(self, page: Waiting, *, start: bool = False) -> bool:
        """Put a page into the queue if it is new, wanted and within the caps."""
        state, key = self._state, short(identity(page.url))
        if key in state.seen:
            return False
        if not start and not self._config.wants(page.url):
            return False
        if not self._robots.allows(page.url):
            self._first_failure("robots.txt does not allow it.")
            state.leave_out("robots.txt does not allow it.", page.url)
            return False
        if len(state.seen) >= self._config.max_pages or self._room < room_of(page):
            state.leave_out(f"more than max_pages ({self._config.max_pages}) were found.", page.url)
            return False
        state.seen.add(key)
        state.waiting.append(page)
        self._room -= room_of(page)
        return True

    def _take_up_links(self, links: list[str], page: Waiting) -> None:
        follow = self._config.follow_links
        if follow == "never" or (follow == "auto" and self._state.sitemap_pages):
            return
        for url in links:
            if origin(url) != self._site:
                continue
            if page.depth < self._config.max_depth:
                self._take_up(Waiting(url=url, depth=page.depth + 1))
            elif short(identity(url)) not in self._state.seen and self._config.wants(url):
                self._state.leave_out(f"more than max_depth ({self._config.max_depth}) links away.", url)

    def _take_up_known(self, record_id: str, validator: Validator) -> None:
        """A page of the last crawl: asked for again, or deleted when it is no longer wanted."""
        url = validator.url or record_id
        if normalise(url) is None or origin(url) != self._site:
            return
        key = short(identity(url))
        if key in self._state.seen:
            return
        if not self._config.wants(url):
            self._gone(record_id, url, "")
            return
        self._state.seen.add(key)
        self._state.waiting.append(Waiting(url=url, depth=validator.depth))

    # --- pace -------------------------------------------------------------------------------------------------------

    def _may_go_on(self) -> bool:
        if self._requests and self._delay_s > _SLEEP_S:
            return False
        spent = time.monotonic() - self._began
        return spent < _BUDGET_S and self._bytes < _BUDGET_BYTES and self._requests < _BUDGET_PAGES

    def _pause(self) -> None:
        if self._requests and self._delay_s:
            time.sleep(min(self._delay_s, _SLEEP_S))
        self._requests += 1

    def _rest(self) -> None:
        """Leave a pause to the state machine when the site's is longer than an invocation waits."""
        self._state.ready_at = time.time() + self._delay_s if self._requests and self._delay_s > _SLEEP_S else 0.0

    def _follow(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        wanted: Callable[[Fetched], bool],
        max_bytes: int | None = None,
    ) -> Fetched:
        """The answer at the end of a page's redirects; each hop is looked at as if it were a link.

        Raises:
            FetchFailed: see ``Fetcher.get``; or a loop.
            _Moved: to where the crawl does not go.
        """
        been = {url}
        while True:
            answer = self._fetcher.get(url, headers, wanted=wanted, max_bytes=max_bytes)
            if answer.status not in _REDIRECTS:
                return answer
            target = normalise(answer.headers.get("location", ""), url)
            if target is None:
                raise FetchFailed("It redirects to what is no address.", lasting=True)
            if origin(target) != self._site:
                raise _Moved(f"it redirects to another origin ({origin(target)[:200]}).")
            if not self._robots.allows(target):
                raise _Moved("it redirects to a page that robots.txt does not allow.")
            if target in been or len(been) > _MAX_HOPS:
                raise FetchFailed("It redirects in a circle, or too often.", lasting=True)
            been.add(target)
            url, headers = target, self._conditions(target)

    def _conditions(self, url: str) -> Mapping[str, str]:
        known = self._known.get(identity(url))
        return Validator.of(known.validator).conditions if known else {}


class _Moved(Exception):
    """A redirect to where the crawl does not go."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _is_text(answer: Fetched) -> bool:
    return answer.status == 200 and answer.media_type in _HTML | _TEXT
