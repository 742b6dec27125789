"""Crawls of sites on real sockets: from sitemaps or links, politely, within caps, and again with what has changed."""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler
from time import sleep as real_sleep
from typing import Any

import pytest
from any_site import Answer, Headers, Site, any_site
from pydantic import ValidationError

from omnilake.connectors.protocol import Credentials
from omnilake.connectors.website import connector as connector_module
from omnilake.connectors.website.addresses import AddressPolicy
from omnilake.connectors.website.connector import WebsiteConfig, WebsiteConnector
from omnilake.errors import SourceError, TransientError
from omnilake.settings import settings

from .conftest import AHEAD, source


def sitemap(site: Site, *paths: str, dates: dict[str, str] | None = None) -> Answer:
    dated = dates or {}
    entries = "".join(
        f"<url><loc>{site.url}{path}</loc>" + (f"<lastmod>{dated[path]}</lastmod>" if path in dated else "") + "</url>"
        for path in paths
    )
    return Answer(f"<urlset>{entries}</urlset>", media_type="application/xml")


def urls(site: Site, *paths: str) -> set[str]:
    return {site.url + path for path in paths}


# --- what is found --------------------------------------------------------------------------------------------------


def test_pages_are_found_by_their_links(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "b", "https://elsewhere.example/x", "/logo.png"),
        "/a": site.page("A", "/c#part", "/a?utm_source=news"),
        "/b": site.page("B"),
        "/c": site.page("C", "/"),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/a", "/b", "/c")
    assert sorted(site.paths) == ["/", "/a", "/b", "/c"]
    home = synced.changed[site.url + "/"]
    assert (home.title, home.url, home.media_type) == ("Home", site.url + "/", "text/html")
    assert home.metadata == {"language": "en"}
    assert synced.problems == []


def test_a_sitemap_is_taken_instead_of_links(site: Site) -> None:
    site.pages |= {
        "/sitemap.xml": sitemap(site, "/a"),
        "/": site.page("Home", "/unlisted"),
        "/a": site.page("A", "/unlisted"),
        "/unlisted": site.page("Unlisted"),
    }
    assert set(source(site.url).sync().changed) == urls(site, "/", "/a")
    assert set(source(site.url, follow_links="always").sync().changed) == urls(site, "/", "/a", "/unlisted")


def test_sitemaps_that_robots_txt_names_are_read_through_an_index_packed_or_not(site: Site) -> None:
    one = gzip.compress(str(sitemap(site, "/a").body).encode())
    site.pages |= {
        "/robots.txt": f"Sitemap: {site.url}/maps/index.xml",
        "/maps/index.xml": Answer(
            f"<sitemapindex><sitemap><loc>{site.url}/maps/1.xml.gz</loc></sitemap><sitemap><loc>/maps/2.txt</loc>"
            "</sitemap></sitemapindex>",
            media_type="text/xml",
        ),
        "/maps/1.xml.gz": Answer(one, media_type="application/gzip"),
        "/maps/2.txt": Answer(f"{site.url}/b\n", media_type="text/plain"),
        "/": site.page("Home"),
        "/a": site.page("A"),
        "/b": site.page("B"),
    }
    assert set(source(site.url).sync().changed) == urls(site, "/", "/a", "/b")


