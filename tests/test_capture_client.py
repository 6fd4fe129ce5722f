"""The remote client: what the server refuses is set aside, keys, settings, and what an application sees of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests.remoting import ROOT, WORKSPACE, Server, environment, event, ids, serving, shipped
from tests.test_architecture import GUARD
from whodid import Actor, Resource
from whodid.capture import Capture, context
from whodid.errors import InvalidEvent, InvalidSetting, SpoolFull, WhodidError
from whodid.server.keys import KeyRing

OPERATOR = Actor(type="system", id="tests", name="Tests")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a server."""
    with serving(tmp_path) as running:
        yield running


def refused(spool: Path) -> list[dict[str, Any]]:
    """Return what was set aside."""
    path = spool / "refused.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_application_records_as_it_does_with_a_log(server: Server, tmp_path: Path) -> None:
    """Capture builds the events; the secret in them leaves only its fingerprint, in the spool and on the wire."""
    with whodid.connect(server.url, server.key, spool=tmp_path / "spool", workspace=WORKSPACE) as client:
        capture = Capture.to(client)
        with context(actor=OPERATOR, workspace=WORKSPACE, ip="203.0.113.7"):
            said = capture.record("auth.logout", ("user", "usr_1"))
            made = capture.event(
                "contact.updated",
                Resource(type="contact", id="con_1", name="Juan"),
                before={"city": "Getafe", "api_token": "hunter2hunter2"},
                after={"city": "Madrid", "api_token": "hunter3hunter3"},
            )
        client.check(WORKSPACE, made)
        client.take(WORKSPACE, [made])
        spooled = b"".join(path.read_bytes() for path in client.folder.iterdir())
        assert asyncio.run(client.aflush(20))
    assert server.log.get(WORKSPACE, said).actor == OPERATOR
    entry = server.log.get(WORKSPACE, made.id)
    assert {change.path for change in entry.changes} == {"city", "api_token"}
    assert b"Getafe" in spooled
    assert b"hunter" not in spooled
    assert entry.changes[1].before_fp == client.fingerprint(WORKSPACE, b'"hunter2hunter2"')


def test_refused_events_are_set_aside_with_the_reason_and_the_rest_flows(server: Server, tmp_path: Path) -> None:
    """Among good events: one from the future, one with other content under a known id. Both are told apart."""
    spool = tmp_path / "spool"
    future = msgspec.structs.replace(event(900), occurred_at=datetime.now(UTC) + timedelta(days=2))
    with whodid.connect(server.url, server.key, spool=spool) as client:
        client.take(WORKSPACE, [event(1), future, event(2)])
        client.take(WORKSPACE, [event(1, batch="another"), event(3)])
        assert client.flush(20)
        status = client.status()
        assert (status.delivered, status.quarantined, status.waiting) == (3, 2, 0)
    first, second = refused(spool)
    assert (first["pointer"], first["workspace"]) == ("/occurred_at", WORKSPACE)
    assert "ahead" in first["fault"]
    assert first["event"]["id"] == future.id
    assert second["event"]["batch"] == "another"
    assert "already belongs to entry" in second["fault"]
    assert sorted(ids(server.log)) == sorted(event(number).id for number in (1, 2, 3))


