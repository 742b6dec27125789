"""One request of a crawl: bounded in size and time, without cookies, and without following a redirect by itself."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpcore2

from omnilake.connectors.website.addresses import (
    AddressPolicy,
    AddressRefused,
    Deadline,
    GuardedBackend,
    NameNotResolved,
    Resolve,
    system_addresses,
)

_READ_BYTES = 64 * 1024
_CONNECT_S = 10.0


@dataclass(frozen=True)
class FetchLimits:
    """What one request may cost.

    Attributes:
        seconds: from connecting to the last byte.
        max_bytes: of the body, unpacked.
    """

    seconds: float = 20.0
    max_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True)
class Fetched:
    """An answer.

    Attributes:
        url: that was asked.
        status: of HTTP.
        headers: names in lower case; of a repeated name all values, joined by ", ".
        body: unpacked; empty where it was not asked for (see :meth:`Fetcher.get`).
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """``Content-Type`` without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class FetchFailed(Exception):
    """A request that brought nothing.

    Args:
        reason: in one sentence, for operators.
        lasting: whether another try would bring the same.
    """

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class Fetcher:
    """Makes the requests of a crawl; connections are kept and used again.

    Args:
        policy: which addresses connections may go to.
        user_agent: that requests carry.
        limits: of each request.
        resolve: names to addresses.
    """

    def __init__(
        self, policy: AddressPolicy, user_agent: str, limits: FetchLimits, resolve: Resolve = system_addresses
    ) -> None:
        self._limits = limits
        self._user_agent = user_agent
        self._deadline = Deadline()
        self._pool = httpcore2.ConnectionPool(
            max_connections=4,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(policy, self._deadline, resolve),
        )

    def get(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        wanted: Callable[[Fetched], bool] = lambda answer: answer.status == 200,
        max_bytes: int | None = None,
        truncate: bool = False,
    ) -> Fetched:
        """The answer to one GET.

        Args:
            url: in normal form (``urls.normalise``).
            headers: beside those that every request carries.
            wanted: looks at status and headers and says whether the body is worth reading.
            max_bytes: of the body, in place of the limits' own.
            truncate: a longer body is cut there; otherwise it fails.
        Raises:
            FetchFailed: no connection, a refused address, too slow, too large, or no HTTP.
        """
        self._deadline.at = time.monotonic() + self._limits.seconds
        sent = [
            ("Host", url.split("/", 3)[2]),
            ("User-Agent", self._user_agent),
            ("Accept", "text/html, application/xhtml+xml, text/plain;q=0.9, text/markdown;q=0.9, */*;q=0.1"),
            ("Accept-Encoding", "gzip"),
            *(headers or {}).items(),
        ]
        timeouts = {"connect": _CONNECT_S, "read": self._limits.seconds, "write": _CONNECT_S, "pool": _CONNECT_S}
        try:
            with self._pool.stream("GET", url, headers=sent, extensions={"timeout": timeouts}) as response:
                answer = Fetched(url, response.status, _told(response.headers))
                if not wanted(answer):
                    return answer
                body = _body(answer, response.iter_stream(), max_bytes or self._limits.max_bytes, truncate)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
            raise _failure(error, self._limits) from error
        return Fetched(url, answer.status, answer.headers, body)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _told(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    told: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        told[name] = f"{told[name]}, {value}" if name in told else value
    return told


def _body(answer: Fetched, parts: Iterator[bytes], most: int, truncate: bool) -> bytes:
    """The body, unpacked part by part so that a bomb is noticed before it goes off."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "", "gzip", "x-gzip"}:
        raise FetchFailed("The answer is packed in a way that was not asked for.", lasting=True)
    unpacker = zlib.decompressobj(31) if coding.endswith("gzip") else None
    body = bytearray()
    for part in parts:
        waiting = part
        while waiting:
            if unpacker is None:
                body += waiting
                waiting = b""
            else:
                try:
                    body += unpacker.decompress(waiting, _READ_BYTES)
                except zlib.error as error:
                    raise FetchFailed("The answer can't be unpacked.", lasting=True) from error
                waiting = unpacker.unconsumed_tail
            if len(body) > most:
                if truncate:
                    return bytes(body[:most])
                raise FetchFailed(f"The answer is larger than {most >> 10} KiB.", lasting=True)
        if unpacker is not None and unpacker.eof:
            break
    if unpacker is not None and body:
        body += unpacker.flush()
    if unpacker is not None and body and not unpacker.eof:
        raise FetchFailed("The answer breaks off.", lasting=False)
    return bytes(body)


def _failure(error: Exception, limits: FetchLimits) -> FetchFailed:
    if isinstance(error, AddressRefused):
        return FetchFailed(
            "The host has an address that is not public; AllowedPrivateHosts can allow it.", lasting=True
        )
    if isinstance(error, NameNotResolved):
        return FetchFailed("The host's name has no address.", lasting=False)
    if isinstance(error, httpcore2.TimeoutException):
        return FetchFailed(f"The answer took longer than {limits.seconds:g} s.", lasting=False)
    if isinstance(error, httpcore2.ConnectError):
        if isinstance(error.__cause__ or error.__context__, ssl.SSLError):
            return FetchFailed("The host's certificate is not valid.", lasting=True)
        return FetchFailed("The host does not accept connections.", lasting=False)
    if isinstance(error, httpcore2.LocalProtocolError):
        return FetchFailed("The address can't be asked over HTTP.", lasting=True)
    return FetchFailed("The connection broke, or what came over it is no HTTP.", lasting=False)