def test_of_a_malformed_sitemap_the_good_entries_land_and_the_rest_is_told(site: Site) -> None:
    site.pages |= {
        "/sitemap.xml": Answer(
            f"<urlset><url><loc>{site.url}/a</loc></url><url><loc></loc></url>"
            f"<url><loc>https://elsewhere.example/x</loc></url><url><loc>{site.url}/b</loc></urlset>",
            media_type="application/xml",
        ),
        "/": site.page("Home"),
        "/a": site.page("A"),
        "/b": site.page("B"),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/a", "/b")
    assert "malformed" in synced.reasons
    assert "1 entries of the sitemap name no page: entry 2" in synced.reasons
    assert "1 page left out: a sitemap names what is no page of this origin" in synced.reasons


def test_a_site_that_answers_every_address_with_a_page_has_no_sitemap(site: Site) -> None:
    site.make = lambda path, headers: Answer(site.page("Home", "/a"))
    synced = source(site.url, max_pages=5).sync()
    assert set(synced.changed) == urls(site, "/", "/a")
    assert synced.problems == []


def test_plain_text_and_markdown_are_pages_too(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a.md", "/b.txt", "/c"),
        "/a.md": Answer("# Title\n\ntext", media_type="text/plain; charset=utf-8"),
        "/b.txt": Answer("plain", media_type="text/plain"),
        "/c": Answer("# c", media_type="text/markdown"),
    }
    changed = source(site.url).sync().changed
    assert {record.media_type for record in changed.values()} == {"text/html", "text/plain", "text/markdown"}
    assert changed[site.url + "/a.md"].media_type == "text/markdown"
    assert changed[site.url + "/b.txt"].text == "plain"


def test_several_starts_are_crawled_each_within_its_own_origin(site: Site) -> None:
    with any_site() as second:
        second.pages |= {"/": second.page("Second", site.url + "/hidden")}
        site.pages |= {"/": site.page("First", second.url + "/"), "/more": site.page("More"), "/hidden": "<p>x"}
        synced = source(site.url, more_start_urls=[second.url, site.url + "/more"]).sync()
    assert set(synced.changed) == urls(site, "/", "/more") | {second.url + "/"}


# --- what is left out -----------------------------------------------------------------------------------------------


def test_robots_txt_is_kept_to(site: Site) -> None:
    site.pages |= {
        "/robots.txt": "User-agent: OmniLake\nDisallow: /private\n",
        "/": site.page("Home", "/private/a", "/private/b", "/open"),
        "/private/a": site.page("Private"),
        "/open": site.page("Open", "/to-private"),
        "/to-private": Answer(status=302, headers={"Location": "/private/a"}),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/open")
    assert not any(path.startswith("/private") for path in site.paths)
    assert "2 pages left out: robots.txt does not allow it." in synced.reasons
    assert site.asked[0][0] == "/robots.txt"
    assert site.asked[0][1]["user-agent"].startswith("OmniLake/")


def test_robots_txt_knows_the_crawler_by_the_name_it_is_given(site: Site) -> None:
    site.pages |= {"/robots.txt": "User-agent: HarbourBot\nDisallow: /\n", "/": site.page("Home")}
    assert source(site.url).sync().changed
    with pytest.raises(SourceError, match="does not allow"):
        source(site.url, user_agent="HarbourBot").sync()


@pytest.mark.parametrize("status", [404, 403, 401, 410])
def test_without_robots_txt_everything_is_allowed(site: Site, status: int) -> None:
    site.pages |= {"/robots.txt": Answer("gone", status), "/": site.page("Home")}
    assert set(source(site.url).sync().changed) == urls(site, "/")


@pytest.mark.parametrize("status", [500, 503])
def test_nothing_is_fetched_while_robots_txt_can_not_be_read(site: Site, status: int) -> None:
    site.pages |= {"/robots.txt": Answer("down", status), "/": site.page("Home")}
    with pytest.raises(TransientError):
        source(site.url).sync()
    assert site.paths == []


def test_robots_txt_is_found_behind_redirects(site: Site) -> None:
    site.pages |= {
        "/robots.txt": Answer(status=301, headers={"Location": "/well/robots.txt"}),
        "/well/robots.txt": "User-agent: *\nDisallow: /b\n",
        "/": site.page("Home", "/b"),
        "/b": site.page("B"),
    }
    assert set(source(site.url).sync().changed) == urls(site, "/")


def test_pages_that_say_noindex_or_nofollow_are_taken_at_their_word(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/hidden", "/header", "/closed"),
        "/hidden": site.page("Hidden", "/behind", head="<meta name=robots content=noindex>"),
        "/header": Answer(site.page("Header"), headers={"X-Robots-Tag": "noindex"}),
        "/closed": site.page("Closed", "/never", head="<meta name=robots content=nofollow>"),
        "/behind": site.page("Behind"),
        "/never": site.page("Never"),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/closed", "/behind")
    assert "2 pages left out: it says noindex." in synced.reasons


def test_what_is_no_text_is_left_out_and_counted_by_type(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "/b", "/report", "/thing", "/none"),
        "/a": Answer(b"%PDF-1.7", media_type="application/pdf"),
        "/b": Answer(b"%PDF-1.7", media_type="application/pdf"),
        "/report": Answer("a,b\n1,2\n", media_type="text/csv"),
        "/thing": Answer(site.page("HTML all the same"), media_type="application/octet-stream"),
        "/none": Answer(site.page("No type"), media_type=""),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert "2 pages left out: it is of type application/pdf." in synced.reasons
    assert "1 page left out: it is of type text/csv." in synced.reasons
    assert "1 page left out: it is of type unknown." in synced.reasons


def test_a_page_filled_by_scripts_is_told(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/app"),
        "/app": "<html><head><title>App</title></head><body><div id=root></div><script src=a.js></script></body>",
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert [problem.item for problem in synced.problems] == [site.url + "/app"]
    assert "scripts" in synced.reasons


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"<p>\xe4\xf6 \xff\xfe\x81 \xc3\xff", "text/html; charset=utf-8", "not valid UTF-8"),
        (b"\x00\x01\x02\x03" * 500, "text/html", "binary"),
        ("<div>" * 5_000, "text/html", "parsed"),
        (b"x" * 3_000, "text/plain", "larger than"),
    ],
)
def test_a_malformed_page_is_told_and_its_neighbours_land(
    site: Site, body: str | bytes, media_type: str, reason: str
) -> None:
    site.pages |= {
        "/": site.page("Home", "/bad", "/good"),
        "/bad": Answer(body, media_type=media_type),
        "/good": site.page("Good"),
    }
    synced = source(site.url, max_page_bytes=2_048 if reason == "larger than" else 1_000_000).sync()
    assert set(synced.changed) == urls(site, "/", "/good")
    assert [problem.item for problem in synced.problems] == [site.url + "/bad"]
    assert reason in synced.reasons


def test_an_empty_page_is_left_out(site: Site) -> None:
    site.pages |= {"/": site.page("Home", "/empty", "/blank"), "/empty": Answer(b""), "/blank": "<html></html>"}
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert "2 pages left out: it holds no text." in synced.reasons


def test_included_and_excluded_paths(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/docs/a", "/docs/old/b", "/blog/c"),
        "/docs/a": site.page("A"),
        "/docs/old/b": site.page("B"),
        "/blog/c": site.page("C"),
    }
    assert set(source(site.url, include=["/docs/*"], exclude=["*/old/*"]).sync().changed) == urls(site, "/", "/docs/a")


# --- caps -----------------------------------------------------------------------------------------------------------


def test_an_endless_calendar_ends_at_the_caps(site: Site) -> None:
    def calendar(path: str, headers: Headers) -> Answer | None:
        if not path.startswith("/month/"):
            return None
        number = int(path.rpartition("/")[2])
        return Answer(site.page(f"Month {number}", f"/month/{number + 1}", f"/month/{number + 2}"))

    site.pages["/"] = site.page("Home", "/month/1")
    site.make = calendar
    synced = source(site.url, max_depth=3).sync()
    assert set(synced.changed) == urls(site, "/", "/month/1", "/month/2", "/month/3", "/month/4", "/month/5")
    assert "max_depth (3)" in synced.reasons
    synced = source(site.url, max_depth=50, max_pages=20).sync()
    assert len(synced.changed) == 20
    assert "max_pages (20)" in synced.reasons


def test_many_links_on_one_page_stay_within_the_position(site: Site) -> None:
    links = [f"/{number}-{'x' * 900}" for number in range(5_000)]
    site.pages["/"] = site.page("Home", *links)
    config = WebsiteConfig.model_validate(
        {"start_url": site.url, "max_pages": 20_000, "delay_s": 5, "max_page_bytes": 8_000_000}
    )
    connector = WebsiteConnector(config, Credentials(), policy=AddressPolicy.of("127.0.0.1"))
    stream = connector.plan({})[0]
    page = connector.fetch(stream, None, {})
    AHEAD[0] += 10
    page = connector.fetch(stream, page.position, {})
    assert page.position is not None
    assert len(json.dumps(page.position)) < 4 * 1024 * 1024
    assert page.records
    connector.close()


# --- redirects and canonical addresses ------------------------------------------------------------------------------


def test_a_page_lands_under_the_address_it_redirects_to(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/old", "/dir"),
        "/old": Answer(status=301, headers={"Location": "/new"}),
        "/new": site.page("New"),
        "/dir": Answer(status=301, headers={"Location": "/dir/"}),
        "/dir/": site.page("Directory", "x"),
        "/dir/x": site.page("X"),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/new", "/dir", "/dir/x")
    assert synced.changed[site.url + "/dir"].url == site.url + "/dir/"


def test_redirects_in_a_circle_end(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "/deep/0"),
        "/a": Answer(status=302, headers={"Location": "/b"}),
        "/b": Answer(status=302, headers={"Location": "/a"}),
    }
    site.make = lambda path, headers: (
        Answer(status=302, headers={"Location": f"/deep/{int(path.rpartition('/')[2]) + 1}"})
        if path.startswith("/deep/")
        else None
    )
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert synced.reasons.count("in a circle, or too often") == 2
    assert len(site.paths) < 20


def test_a_redirect_to_another_origin_is_not_followed(site: Site) -> None:
    with any_site() as other:
        other.pages["/x"] = other.page("Other")
        site.pages |= {
            "/": site.page("Home", "/away"),
            "/away": Answer(status=302, headers={"Location": other.url + "/x"}),
        }
        synced = source(site.url).sync()
        assert set(synced.changed) == urls(site, "/")
        assert "redirects to another origin" in synced.reasons
        assert other.asked == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[::1]/"])
def test_a_redirect_to_a_private_address_is_not_followed(site: Site, target: str) -> None:
    site.pages |= {"/": site.page("Home", "/away"), "/away": Answer(status=307, headers={"Location": target})}
    site.pages["/robots.txt"] = "User-agent: *\nDisallow:\n"
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert "another origin" in synced.reasons


def test_robots_txt_that_redirects_to_a_private_address_is_not_read(site: Site) -> None:
    site.pages["/robots.txt"] = Answer(status=302, headers={"Location": "http://169.254.169.254/latest/user-data"})
    with pytest.raises(SourceError, match="not public"):
        source(site.url).sync()


def test_a_start_page_on_a_private_address_is_refused_unless_the_deployment_allows_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = site.page("Home")
    with pytest.raises(SourceError, match="AllowedPrivateHosts"):
        source(site.url, policy=AddressPolicy()).sync()
    assert site.asked == []
    monkeypatch.setenv("OMNILAKE_ALLOWED_PRIVATE_HOSTS", f"127.0.0.1:{site.port}")
    settings.cache_clear()
    connector = WebsiteConnector(WebsiteConfig(start_url=site.url, delay_s=0), Credentials())
    assert connector.fetch(connector.plan({})[0], None, {}).records
    connector.close()
    settings.cache_clear()


def test_a_page_leaves_its_place_to_the_one_it_names_as_canonical(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a?sort=up", "/a?sort=down"),
        "/a?sort=up": site.page("A", head="<link rel=canonical href=/a>"),
        "/a?sort=down": site.page("A", head="<link rel=canonical href=/a>"),
        "/a": site.page("A", head="<link rel=canonical href=/a>"),
    }
    assert set(source(site.url).sync().changed) == urls(site, "/", "/a")


def test_pages_that_name_each_other_as_canonical_do_not_both_vanish(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "/b", "/c"),
        "/a": site.page("A", head="<link rel=canonical href=/b>"),
        "/b": site.page("B", head="<link rel=canonical href=/c>"),
        "/c": site.page("C", head="<link rel=canonical href=/a>"),
    }
    assert len(source(site.url).sync().changed) == 2


