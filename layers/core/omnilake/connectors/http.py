"""HTTP as the connectors need it: JSON calls whose failures are the errors of the connector protocol.

Redirects are not followed (a redirect would carry the token elsewhere), answers are read up to a cap, and nothing is
retried here: the state machine repeats the page.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from omnilake import provider_http
from omnilake.errors import RateLimited, SourceError, TransientError

if TYPE_CHECKING:
    import httpx2 as httpx

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_DEFAULT_WAIT_S = 60.0
_LONGEST_WAIT_S = 3_600.0


@dataclass(frozen=True)
class Answer:
    """A successful answer, read whole.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        content: decompressed.
        links: relation → address, of the ``Link`` headers (RFC 8288).
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    links: Mapping[str, str] = field(default_factory=dict)


class HttpClient:
    """A client of one service.

    Args:
        service: its name in error messages ("GitLab").
        base_url: what relative addresses are put below.
        headers: sent with each call (authorisation).
        timeout_s: of connecting and of each read.
    """

    def __init__(
        self, service: str, base_url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        import httpx2 as httpx

        # Its log has a line with the whole address of each call, and some services want the key in the address.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        self.service = service
        self._client = httpx.Client(
            base_url=base_url,
            headers={"User-Agent": "OmniLake", "Accept-Encoding": "gzip, deflate", **(headers or {})},
            timeout=timeout_s,
            follow_redirects=False,
        )

    def get(
        self, url: str, params: Mapping[str, str | int] | None = None, *, missing_ok: bool = False
    ) -> Answer | None:
        """A successful answer, read whole; None for a 404 with ``missing_ok``.

        Raises:
            RateLimited: 429, or a 403 or 503 with a ``Retry-After``, or a rate limit header that says 0 remain.
            TransientError: no connection, a timeout, or a 5xx.
            SourceError: 401, 403, 404, another 4xx, a redirect, or an answer above the cap.
        """
        import httpx2 as httpx

        try:
            with self._client.stream("GET", url, params=dict(params) if params else None) as answer:
                self._check(answer, missing_ok)
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MAX_ANSWER_BYTES:
                        raise SourceError(f"{self.service} gave an answer of more than {MAX_ANSWER_BYTES >> 20} MB.")
        except httpx.InvalidURL as error:
            raise SourceError(f"The address of {self.service} is not valid.") from error
        except httpx.HTTPError as error:
            # The class says what happened; the message may hold the address with its parameters.
            raise TransientError(f"{self.service} could not be reached: {type(error).__name__}.") from error
        if answer.status_code == 404:
            return None
        links = {relation: link["url"] for relation, link in answer.links.items() if relation and "url" in link}
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(data), links)

    def _check(self, answer: httpx.Response, missing_ok: bool) -> None:
        status = answer.status_code
        if status < 300 or (status == 404 and missing_ok):
            return
        wait = retry_after(answer.headers)
        if status == 429 or (wait is not None and status in {403, 503}):
            raise RateLimited.after(_DEFAULT_WAIT_S if wait is None else wait, self.service)
        if status >= 500 or status == 408:
            raise TransientError(f"{self.service} answered with status {status}.")
        if status == 401:
            raise SourceError(
                f"{self.service} does not accept the token: it is invalid, expired or revoked.",
                action="Put a valid token into the source's secret and sync again.",
                status=status,
            )
        if status == 403:
            raise SourceError(
                f"{self.service} refuses access with this token.",
                action="Give the token the permissions that docs/connectors.md lists.",
                status=status,
            )
        if status < 400:
            raise SourceError(
                f"{self.service} redirects to another address.", action="Set the address it redirects to in the source."
            )
        raise SourceError(f"{self.service} answered with status {status}.", status=status)

    def get_json(self, url: str, params: Mapping[str, str | int] | None = None) -> Any:
        """The JSON of a successful answer. Raises as :meth:`get`, and SourceError for what is no JSON."""
        return self.json_of(self.get(url, params))

    def json_of(self, answer: Answer | None) -> Any:
        """The JSON of an answer.

        Raises:
            SourceError: it is none: an address that is not the API's answers with a page.
        """
        try:
            return None if answer is None else json.loads(answer.content)
        except ValueError as error:
            raise SourceError(
                f"{self.service} answered with something else than JSON.", action="Check the source's address."
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait that an answer's headers ask for, at most an hour; None when they ask for none.

    Read are those of :func:`omnilake.provider_http.retry_after`, then ``RateLimit-Reset`` and
    ``X-RateLimit-Reset`` (an epoch time) when ``…-Remaining`` is 0.
    """
    wait = provider_http.retry_after(headers, datetime.now(UTC))
    if wait is not None:
        return min(max(wait, 1.0), _LONGEST_WAIT_S)
    for prefix in ("ratelimit", "x-ratelimit"):
        if headers.get(f"{prefix}-remaining", "").strip() == "0":
            try:
                seconds = float(headers.get(f"{prefix}-reset", "")) - time.time()
            except ValueError:
                continue
            return min(max(seconds, 1.0), _LONGEST_WAIT_S)
    return None
