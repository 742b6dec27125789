"""robots.txt: what a site asks crawlers to keep to (RFC 9309; parsed by Protego, which Scrapy uses)."""

from __future__ import annotations

MAX_ROBOTS_BYTES = 512 * 1024
"""RFC 9309, section 2.5: at least 500 KiB are read; what is beyond is left."""


class Robots:
    """Rules of one origin for one crawler.

    Args:
        text: of the file; empty allows everything (RFC 9309, section 2.3.1.3: no such file).
        agent: the crawler's product token.
    """

    def __init__(self, text: str, agent: str) -> None:
        from protego import Protego

        self._agent = agent
        self._rules = Protego.parse(text)

    def allows(self, url: str) -> bool:
        """Whether the address may be fetched."""
        return self._rules.can_fetch(url, self._agent)

    @property
    def delay_s(self) -> float:
        """Seconds between two requests: the longer of Crawl-delay and what Request-rate comes to; 0 when not told."""
        rate = self._rules.request_rate(self._agent)
        told = [
            self._rules.crawl_delay(self._agent) or 0.0,
            rate.seconds / rate.requests if rate is not None and rate.requests else 0.0,
        ]
        return max(0.0, *(delay for delay in told if delay == delay), 0.0)

    @property
    def sitemaps(self) -> list[str]:
        """Addresses of sitemaps that the file names."""
        return [str(each) for each in self._rules.sitemaps]
