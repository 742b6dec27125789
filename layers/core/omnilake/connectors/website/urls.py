"""Addresses of pages: one page, one address.

Two forms of an address are kept apart: what is fetched (:func:`normalise`) and what tells pages apart
(:func:`identity`), where order of parameters and a slash at the end mean nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urljoin

import httpx2

MAX_URL = 1_000
"""Characters of the longest address that is followed; a record's id must hold it."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"utm_\w+|mtm_\w+|pk_\w+|hsa_\w+|_hs\w+|gclid|gclsrc|dclid|gbraid|wbraid|fbclid|msclkid|yclid|twclid|ttclid"
    r"|li_fat_id|igshid|igsh|mc_cid|mc_eid|mkt_tok|oly_anon_id|oly_enc_id|vero_id|_ga|_gl|phpsessid|jsessionid",
    re.I,
)
"""Parameters that say where a visitor came from or who it is, and not which page it wants."""
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/?]*", re.I)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_BLANKS = re.compile(r"[\t\n\r]")


def normalise(url: str, base: str = "") -> str | None:
    """The address in the form in which it is fetched, None when it is none of a web page.

    Scheme and host in lower case (names beyond ASCII in their xn-- form), no default port, no fragment, no dot
    segments, escapes as RFC 3986, section 6.2.2 has them, and without parameters that only track visitors.

    Args:
        url: as it stands in a page, a sitemap or a header.
        base: the page's own address, when the address may be relative to it.
    """
    text = _BLANKS.sub("", url.strip())
    if not text or len(text) > 4 * MAX_URL:
        return None
    try:
        return _normal(urljoin(base, text) if base else text)
    except ValueError:
        return None


@lru_cache(maxsize=20_000)
def _normal(url: str) -> str | None:
    """Of an absolute address. Kept, since the pages of a site link to each other over and over."""
    try:
        parsed = httpx2.URL(url)
        if parsed.scheme not in _DEFAULT_PORTS or not parsed.host or parsed.userinfo:
            return None
        port = None if parsed.port == _DEFAULT_PORTS[parsed.scheme] else parsed.port
        host = parsed.raw_host.decode("ascii").lower().rstrip(".")
        path, mark, query = parsed.raw_path.decode("ascii").partition("?")
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        return None
    if not host or "%" in host or "\\" in host:
        return None
    named = f"[{host}]" if ":" in host else host
    kept = _wanted(query) if mark else ""
    path = _escapes(_SESSION_IN_PATH.sub("", path)) or "/"
    normal = f"{parsed.scheme}://{named}{f':{port}' if port else ''}{path}{f'?{_escapes(kept)}' if kept else ''}"
    return normal if len(normal) <= MAX_URL else None


def identity(url: str) -> str:
    """What tells a page from others: its normal address without a slash at the end, parameters in order."""
    address, _, query = url.partition("?")
    root = "/" if address.count("/") == 3 else ""
    ordered = "&".join(sorted(query.split("&"))) if query else ""
    return f"{address.rstrip('/')}{root if address.endswith('/') else ''}{f'?{ordered}' if ordered else ''}"


def origin(url: str) -> str:
    """Scheme, host and port of a normal address: what the same-origin rule compares (RFC 6454)."""
    return "/".join(url.split("/", 3)[:3])


def _wanted(query: str) -> str:
    return "&".join(part for part in query.split("&") if part and not _TRACKING.fullmatch(part.partition("=")[0]))


def _escapes(text: str) -> str:
    """Escapes in upper case, and none for characters that need none."""

    def escape(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in _UNRESERVED else f"%{match[1].upper()}"

    return _ESCAPE.sub(escape, text)