def test_a_canonical_address_elsewhere_does_not_take_the_page_away(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "/b"),
        "/a": site.page("A", head="<link rel=canonical href=https://elsewhere.example/a>"),
        "/b": site.page("B", head="<link rel=canonical href=/blocked>"),
        "/robots.txt": "User-agent: *\nDisallow: /blocked\n",
    }
    assert set(source(site.url).sync().changed) == urls(site, "/", "/a", "/b")


# --- the next crawl -------------------------------------------------------------------------------------------------


def tagged(site: Site, path: str, title: str, tag: str, *links: str) -> None:
    """A page with an ETag that is answered with 304 when it has not changed."""
    body = site.page(title, *links)
    plain = site.make

    def answer(asked: str, headers: Headers) -> Answer | None:
        if asked != path:
            return plain(asked, headers)
        if headers.get("if-none-match") == tag:
            return Answer(status=304, headers={"ETag": tag})
        return Answer(body, headers={"ETag": tag, "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"})

    site.make = answer


def test_an_unchanged_page_is_asked_for_with_its_tag_and_costs_no_body(site: Site) -> None:
    tagged(site, "/", "Home", '"1"', "/a")
    tagged(site, "/a", "A", '"2"')
    crawled = source(site.url)
    assert len(crawled.sync().changed) == 2
    site.asked.clear()
    again = crawled.sync()
    assert (again.changed, again.deleted, again.problems) == ({}, [], [])
    conditions = {path: headers for path, headers in site.asked if path in {"/", "/a"}}
    assert conditions["/a"]["if-none-match"] == '"2"'
    assert conditions["/a"]["if-modified-since"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    assert len(crawled.sync().changed) == 0  # the tags were kept


def test_changed_new_moved_and_deleted_pages_are_followed(site: Site) -> None:
    site.pages |= {
        "/": site.page("Home", "/a", "/b", "/c", "/d", "/e"),
        **{f"/{name}": site.page(name) for name in "abcde"},
    }
    crawled = source(site.url)
    assert len(crawled.sync().changed) == 6
    site.pages |= {
        "/": site.page("Home", "/a", "/new"),
        "/a": site.page("a", text="Something else by now, and that is good."),
        "/b": Answer("gone", 404),
        "/c": Answer(status=301, headers={"Location": "/new"}),
        "/d": site.page("d", head="<meta name=robots content=noindex>"),
        "/new": site.page("New"),
    }
    again = crawled.sync()
    assert set(again.changed) == urls(site, "/", "/a", "/new")
    assert set(again.deleted) == urls(site, "/b", "/c", "/d")
    assert set(crawled.records) == urls(site, "/", "/a", "/new", "/e")  # /e is there, though nothing links to it


def test_a_deleted_page_that_comes_back_is_read_again(site: Site) -> None:
    old = Answer(site.page("A"), headers={"Last-Modified": "Wed, 21 Oct 2020 07:28:00 GMT"})
    site.pages |= {"/": site.page("Home", "/a"), "/a": old}
    crawled = source(site.url)
    first = crawled.sync().changed[site.url + "/a"]
    site.pages["/a"] = Answer(status=410)
    deletions = crawled.sync()
    site.pages["/a"] = old
    back = crawled.sync().changed[site.url + "/a"]
    deleted = next(record for page in deletions.pages for record in page.records if record.deleted)
    assert first.updated_at <= deleted.updated_at <= back.updated_at


def test_a_page_that_can_not_be_read_for_now_stays(site: Site) -> None:
    site.pages |= {"/": site.page("Home", "/a", "/b", "/c"), **{f"/{name}": site.page(name) for name in "abc"}}
    crawled = source(site.url)
    crawled.sync()
    site.pages |= {
        "/a": Answer("error", 500),
        "/b": Answer(send=lambda handler: None),
        "/robots.txt": "User-agent: *\nDisallow: /c",
    }
    again = crawled.sync()
    assert (again.changed, again.deleted) == ({}, [])
    assert {problem.record_id for problem in again.problems} == urls(site, "/a", "/b", "/c")
    assert site.paths.count("/a") == 4  # once, then three times


def test_a_server_error_that_passes_costs_nothing(site: Site) -> None:
    answers = [Answer("error", 502), Answer(site.page("A"))]
    site.pages["/"] = site.page("Home", "/a")
    site.make = lambda path, headers: answers.pop(0) if path == "/a" else None
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/a")
    assert synced.problems == []


def test_a_page_that_is_no_longer_wanted_is_deleted(site: Site) -> None:
    site.pages |= {"/": site.page("Home", "/a", "/b"), "/a": site.page("A"), "/b": site.page("B")}
    crawled = source(site.url)
    crawled.sync()
    narrower = source(site.url, exclude=["/b"])
    narrower.known, narrower.cursors = crawled.known, crawled.cursors
    assert narrower.sync().deleted == [site.url + "/b"]


def test_an_origin_that_is_no_longer_wanted_is_deleted(site: Site) -> None:
    with any_site() as other:
        other.pages["/"] = other.page("Other")
        site.pages["/"] = site.page("Home")
        crawled = source(site.url, more_start_urls=[other.url])
        crawled.sync()
    narrower = source(site.url)
    narrower.known, narrower.cursors, narrower.records = crawled.known, crawled.cursors, crawled.records
    assert narrower.sync().deleted == [other.url + "/"]
    assert set(narrower.records) == urls(site, "/")


def test_a_known_page_beyond_a_lowered_cap_is_not_taken_for_deleted(site: Site) -> None:
    site.pages |= {"/": site.page("Home", "/a", "/b"), "/a": site.page("A"), "/b": site.page("B")}
    crawled = source(site.url)
    crawled.sync()
    lower = source(site.url, max_pages=1)
    lower.known, lower.cursors = crawled.known, crawled.cursors
    assert lower.sync().deleted == []


def test_lastmod_spares_the_request_where_it_is_trusted(site: Site) -> None:
    dates = {"/a": "2026-01-01", "/b": "2026-01-01"}
    site.pages |= {
        "/sitemap.xml": sitemap(site, "/a", "/b", dates=dates),
        "/": site.page("Home"),
        "/a": site.page("A"),
        "/b": site.page("B"),
    }
    crawled = source(site.url, trust_lastmod=True)
    assert len(crawled.sync().changed) == 3
    site.asked.clear()
    site.pages["/sitemap.xml"] = sitemap(site, "/a", "/b", dates=dates | {"/b": "2026-02-02"})
    site.pages["/b"] = site.page("B", text="Changed in February, as the sitemap says.")
    assert set(crawled.sync().changed) == urls(site, "/b")
    assert "/a" not in site.paths
    assert crawled.sync().changed == {}


# --- pace -----------------------------------------------------------------------------------------------------------


def test_a_long_crawl_delay_is_left_to_the_state_machine(site: Site, slept: list[float]) -> None:
    site.pages |= {
        "/robots.txt": "User-agent: *\nCrawl-delay: 30\n",
        "/": site.page("Home", "/a", "/b"),
        "/a": site.page("A"),
        "/b": site.page("B"),
    }
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/a", "/b")
    assert synced.waits == [30, 30, 30]
    assert slept == []


def test_a_short_pause_is_slept_through(site: Site, slept: list[float]) -> None:
    site.pages |= {"/": site.page("Home", "/a"), "/a": site.page("A")}
    assert source(site.url, delay_s=0.5).sync().waits == []
    assert slept == [0.5, 0.5]


def test_a_site_that_wants_an_hour_between_requests_is_refused(site: Site) -> None:
    site.pages["/robots.txt"] = "User-agent: *\nCrawl-delay: 3600\n"
    with pytest.raises(SourceError, match="3600 s between requests"):
        source(site.url).sync()


@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_asks_for_a_pause_gets_it_and_the_page_is_read_after_it(site: Site, status: int) -> None:
    answers = [Answer("slow down", status, {"Retry-After": "7"}), Answer(site.page("A"))]
    site.pages["/"] = site.page("Home", "/a", "/b")
    site.pages["/b"] = site.page("B")
    site.make = lambda path, headers: answers.pop(0) if path == "/a" else None
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", "/a", "/b")
    assert synced.waits == [7]
    assert synced.problems == []


def test_a_site_that_asks_for_pauses_for_ever_is_left_alone(site: Site) -> None:
    site.pages |= {"/": site.page("Home", "/a"), "/a": Answer("no", 429, {"Retry-After": "5"})}
    site.pages["/sitemap.xml"] = Answer("no", 429)
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/")
    assert synced.waits == [60, 60, 60, 5, 5]
    assert "again and again" in synced.reasons


def test_robots_txt_that_asks_for_a_pause_gets_it(site: Site) -> None:
    answers = [Answer("slow down", 429, {"Retry-After": "11"}), Answer("User-agent: *\n")]
    del site.pages["/robots.txt"]
    site.pages["/"] = site.page("Home")
    site.make = lambda path, headers: answers.pop(0) if path == "/robots.txt" else None
    synced = source(site.url).sync()
    assert (set(synced.changed), synced.waits) == (urls(site, "/"), [11])


def test_an_invocation_ends_in_time_and_the_next_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "_BUDGET_PAGES", 3)
    names = [f"/{number}" for number in range(20)]
    site.pages |= {"/": site.page("Home", *names), **{name: site.page(name) for name in names}}
    synced = source(site.url).sync()
    assert set(synced.changed) == urls(site, "/", *names)
    assert len(synced.pages) > 5
    assert len(site.paths) == len(set(site.paths))