def test_what_was_refused_is_sent_once_more_on_request(server: Server, tmp_path: Path) -> None:
    """Once the cause is gone they are taken; what is refused again, or cannot be read, is not lost or sent."""
    spool, key = tmp_path / "spool", tmp_path / "key"
    with whodid.connect(server.url, server.key, spool=spool) as client:
        client.take("away", [event(1), event(2)])
        client.take(WORKSPACE, [event(3), event(3, batch="other")])
        assert client.flush(20)
    assert len(refused(spool)) == 3
    with (spool / "refused.ndjson").open("a") as file:
        file.write("{torn\n")
    away = KeyRing(server.log, "away", actor=OPERATOR).create("away")
    key.write_text(away.text)
    command = [sys.executable, "-m", "whodid", "ship", str(spool), "--url", server.url, "--key-file", str(key)]
    server.mode = "503"
    left = subprocess.run(
        [*command, "--refused", "--json"], capture_output=True, text=True, check=False, env=environment(), timeout=60
    )
    assert not json.loads(left.stdout)["finished"]
    server.mode = "fine"
    done = subprocess.run(
        [*command, "--refused", "--json"], capture_output=True, text=True, check=False, env=environment(), timeout=60
    )
    said = json.loads(done.stdout)
    assert (said["delivered"], said["quarantined"], said["damaged"]) == (2, 1, len("{torn"))
    assert {entry.id for entry in server.log.read("away")} >= {event(1).id, event(2).id}
    (one,) = refused(spool)
    assert one["event"]["id"] == event(3).id
    assert sorted(path.name for path in spool.iterdir()) == ["fingerprint.key", "refused.ndjson"]


def test_an_event_that_the_log_would_never_take_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    """Too large, or without a JSON form: nothing of the call is kept. `check` says the rest beforehand."""
    with whodid.connect(server.url, server.key, spool=tmp_path / "spool", strict=True) as client:
        with pytest.raises(InvalidEvent, match="256 KiB"):
            client.take(WORKSPACE, [event(1), event(2, details={"text": "x" * 300_000})])
        assert client.status().accepted == 0
        with pytest.raises(InvalidEvent, match="does not declare"):
            client.check(WORKSPACE, event(1))


def test_another_workspace_is_refused_clearly(server: Server, tmp_path: Path) -> None:
    """By the client where it knows its workspace, else by the server; events of the right one go on."""
    with (
        whodid.connect(server.url, server.key, spool=tmp_path / "a", workspace=WORKSPACE) as client,
        pytest.raises(InvalidSetting, match="not for 'other'"),
    ):
        client.take("other", [event(1)])
    with whodid.connect(server.url, server.key, spool=tmp_path / "b") as client:
        client.take("other", [event(2)])
        client.take(WORKSPACE, [event(3)])
        assert client.flush(20)
    (one,) = refused(tmp_path / "b")
    assert "another workspace" in one["fault"]
    assert ids(server.log) == [event(3).id]


def test_a_wrong_key_keeps_events_until_the_right_one(server: Server, tmp_path: Path) -> None:
    """Unknown, revoked, without the scope, of another workspace: nothing is refused or lost, and the fault is told."""
    ring = KeyRing(server.log, WORKSPACE, actor=OPERATOR)
    revoked, reader = ring.create("revoked"), ring.create("reader", scopes=("read",))
    ring.revoke(revoked.key.id)
    away = KeyRing(server.log, "away", actor=OPERATOR).create("away")
    key = {"now": "wk_nobody"}
    for number, (text, part) in enumerate(
        (
            ("wk_nobody", "401"),
            (revoked.text, "401"),
            (reader.text, "may not write"),
            (away.text, "another workspace"),
        )
    ):
        key["now"] = text
        with whodid.connect(
            server.url, lambda: key["now"], spool=tmp_path / "spool", workspace=WORKSPACE, exit_flush_s=0.5
        ) as client:
            client.take(WORKSPACE, [event(number)])
            assert not client.flush(0.7)
            assert part in client.status().fault
    key["now"] = server.key
    done = shipped(server, tmp_path / "spool", tmp_path)
    assert json.loads(done.stdout)["delivered"] == 4
    assert sorted(ids(server.log)) == sorted(event(number).id for number in range(4))
    assert refused(tmp_path / "spool") == []


def test_a_rotated_key_is_taken_up_while_running(server: Server, tmp_path: Path) -> None:
    """With a function for a key, the next request shows the new one."""
    key = {"now": server.key}
    with whodid.connect(server.url, lambda: key["now"], spool=tmp_path / "spool") as client:
        client.take(WORKSPACE, [event(1)])
        assert client.flush(20)
        ring = KeyRing(server.log, WORKSPACE, actor=OPERATOR)
        key["now"] = ring.rotate(server.key.split("_")[1], overlap=timedelta()).text
        client.take(WORKSPACE, [event(2)])
        assert client.flush(20)
    assert len(ids(server.log)) == 2


