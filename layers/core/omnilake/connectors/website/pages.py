"""A page of a site: its text, its links, and what it says to crawlers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omnilake.connectors.website.urls import normalise
from omnilake.errors import CorruptDocument
from omnilake.extraction.encodings import decode

MAX_LINKS = 5_000
"""Links of one page that are looked at."""

SCRIPTED_CHARACTERS = 80
"""A page with scripts and fewer visible characters than this is taken for one that scripts fill in the browser."""

_REMOVED = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "math",
    "iframe",
    "object",
    "embed",
    "audio",
    "video",
    "canvas",
    "map",
    "link",
    "meta",
    "base",
    "input",
    "select",
    "textarea",
    "button",
    "nav",
)
_DROPPED = "omnilake-dropped"
_KEPT_ATTRIBUTES = frozenset({"role", "colspan", "rowspan", "start", "lang"})
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.I)
_NOT_PAGES = re.compile(
    r"\.(?:avif|bmp|gif|ico|jpe?g|png|svgz?|tiff?|webp|mp[34]|m4[av]|ogg|oga|ogv|wav|flac|webm|avi|mov|mkv|css|js|mjs|map"
    r"|json|wasm|woff2?|ttf|otf|eot|zip|gz|tgz|bz2|xz|7z|rar|tar|dmg|exe|msi|deb|rpm|apk|jar|whl|iso|bin)$",
    re.I,
)


@dataclass(frozen=True)
class RobotsDirectives:
    """What a page says to crawlers in its ``robots`` meta elements and ``X-Robots-Tag`` headers."""

    noindex: bool = False
    nofollow: bool = False

    def __or__(self, other: RobotsDirectives) -> RobotsDirectives:
        return RobotsDirectives(self.noindex or other.noindex, self.nofollow or other.nofollow)


@dataclass(frozen=True)
class WebPage:
    """What was read of a page.

    Attributes:
        title: of ``<title>``, else of the first heading, else empty.
        html: what readers see, with structure, without scripts, styles, forms and what changes with every request
            (nonces, tokens), so that an unchanged page gives the same text again.
        links: addresses in normal form, in the page's order, without repeats.
        canonical: the address that the page gives as its own, in normal form; empty when it gives none.
        directives: of its meta elements.
        characters: that are visible.
        scripted: whether it has scripts.
        language: as it declares it.
    """

    title: str
    html: str
    links: list[str]
    canonical: str
    directives: RobotsDirectives
    characters: int
    scripted: bool
    language: str

    @property
    def filled_by_scripts(self) -> bool:
        """Whether there is (nearly) nothing to read before scripts have run, which here they do not."""
        return self.scripted and self.characters < SCRIPTED_CHARACTERS


def decoded(data: bytes, content_type: str) -> str:
    """Text of a body: by its byte order mark, as UTF-8, or by the charset of its header or of its meta element.

    Raises:
        InvalidEncoding, UnsupportedDocumentType: see ``extraction.encodings.decode``.
    """
    told = _CHARSET.search(content_type)
    declared = _META_CHARSET.search(data[:4096])
    return decode(data, told[1] if told else declared[1].decode("ascii") if declared else None)


def header_directives(value: str, agent: str) -> RobotsDirectives:
    """Directives of ``X-Robots-Tag`` headers that are for all crawlers or for this one.

    A name before a colon says for whom the directives up to the next name are ("otherbot: noindex, nofollow"), as
    https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag describes it.
    """
    found = RobotsDirectives()
    mine = True
    for part in value.split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip().lower() != "unavailable_after" and " " not in name.strip():
            mine = name.strip().lower() in {"*", agent.lower()}
            part = rest
        if mine:
            found |= _directives(part)
    return found


def _directives(text: str) -> RobotsDirectives:
    words = {word.strip().lower() for word in text.split(",")}
    every = "none" in words
    return RobotsDirectives(every or "noindex" in words, every or "nofollow" in words)


def read_page(source: str, url: str, agent: str) -> WebPage:
    """A page of its HTML.

    Args:
        source: the page's text.
        url: the address it was fetched from: relative links start there.
        agent: product token of the crawler.
    Raises:
        CorruptDocument: it can't be parsed.
    """
    from lxml import etree

    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True)
    try:
        # NUL and surrogates stand in no HTML; libxml2 would stop at them.
        clean = source.replace("\x00", "").encode("utf-8", errors="replace")
        root = etree.fromstring(clean, parser) if clean.strip() else None
    except (etree.LxmlError, ValueError) as error:
        raise CorruptDocument("The page can't be parsed.") from error
    if any(entry.level >= etree.ErrorLevels.FATAL for entry in parser.error_log):
        # libxml2 stops there and hands back the part before it.
        raise CorruptDocument("The page can't be parsed to its end.")
    if root is None:
        return WebPage("", "", [], "", RobotsDirectives(), 0, False, "")
    base = _base(root, url)
    title = _folded(root.findtext(".//title") or "") or _first_heading(root)
    directives = RobotsDirectives()
    for meta in root.iter("meta"):
        if (meta.get("name") or "").strip().lower() in {"robots", agent.lower()}:
            directives |= _directives(meta.get("content") or "")
    links = [] if directives.nofollow else list(dict.fromkeys(_links(root, base)))
    canonical = _canonical(root, base)
    scripted = root.find(".//script") is not None
    language = (root.get("lang") or "").strip()[:35]
    _strip(root)
    body = root.find("body")
    characters = sum(len("".join(text.split())) for text in (root if body is None else body).itertext())
    html = etree.tostring(root, encoding="unicode", method="html")
    return WebPage(title[:1_000], html, links, canonical, directives, characters, scripted, language)


def _base(root: Any, url: str) -> str:
    element = root.find(".//base[@href]")
    return (normalise(element.get("href"), url) if element is not None else None) or url


def _links(root: Any, base: str) -> Iterator[str]:
    looked_at = 0
    for element in root.iter("a", "area", "frame"):
        target = element.get("src" if element.tag == "frame" else "href")
        if not target or "nofollow" in (element.get("rel") or "").lower().split():
            continue
        looked_at += 1
        if looked_at > MAX_LINKS:
            return
        url = normalise(target, base)
        if url and not _NOT_PAGES.search(url.partition("?")[0]):
            yield url


def _canonical(root: Any, base: str) -> str:
    for element in root.iter("link"):
        if "canonical" in (element.get("rel") or "").lower().split():
            return normalise(element.get("href") or "", base) or ""
    return ""


def _first_heading(root: Any) -> str:
    heading = root.find(".//h1")
    return _folded("".join(heading.itertext())) if heading is not None else ""


def _folded(text: str) -> str:
    return " ".join(text.split())


def _hidden(element: Any) -> bool:
    attributes = element.attrib
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
    )


def _strip(root: Any) -> None:
    """Leave out of the tree what readers don't see (as ``extraction.web`` does), and attributes that carry no text."""
    from lxml import etree

    for element in root.iter():
        if element is not root and _hidden(element):
            element.tag = _DROPPED
    etree.strip_elements(root, *_REMOVED, _DROPPED, with_tail=False)
    for element in root.iter():
        for name in [name for name in element.attrib if name not in _KEPT_ATTRIBUTES]:
            del element.attrib[name]