def test_a_slow_page_is_given_up_and_the_others_land(site: Site) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        for _ in range(60):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            real_sleep(0.05)

    site.pages |= {"/": site.page("Home", "/slow", "/fast"), "/slow": Answer(send=hang), "/fast": site.page("Fast")}
    synced = source(site.url, page_timeout_s=1).sync()
    assert set(synced.changed) == urls(site, "/", "/fast")
    assert "longer than 1 s" in synced.reasons


# --- configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        {"start_url": "ftp://example.com"},
        {"start_url": "https://user:pw@example.com/"},
        {"start_url": "https://example.com", "max_pages": 0},
        {"start_url": "https://example.com", "user_agent": "two words"},
        {"start_url": "https://example.com", "user_agent": "a\r\nHost: x"},
        {"start_url": "https://example.com", "more_start_urls": ["nonsense"]},
        {"start_url": "https://example.com", "password": "x"},
        {},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebsiteConfig.model_validate(config)


def test_a_site_without_a_readable_page_is_an_error_that_says_why(site: Site) -> None:
    with pytest.raises(SourceError, match="answered with status 404"):
        source(site.url).sync()
    site.pages["/"] = Answer(status=301, headers={"Location": "https://www.example.com/"})
    with pytest.raises(SourceError, match=r"another origin \(https://www\.example\.com\)"):
        source(site.url).sync()