def test_damage_on_the_disk_is_reported_and_skipped(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Overwritten bytes in the middle of a spool cost the frames they hit; the others arrive, and the loss is told."""
    spool = tmp_path / "spool"
    server.stop()
    with whodid.connect(server.url, server.key, spool=spool, exit_flush_s=0.1) as client:
        for number in range(20):
            client.take(WORKSPACE, [event(number)])
    (path,) = spool.glob("*.spool")
    data = bytearray(path.read_bytes())
    data[500:520] = bytes(20)
    path.write_bytes(bytes(data))
    server.start()
    with caplog.at_level(logging.WARNING):
        done = json.loads(shipped(server, spool, tmp_path).stdout)
    assert 1 <= 20 - done["delivered"] <= 2
    assert done["damaged"] >= 200
    assert done["finished"]
    assert len(ids(server.log)) == done["delivered"]


def test_what_was_delivered_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    """The place in the spool outlives the process: the next one sends what came after it, and no more."""
    spool = tmp_path / "spool"
    program = (
        "import os, sys, whodid; from tests.capturing import event\n"
        "client = whodid.connect(*sys.argv[1:3], spool=sys.argv[3])\n"
        "for number in range(2000): client.take('wsp', [event(number)])\n"
        "assert client.flush(60)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run(
        [sys.executable, "-c", program, server.url, server.key, str(spool)],
        check=False,
        env=environment(),
        timeout=100,
    )
    assert len(ids(server.log)) == 2000
    done = json.loads(shipped(server, spool, tmp_path).stdout)
    assert (done["delivered"], done["finished"]) == (0, True)


def test_a_spool_full_of_dead_events_empties_itself(server: Server, tmp_path: Path) -> None:
    """What dead processes left may fill the limit: recording raises, and goes on once that is delivered."""
    spool = tmp_path / "spool"
    server.stop()
    with whodid.connect(server.url, server.key, spool=spool, max_bytes=2**21, exit_flush_s=0) as client:
        for number in range(4000):
            client.take(WORKSPACE, [event(number)])
    server.start()
    with whodid.connect(server.url, server.key, spool=spool, max_bytes=2**20) as client:
        with pytest.raises(SpoolFull):
            client.take(WORKSPACE, [event(5000)])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                client.take(WORKSPACE, [event(5000)])
            except SpoolFull:
                time.sleep(0.05)
            else:
                break
        assert client.flush(20)
    assert len(ids(server.log)) == len(set(ids(server.log))) == 4001


# ------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("url", "key", "more", "fact"),
    [
        ("audit.example.com", "wk_1", {}, "not the address"),
        ("https://u:p@audit.example.com", "wk_1", {}, "not the address"),
        ("https://audit.example.com?key=wk_1", "wk_1", {}, "not the address"),
        ("https://audit.example.com:port", "wk_1", {}, "not the address"),
        ("https://u:hush@audit.example.com", "wk_1", {}, r"https://u:\*\*\*@audit"),
        ("https://audit.example.com", None, {}, "There is no API key"),
        ("https://audit.example.com", "", {}, "not an API key"),
        ("https://audit.example.com", "two words", {}, "not an API key"),
        ("https://audit.example.com", "wk_1\nX: y", {}, "not an API key"),
        ("https://audit.example.com", "wk_1", {"fingerprint_key": b"short"}, "5 bytes"),
        ("https://audit.example.com", "wk_1", {"max_bytes": 10}, "too small"),
    ],
)
def test_wrong_settings_are_told_at_once(url: str, key: str, more: dict[str, Any], fact: str, tmp_path: Path) -> None:
    """Before anything is recorded, with a remedy."""
    with pytest.raises(InvalidSetting, match=fact) as told:
        whodid.connect(url, key, spool=tmp_path / "spool", **more)
    assert told.value.remedy
    assert "wk_1" not in str(told.value)


def test_the_usual_folder_belongs_to_one_destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder, each server and key has its own below the user's state; nothing is sent with another's key."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folders = set()
    for url, key in (("http://a:1", "wk_AAA_x"), ("http://a:1", "wk_BBB_x"), ("http://b:1", "wk_AAA_x")):
        with whodid.connect(url, key) as client:
            folders.add(client.folder)
            assert "x" not in client.folder.name.split("-")[-1]
    assert len(folders) == 3
    assert all(folder.is_relative_to(tmp_path / "whodid" / "spool") for folder in folders)


def test_fingerprints_are_keyed(tmp_path: Path) -> None:
    """The same key and workspace give the same fingerprint, wherever; anything else another."""
    with (
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "a") as one,
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "a") as same,
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "b") as other,
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "b", fingerprint_key=bytes(32)) as given,
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "c", fingerprint_key=bytes(32)) as again,
    ):
        assert one.fingerprint("w", b"v") == same.fingerprint("w", b"v")
        assert given.fingerprint("w", b"v") == again.fingerprint("w", b"v")
        texts = {one.fingerprint("w", b"v"), other.fingerprint("w", b"v"), given.fingerprint("w", b"v")}
        assert len(texts | {one.fingerprint("w2", b"v"), one.fingerprint("w", b"v2")}) == 5
    (tmp_path / "a" / "fingerprint.key").write_text("nonsense")
    with pytest.raises(InvalidSetting, match=r"fingerprint\.key"):
        whodid.connect("http://a:1", "wk_1", spool=tmp_path / "a")


def test_a_closed_client_takes_nothing(server: Server, tmp_path: Path) -> None:
    """Closing is idempotent, and an event after it is an error rather than lost."""
    client = whodid.connect(server.url, server.key, spool=tmp_path / "spool")
    client.close()
    client.close()
    with pytest.raises(InvalidSetting, match="was closed"):
        client.take(WORKSPACE, [event(1)])


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """On the base install `import whodid` works, and connecting names the extra."""
    code = GUARD + (
        "import whodid\n"
        "try: whodid.connect('http://a:1', 'wk_1', spool='spool')\n"
        "except whodid.errors.InvalidSetting as error: print(error)"
    )
    around = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=around | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "pip install 'whodid[client]'" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["missing", "--url", "http://a:1", "--key-file", "key"], 4, "There is no spool"),
        (["spool", "--url", "nowhere", "--key-file", "key"], 2, "not the address"),
        (["spool", "--url", "http://127.0.0.1:1", "--key-file", "nokey"], 2, "nokey"),
        (["spool", "--url", "http://127.0.0.1:1"], 2, "--key-file"),
    ],
)
def test_shipping_explains_what_is_wrong(tmp_path: Path, arguments: list[str], code: int, part: str) -> None:
    """`whodid ship` with a wrong folder, address or key file."""
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "key").write_text("wk_1")
    done = subprocess.run(
        [sys.executable, "-m", "whodid", "ship", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert part in done.stderr
    assert issubclass(InvalidSetting, WhodidError)


def test_shipping_gives_up_in_time(server: Server, tmp_path: Path) -> None:
    """While the server is away `whodid ship` ends with 1 after its timeout, says why, and leaves everything."""
    spool = tmp_path / "spool"
    server.stop()
    with whodid.connect(server.url, server.key, spool=spool, exit_flush_s=0) as client:
        client.take(WORKSPACE, [event(1)])
    (tmp_path / "key").write_text(server.key)
    done = subprocess.run(
        [sys.executable, "-m", "whodid", "ship", str(spool), "--url", server.url, "--timeout", "1",
         "--key-file", str(tmp_path / "key")],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Something is left: The server cannot be reached" in done.stderr
    server.start()
    assert shipped(server, spool, tmp_path).returncode == 0
    assert ids(server.log) == [event(1).id]
