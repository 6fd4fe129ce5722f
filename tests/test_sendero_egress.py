"""The way out: only public addresses are reached, whatever a name, a redirect or a slow receiver tries."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sendero import egress
from sendero.egress import Answer, post, url_fault
from tests.receiving import certified, receiving, silent


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://hooks.lumen.es/v1?x=1", None),
        ("https://1.1.1.1:8443/in", None),
        ("http://hooks.lumen.es/", "has to begin with https"),
        ("ftp://hooks.lumen.es/", "has to begin with https"),
        ("javascript:alert(1)", "not an address"),
        ("https://", "not an address"),
        ("hooks.lumen.es", "not an address"),
        ("https://0177.0.0.1/", "not an address"),
        ("https://a b.es/", "not an address"),
        ("https://hooks.lumen.es/" + "x" * 500, "not an address"),
        ("https://me:secret@hooks.lumen.es/", "Leave name, password"),
        ("https://hooks.lumen.es/#x", "Leave name, password"),
        ("https://localhost/", "not on the public internet"),
        ("https://127.0.0.1/", "not on the public internet"),
        ("https://[::1]/", "not on the public internet"),
        ("https://[::ffff:10.0.0.1]/", "not on the public internet"),
        ("https://169.254.169.254/latest/meta-data/", "not on the public internet"),
    ],
)
def test_what_can_be_typed_in(url: str, told: str | None) -> None:
    """An https address without a password and without a private address in it."""
    fault = url_fault(url)
    assert fault == told if told is None else fault is not None and told in fault


@pytest.mark.parametrize("url", ["http://localhost:9/in", "http://127.0.0.1:9/in", "https://[::1]/in"])
def test_the_setting_lets_this_machine_be_typed_in(url: str) -> None:
    """Without TLS too, and nothing else without TLS."""
    assert url_fault(url, loopback=True) is None
    assert url_fault("http://hooks.lumen.es/", loopback=True) is not None
    assert url_fault("http://10.0.0.1/", loopback=True) is not None


class TestPosting:
    """Real connections."""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1"])
    def test_this_machine_is_not_reached(self, host: str) -> None:
        """However its address is written; nothing arrives."""
        with receiving() as receiver:
            answer = post(f"http://{host}:{receiver.port}/", b"{}", {})
        assert answer == Answer(fault="refused_address")
        assert receiver.got == []

    def test_a_name_that_leads_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A public name with one private address among its addresses is refused before anything is connected to."""
        monkeypatch.setattr(egress, "resolve", lambda host, port: ["1.1.1.1", "10.0.0.1"])
        assert post("https://rebind.example/", b"{}", {}) == Answer(fault="refused_address")

    def test_a_name_that_changes_its_mind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is looked up once; the connection goes to the address that was checked."""
        asked = []

        def resolved(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

        monkeypatch.setattr(egress, "resolve", resolved)
        with receiving() as receiver:
            answer = post(f"http://changing.example:{receiver.port}/in", b"{}", {}, loopback=True)
        assert (answer.status, asked) == (200, ["changing.example"])
        assert receiver.got[0].headers["host"] == f"changing.example:{receiver.port}"

    def test_the_next_address_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """When nobody answers at the first."""
        monkeypatch.setattr(egress, "resolve", lambda host, port: ["::1", "127.0.0.1"])
        with receiving() as receiver:
            assert post(f"http://two.example:{receiver.port}/", b"{}", {}, loopback=True).status == 200

    def test_tls_asks_for_the_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate for the name is accepted although the connection was made to an address."""
        tls, trusted = certified(tmp_path, "hooks.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
        with receiving(tls) as receiver:
            assert post(f"https://hooks.example:{receiver.port}/", b"{}", {}, loopback=True).status == 200
            assert post(f"https://other.example:{receiver.port}/", b"{}", {}, loopback=True).fault == "tls"

    def test_a_certificate_of_nobody(self, tmp_path: Path) -> None:
        """It is not trusted, and nothing of the body is sent."""
        tls, _ = certified(tmp_path)
        with receiving(tls) as receiver:
            assert post(receiver.url, b"{}", {}, loopback=True) == Answer(fault="tls")
        assert receiver.got == []

    @pytest.mark.parametrize("location", ["http://127.0.0.1:9/", "https://169.254.169.254/", "/elsewhere"])
    def test_redirects_are_not_followed(self, location: str) -> None:
        """Wherever they lead: the answer is what counts."""
        with receiving() as receiver:
            receiver.statuses, receiver.location = [307], location
            assert post(receiver.url, b"{}", {}, loopback=True) == Answer(status=307)
        assert len(receiver.got) == 1

    def test_proxies_of_the_environment_are_not_heeded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy would connect to whatever it likes."""
        with receiving() as receiver:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{receiver.port}")
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{receiver.port}")
            assert post("http://10.1.2.3/", b"{}", {}) == Answer(fault="refused_address")
        assert receiver.got == []

    def test_a_receiver_that_hangs(self) -> None:
        """It has its seconds and not more."""
        with silent() as port:
            began = time.monotonic()
            answer = post(f"http://127.0.0.1:{port}/", b"{}", {}, loopback=True, seconds=0.5)
        assert answer == Answer(fault="timeout")
        assert time.monotonic() - began < 3

    def test_a_receiver_that_never_ends(self) -> None:
        """Whoever sends a byte now and then is cut off all the same."""
        with receiving() as receiver:
            receiver.drip.set()
            began = time.monotonic()
            answer = post(receiver.url, b"{}", {}, loopback=True, seconds=1)
            took = time.monotonic() - began
        assert answer.fault in {"timeout", "protocol"}
        assert took < 4

    def test_a_receiver_that_floods(self) -> None:
        """Its answer is not read to the end."""
        with receiving() as receiver:
            receiver.flood = 2**30
            began = time.monotonic()
            assert post(receiver.url, b"{}", {}, loopback=True).status == 200
        assert time.monotonic() - began < 5

    def test_nobody_there(self) -> None:
        """No connection, no such host, no HTTP: each has its name."""
        with silent() as port:
            pass
        assert post(f"http://127.0.0.1:{port}/", b"{}", {}, loopback=True) == Answer(fault="connection")
        assert post("https://no-such-host.invalid/", b"{}", {}) == Answer(fault="unknown_host")
