"""The way out: only public addresses are reached, unless private ones were allowed."""

from __future__ import annotations

import socket

import pytest

from whodid import egress
from whodid.egress import connect, is_public
from whodid.errors import InvalidSetting

CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "168.63.129.16", "::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
    "2001:db8::1", "3fff::1", "2001::1", "2001:20::1", "100::1", "5f00::1", "fec0::1",
    # IPv4 inside IPv6: mapped, compatible, NAT64, its local form, 6to4, and all of them to a private address
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1",
    "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1",
    "localhost", "", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.1:80",
]  # fmt: skip
OPEN = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700:4700::1111", "2a00:1450::1"]
OPEN += ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_public(address: str) -> None:
    """Private, local, reserved, multicast and documentation addresses, in whatever clothes."""
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_what_is_public(address: str) -> None:
    """Addresses of the internet, those that carry a public IPv4 address too."""
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_the_setting_opens_this_machine_only(address: str) -> None:
    """With it the loopback addresses are reached, and no other private address."""
    own = address in {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1"}
    assert is_public(address, loopback=True) is own


def test_one_private_address_among_public_ones_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses is refused whole, before anything is connected to."""
    tried: list[object] = []
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["1.1.1.1", "10.0.0.1"])
    monkeypatch.setattr(socket, "create_connection", lambda *arguments: tried.append(arguments))

    with pytest.raises(InvalidSetting, match=r"hooks\.example leads to 10\.0\.0\.1, which is not on the public"):
        connect("hooks.example", 443, private=False, seconds=1)

    assert tried == []


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once; the next address is tried when one does not answer."""
    tried: list[tuple[str, int]] = []
    ours, theirs = socket.socketpair()

    def create(where: tuple[str, int], seconds: float) -> socket.socket:
        tried.append(where)
        if where[0] == "1.1.1.1":
            raise ConnectionRefusedError
        return ours

    monkeypatch.setattr(egress, "resolve", lambda host, port: ["1.1.1.1", "8.8.8.8"])
    monkeypatch.setattr(socket, "create_connection", create)
    with ours, theirs:
        assert connect("hooks.example", 443, private=False, seconds=1) is ours
    assert tried == [("1.1.1.1", 443), ("8.8.8.8", 443)]


def test_private_addresses_may_be_allowed() -> None:
    """This machine itself is reached when that is meant, and not otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InvalidSetting, match="Allow private addresses"):
            connect("localhost", port, private=False, seconds=1)
        connect("127.0.0.1", port, private=True, seconds=1).close()


def test_names_that_are_none() -> None:
    """A host that cannot be a name is said to be none."""
    with pytest.raises(InvalidSetting, match="no name of a host"):
        connect("a" * 64 + ".example", 443, private=False, seconds=1)
