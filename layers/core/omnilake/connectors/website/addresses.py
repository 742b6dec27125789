"""Where a fetch may connect to: public addresses only, decided on the very address that is then connected to.

Server-side request forgery is closed here and nowhere else: every connection of a crawl, each hop of a redirect
included, is made by :class:`GuardedBackend`. It resolves the host's name itself, looks at all addresses, and connects
to one of those it looked at, so that a name that resolves to another address a moment later (DNS rebinding) gains
nothing. The name stays what TLS and the Host header see.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpcore2

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv4Network("169.254.0.0/16"),  # link-local: instance and task metadata
    ipaddress.IPv6Network("fe80::/10"),
    ipaddress.IPv6Network("fd00:ec2::/32"),  # EC2's metadata, DNS and time over IPv6
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's platform address, public by its number
    ipaddress.IPv4Network("0.0.0.0/8"),
    ipaddress.IPv6Network("::/128"),
)
"""Not even for a host that is allowed by name."""


class AddressRefused(httpcore2.ConnectError):
    """The host resolves to an address that a fetch may not go to."""


class NameNotResolved(httpcore2.ConnectError):
    """The host's name has no address."""


def is_public(address: Address) -> bool:
    """Whether an address is a unicast address of the public internet, and so is the IPv4 address that it wraps.

    Refused are private, loopback, link-local, shared (100.64.0.0/10), reserved, documentation and multicast addresses
    (IANA's special-purpose registries, as ``ipaddress`` has them), and clouds' metadata addresses.
    """
    wrapped = _wrapped(address)
    if wrapped is not None and address in _NAT64:
        return is_public(wrapped)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not _within(address, _NEVER)
        and (wrapped is None or is_public(wrapped))
    )


def _wrapped(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _within(address: Address, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


@dataclass(frozen=True)
class AddressPolicy:
    """Which hosts a deployment's crawls may connect to.

    Args:
        private_hosts: names (or literal addresses) of hosts of one's own that may have private addresses, each with a
            port when only that one is meant: ``wiki.internal``, ``127.0.0.1:8080``. Link-local and metadata addresses
            stay refused for these as well.
    """

    private_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, setting: str) -> AddressPolicy:
        """Policy of the deployment's comma-separated list."""
        return cls(frozenset(host.strip().lower() for host in setting.split(",") if host.strip()))

    def allows(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to the host may go to this address of it."""
        if is_public(address):
            return True
        wrapped = _wrapped(address)
        if _within(address, _NEVER) or (wrapped is not None and _within(wrapped, _NEVER)) or address.is_multicast:
            return False
        name = host.lower().rstrip(".")
        return name in self.private_hosts or f"{name}:{port}" in self.private_hosts


def system_addresses(host: str, port: int) -> list[str]:
    """Addresses of a host as the system's resolver tells them, without repeats.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass
class Deadline:
    """When the fetch under way must have ended (``time.monotonic`` seconds)."""

    at: float = field(default_factory=lambda: time.monotonic() + 60)

    def cap(self, timeout: float | None) -> float:
        """A timeout that does not pass the deadline.

        Raises:
            httpcore2.ReadTimeout: it has passed.
        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("The fetch took too long.")
        return left if timeout is None else min(timeout, left)


class GuardedBackend(httpcore2.NetworkBackend):
    """Connections of a crawl: to addresses that the policy allows, and none longer than the deadline.

    A server that sends a byte now and then would get round a timeout on each read; so each read also gets no more than
    what is left of the whole fetch.
    """

    def __init__(self, policy: AddressPolicy, deadline: Deadline, resolve: Resolve = system_addresses) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolve = resolve
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers.

        Raises:
            AddressRefused: one of the host's addresses is not allowed (one is enough: a public site has no reason to
                name a private address).
            NameNotResolved: it has no address.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: no address answers.
        """
        addresses = self._allowed(host, port)
        failure: httpcore2.NetworkError | httpcore2.TimeoutException | None = None
        for address in addresses:
            try:
                stream = self._network.connect_tcp(
                    str(address), port, self._deadline.cap(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, self._deadline)
        raise failure or NameNotResolved("The host has no address.")

    def _allowed(self, host: str, port: int) -> list[Address]:
        try:
            # A zone ("fe80::1%eth0") only goes with addresses that are refused anyway.
            found = [ipaddress.ip_address(each.partition("%")[0]) for each in self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError) as error:
            raise NameNotResolved("The host's name has no address.") from error
        for address in found:
            if not self._policy.allows(host, port, address):
                raise AddressRefused("The host has an address that is not public.")
        return found


class _TimedStream(httpcore2.NetworkStream):
    """A connection whose reads and writes end with the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.cap(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.cap(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        tls = self._stream.start_tls(ssl_context, server_hostname, self._deadline.cap(timeout))
        return _TimedStream(tls, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
