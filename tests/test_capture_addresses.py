"""Where a request comes from: proxies of ours are believed, everybody else only claims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.capture.middleware import Client, Proxies, parse_address
from whodid.capture.middleware.addresses import Header
from whodid.errors import InvalidSetting


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:_port", "2001:db8::1"),
        ("2001:0DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:198.51.100.4", "198.51.100.4"),
        ("[::ffff:198.51.100.4]:80", "198.51.100.4"),
        (None, None),
        ("", None),
        ("unknown", None),
        ("_hidden", None),
        ("testclient", None),
        ("/run/app.sock", None),
        ("010.0.0.1", None),
        ("203.0.113.256", None),
        ("203.0.113.7:http", None),
        ("203.0.113.7:123456", None),
        ("[2001:db8::1", None),
        ("[2001:db8::1]x", None),
        ("[2001:db8::1]:", None),
        ("2001:db8::1::2", None),
        ("1" * 5000, None),
        ("<script>", None),
        ("203.0.113.7\x00", None),
    ],
)
def test_one_address(text: str | None, address: str | None) -> None:
    """An address has one short form, and what is none is None."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("trusted", "peer", "lines", "client"),
    [
        # nobody is trusted: the peer it is, and the header is a claim
        (0, "203.0.113.7", [], ("203.0.113.7", None)),
        (0, "203.0.113.7", ["10.1.1.1"], ("203.0.113.7", "10.1.1.1")),
        (0, "203.0.113.7", ["203.0.113.7"], ("203.0.113.7", None)),
        (0, None, ["10.1.1.1"], (None, "10.1.1.1")),
        # a number of proxies
        (1, "10.0.0.1", ["203.0.113.7"], ("203.0.113.7", None)),
        (1, "10.0.0.1", ["198.51.100.1, 203.0.113.7"], ("203.0.113.7", "198.51.100.1")),
        (1, "10.0.0.1", ["198.51.100.1", "203.0.113.7"], ("203.0.113.7", "198.51.100.1")),
        (2, "10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.0.0.2"], ("203.0.113.7", "198.51.100.1")),
        (2, "10.0.0.1", ["203.0.113.7"], ("10.0.0.1", "203.0.113.7")),
        (1, None, ["203.0.113.7"], ("203.0.113.7", None)),
        (1, "10.0.0.1", ["203.0.113.7, garbage"], (None, "203.0.113.7")),
        (1, "10.0.0.1", ["203.0.113.7,"], (None, "203.0.113.7")),
        (1, "10.0.0.1", [], ("10.0.0.1", None)),
        # networks
        (["10.0.0.0/8"], "10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.0.0.2"], ("203.0.113.7", "198.51.100.1")),
        (["10.0.0.0/8"], "203.0.113.9", ["198.51.100.1, 10.0.0.2"], ("203.0.113.9", "198.51.100.1")),
        (["10.0.0.0/8"], "10.0.0.1", ["10.9.9.9, 10.0.0.2"], ("10.9.9.9", None)),
        (["10.0.0.0/8"], "10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], (None, "198.51.100.1")),
        (["10.0.0.0/8"], "10.0.0.1", [], ("10.0.0.1", None)),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", ["203.0.113.7"], ("203.0.113.7", None)),
        (["2001:db8::/32"], "2001:db8::5", ["[2001:db9::1]:80"], ("2001:db9::1", None)),
        (["10.0.0.1"], "", ["203.0.113.7"], ("203.0.113.7", None)),
    ],
)
def test_behind_proxies(trusted: int | list[str], peer: str | None, lines: list[str], client: tuple[str, str]) -> None:
    """The address that a proxy of ours saw, and what the header claims beyond it."""
    assert Proxies(trusted).client(peer, lines) == Client(*client)


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["for=203.0.113.7;proto=https;by=10.0.0.1"], ("203.0.113.7", None)),
        (['for=198.51.100.1, For="[2001:db8::1]:4711"'], ("2001:db8::1", "198.51.100.1")),
        (["for=198.51.100.1", 'for="203.0.113.7:80"'], ("203.0.113.7", "198.51.100.1")),
        (['host="a,b;for=1.2.3.4";for=203.0.113.7'], ("203.0.113.7", None)),
        (["for=unknown"], (None, None)),
        (["proto=https"], (None, None)),
        (['for="unclosed'], (None, None)),
        ([";;;,,,"], (None, None)),
    ],
)
def test_the_standard_header(lines: list[str], client: tuple[str, str]) -> None:
    """RFC 7239, with quotes, brackets and ports."""
    assert Proxies(1, header="forwarded").client("10.0.0.1", lines) == Client(*client)


@pytest.mark.parametrize(
    ("trusted", "message"), [(-1, "-1 trusted"), (["10.0.0.0/99"], "no network"), (["x"], "no ne")]
)
def test_a_setting_that_cannot_be_meant(trusted: int | list[str], message: str) -> None:
    """It is refused when the application starts, not with a request."""
    with pytest.raises(InvalidSetting, match=message):
        Proxies(trusted)


words = st.text(max_size=30) | st.sampled_from(["203.0.113.7", "10.0.0.1", 'for="[', "for=", ",", ";", '"', "[::1]:80"])


@given(words | st.none(), st.lists(words, max_size=4), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_nothing_is_an_error(peer: str | None, lines: list[str], header: Header) -> None:
    """Whatever is sent, there is an address or none."""
    for proxies in (Proxies(0, header=header), Proxies(2, header=header), Proxies(["10.0.0.0/8"], header=header)):
        client = proxies.client(peer, lines)
        assert parse_address(client.ip) == client.ip
        assert parse_address(client.forwarded_ip) == client.forwarded_ip


def test_an_immense_header_is_read_quickly() -> None:
    """A hundred thousand entries cost no more than their splitting."""
    assert Proxies(1).client("10.0.0.1", ["1.1.1.1," * 100_000 + "203.0.113.7"]).ip == "203.0.113.7"
