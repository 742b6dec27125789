"""Connections go to public addresses only, and to the very address that was looked at."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import httpcore2
import pytest
from any_site import Site, any_site

from omnilake.connectors.website.addresses import (
    AddressPolicy,
    AddressRefused,
    Deadline,
    GuardedBackend,
    NameNotResolved,
    is_public,
)
from omnilake.connectors.website.fetching import Fetcher, FetchFailed, FetchLimits

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.170.2", "100.64.0.1", "100.100.100.200", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1",  # noqa: S104
    "198.18.0.1", "240.0.0.1", "168.63.129.16", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b:1::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_none(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_an_address_of_the_public_internet_is_one(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_a_host_of_ones_own_is_allowed_by_name_or_with_its_port() -> None:
    policy = AddressPolicy.of(" wiki.internal, 127.0.0.1:8080 ,")
    private, loopback = ipaddress.ip_address("10.1.2.3"), ipaddress.ip_address("127.0.0.1")
    assert policy.allows("wiki.internal", 443, private)
    assert policy.allows("WIKI.internal.", 80, private)
    assert policy.allows("127.0.0.1", 8080, loopback)
    assert not policy.allows("127.0.0.1", 8081, loopback)
    assert not policy.allows("evil.example", 443, private)
    assert not AddressPolicy.of("").allows("wiki.internal", 443, private)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]
)
def test_metadata_addresses_are_refused_even_for_an_allowed_host(address: str) -> None:
    assert not AddressPolicy.of("wiki.internal").allows("wiki.internal", 80, ipaddress.ip_address(address))


@pytest.fixture
def second_address() -> Iterator[Site]:
    with any_site("127.0.0.2") as site:
        site.pages["/"] = "<p>hello</p>"
        yield site


class Names:
    """A resolver that tells another answer each time, as one under an attacker's control can."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


def fetcher(policy: AddressPolicy, names: Names, seconds: float = 5) -> Fetcher:
    return Fetcher(policy, "Test/1.0", FetchLimits(seconds=seconds), names)


def test_the_connection_goes_to_the_address_that_was_looked_at(second_address: Site) -> None:
    names = Names(["127.0.0.2"])
    client = fetcher(AddressPolicy.of("wiki.test"), names)
    answer = client.get(f"http://wiki.test:{second_address.port}/")
    assert answer.body == b"<p>hello</p>"
    assert names.asked == [("wiki.test", second_address.port)]  # asked once: there is no second answer to fall for
    assert second_address.asked[0][1]["host"] == f"wiki.test:{second_address.port}"
    client.close()


def test_a_name_that_turns_to_a_private_address_is_refused_at_the_next_connection(second_address: Site) -> None:
    second_address.pages["/"] = "x"
    names = Names(["127.0.0.2"], ["169.254.169.254"])
    client = fetcher(AddressPolicy.of("wiki.test"), names)
    client.get(f"http://wiki.test:{second_address.port}/")
    client.close()
    client = fetcher(AddressPolicy.of("wiki.test"), names)
    with pytest.raises(FetchFailed, match="not public") as caught:
        client.get(f"http://wiki.test:{second_address.port}/")
    assert caught.value.lasting
    client.close()


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    backend = GuardedBackend(AddressPolicy(), Deadline(), lambda host, port: ["93.184.216.34", "10.0.0.7"])
    with pytest.raises(AddressRefused):
        backend.connect_tcp("rebind.example", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "2130706433", "0x7f.1", "127.1"])  # noqa: S104
def test_no_spelling_of_this_machine_gets_through(host: str, second_address: Site) -> None:
    client = Fetcher(AddressPolicy(), "Test/1.0", FetchLimits(seconds=5))
    with pytest.raises(FetchFailed):
        client.get(f"http://{host}:{second_address.port}/")
    assert second_address.asked == []
    client.close()


def test_the_next_address_is_tried_when_one_does_not_answer(second_address: Site) -> None:
    client = fetcher(AddressPolicy.of("wiki.test"), Names(["127.0.0.3", "127.0.0.2"]))
    assert client.get(f"http://wiki.test:{second_address.port}/").status == 200
    client.close()


@pytest.mark.parametrize("answer", [[], ["no address"], OSError("no such name")])
def test_a_name_without_an_address_is_told(answer: list[str] | OSError) -> None:
    def resolve(host: str, port: int) -> list[str]:
        if isinstance(answer, OSError):
            raise answer
        return answer

    with pytest.raises(NameNotResolved):
        GuardedBackend(AddressPolicy(), Deadline(), resolve).connect_tcp("nowhere.example", 443)


def test_nothing_is_connected_after_the_deadline() -> None:
    backend = GuardedBackend(AddressPolicy.of("a.test"), Deadline(at=0.0), lambda host, port: ["127.0.0.1"])
    with pytest.raises(httpcore2.ReadTimeout):
        backend.connect_tcp("a.test", 80)
