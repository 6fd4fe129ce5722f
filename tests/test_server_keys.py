"""API keys: made, shown once, rotated with an overlap, revoked; every act is an entry, whatever crashes between."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

import whodid
from tests import serving, shell
from tests.keeping import HOME as KEPT_HOME
from tests.serving import AWAY, HOME, MARIA, NOW, SECRET, Clock
from tests.shell import Run
from whodid import Context, Log
from whodid.errors import InvalidSetting, NotFound, StoreCorrupt, StoreUnavailable
from whodid.server import keys as keys_module
from whodid.server.gate import Gate
from whodid.server.keys import KeyRing, find_key, key_digest

clock, log = serving.clock, serving.log

run, store = shell.run, shell.store


@pytest.fixture
def ring(log: Log) -> KeyRing:
    """Return the keys of HOME."""
    return KeyRing(log, HOME, actor=MARIA, context=Context(source="cli"))


def admitted(log: Log, text: str) -> str | None:
    """Return the workspace that a key opens, through a gate without a memory."""
    found = Gate(log, secret=SECRET).admit(text, route="POST /v1/events", context=Context())
    return found.workspace if found else None


def test_a_key_is_shown_once_and_kept_as_a_digest(log: Log, ring: KeyRing) -> None:
    """The store holds the digest and never the text; the entry names the key, its scopes and a fingerprint."""
    made = ring.create("billing", scopes=("read", "write"), expires_at=NOW + timedelta(days=90))

    assert made.text.startswith(f"wk_{made.key.id}_")
    assert len(made.text.split("_", 2)[2]) >= 22  # 128 bits and more
    kept = log.state(HOME, "api_keys") or b""
    assert made.text.encode() not in kept
    assert made.key.digest == key_digest(made.text)
    assert made.key.scopes == ("write", "read")
    (entry,) = log.find(HOME, "action:api_key.created").entries
    assert entry.actor == MARIA
    assert (entry.resource.type, entry.resource.id) == ("api_key", f"wk_{made.key.id}")
    assert entry.resource.name == f"billing (wk_{made.key.id})"
    changes = {change.path: change for change in entry.changes}
    assert changes["permissions"].after == ["write", "read"]
    assert changes["key_hash"].class_ == "secret"
    assert changes["key_hash"].after_fp
    assert made.key.digest not in str(entry)
    assert changes["prefix"].after == f"wk_{made.key.id}"
    assert admitted(log, made.text) == HOME


def test_a_key_opens_its_own_workspace_only(log: Log, ring: KeyRing) -> None:
    """Two workspaces, two keys, nothing shared; listing one does not show the other's."""
    away = KeyRing(log, AWAY, actor=MARIA)
    one, other = ring.create("one"), away.create("other")
    assert (admitted(log, one.text), admitted(log, other.text)) == (HOME, AWAY)
    assert [key.id for key in ring.all()] == [one.key.id]
    with pytest.raises(NotFound):
        ring.revoke(other.key.id)
    mixed = f"wk_{one.key.id}_{other.text.rpartition('_')[2]}"
    assert admitted(log, mixed) is None


def test_rotation_leaves_no_moment_without_a_key(log: Log, ring: KeyRing, clock: Clock) -> None:
    """Both keys are good for the overlap, then only the new one; the entry names the old one and its end."""
    old = ring.create("billing", scopes=("write", "export"))
    new = ring.rotate(f"wk_{old.key.id}", overlap=timedelta(hours=6))
    assert (admitted(log, old.text), admitted(log, new.text)) == (HOME, HOME)
    assert (new.key.name, new.key.scopes, new.key.replaces) == ("billing", ("write", "export"), old.key.id)
    clock.advance(hours=6)
    assert (admitted(log, old.text), admitted(log, new.text)) == (None, HOME)
    entry = log.find(HOME, f"resource:api_key:wk_{new.key.id}").entries[0]
    assert [(one.rel, one.id) for one in entry.related] == [("replaced", f"wk_{old.key.id}")]
    with pytest.raises(InvalidSetting, match="is expired"):
        ring.rotate(old.key.id)
    with pytest.raises(InvalidSetting, match="negative"):
        ring.rotate(new.key.id, overlap=timedelta(hours=-1))


def test_revoking_is_once_and_final(log: Log, ring: KeyRing) -> None:
    """The second time changes nothing and leaves no entry; a revoked key cannot be rotated."""
    made = ring.create("billing")
    ring.revoke(made.key.id)
    ring.revoke(made.key.id)
    assert admitted(log, made.text) is None
    assert len(log.find(HOME, "action:api_key.revoked").entries) == 1
    with pytest.raises(InvalidSetting, match="is revoked"):
        ring.rotate(made.key.id)


def test_bad_input_is_refused_before_anything_happens(log: Log, ring: KeyRing) -> None:
    """Names, scopes and ends that cannot be used leave neither a key nor an entry."""
    before = log.head(HOME).size
    for name in ("", " x", "x" * 101, "a\nb", "\ud800"):
        with pytest.raises(InvalidSetting, match="not a name"):
            ring.create(name)
    for scopes in ((), ("root",)):
        with pytest.raises(InvalidSetting, match="scope"):
            ring.create("x", scopes=scopes)
    for end in (NOW, NOW.replace(tzinfo=None)):
        with pytest.raises(InvalidSetting, match="past"):
            ring.create("x", expires_at=end)
    with pytest.raises(InvalidSetting, match="not a workspace"):
        KeyRing(log, "no such name!", actor=MARIA).create("x")
    assert log.head(HOME).size == before
    assert ring.all() == ()


def test_a_crash_between_key_and_entry_is_made_good(log: Log, ring: KeyRing) -> None:
    """If the process ends after the key is there and before its entry is, the next look records it, once."""

    class Killed(BaseException):
        pass

    with patch.object(log, "record", side_effect=Killed), pytest.raises(Killed):
        ring.create("billing")
    assert log.find(HOME, "action:api_key.created").entries == ()
    (key,) = ring.all()
    assert [entry.resource.id for entry in log.find(HOME, "action:api_key.created").entries] == [f"wk_{key.id}"]
    ring.all()
    assert len(log.find(HOME, "action:api_key.created").entries) == 1


def test_a_log_that_cannot_record_gives_no_key(log: Log, ring: KeyRing) -> None:
    """A key without its entry would be an act that nobody sees."""
    with patch.object(log, "record", side_effect=StoreUnavailable("Away", "Wait")), pytest.raises(StoreUnavailable):
        ring.create("billing")
    assert ring.all() == ()


def test_many_at_once_lose_no_key(tmp_path: Path) -> None:
    """Threads that make keys together: each one is there, and each has its entry."""
    with whodid.open(f"sqlite:///{tmp_path}/audit.db") as log:
        texts: list[str] = []

        def make(number: int) -> None:
            texts.append(KeyRing(log, HOME, actor=MARIA).create(f"key {number}").text)

        workers = [threading.Thread(target=make, args=(number,)) for number in range(12)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(KeyRing(log, HOME, actor=MARIA).all()) == 12
        assert {admitted(log, text) for text in texts} == {HOME}
        assert log.count(HOME, "action:api_key.created").value == 12


def test_keys_that_ended_long_ago_make_room(
    log: Log, ring: KeyRing, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a most number of keys; what ended more than thirty days ago does not count."""
    monkeypatch.setattr(keys_module, "MOST_KEYS", 3)
    first = ring.create("one")
    ring.create("two")
    ring.create("three")
    with pytest.raises(InvalidSetting, match="3 API keys"):
        ring.create("four")
    ring.revoke(first.key.id)
    with pytest.raises(InvalidSetting):
        ring.create("four")
    clock.advance(days=31)
    ring.create("four")
    assert [key.name for key in ring.all()] == ["two", "three", "four"]
    assert find_key(log, first.text) is None


def test_damaged_keys_are_not_guessed(log: Log, ring: KeyRing) -> None:
    """State that cannot be read lets nobody in and says so."""
    made = ring.create("billing")
    log.swap_state(HOME, "api_keys", log.state(HOME, "api_keys"), b"{}x")
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        admitted(log, made.text)


@pytest.mark.postgres
def test_keys_work_on_postgresql_and_between_processes(postgres_url: str, tmp_path: Path) -> None:
    """Another process on the same database finds the key at once, and refuses it once it is revoked."""
    with (
        whodid.open(postgres_url, key=tmp_path / "whodid.key") as log,
        whodid.open(postgres_url, key=tmp_path / "whodid.key") as server,
    ):
        ring = KeyRing(log, HOME, actor=MARIA)
        made = ring.create("billing")
        assert admitted(server, made.text) == HOME
        new = ring.rotate(made.key.id)
        assert [admitted(server, text) for text in (made.text, new.text)] == [HOME, HOME]
        ring.revoke(made.key.id)
        assert [admitted(server, text) for text in (made.text, new.text)] == [None, HOME]
        assert server.verify(HOME).ok


# --------------------------------------------------------------------------------------------------------- command line


def test_the_command_line_makes_lists_rotates_and_revokes(run: Run, store: str) -> None:
    """The text of a key is the only thing on standard output, once; every act is an entry by who ran it."""
    made = run("keys", "create", "billing", "--scope", "write", "--scope", "read", "--days", "90")
    assert made.code == 0
    text = made.out.strip()
    key_id = "_".join(text.split("_")[:2])
    assert "not shown again" in made.err
    assert text not in made.err
    listed = run("keys", "list")
    assert listed.out.split("\t")[:3] == [key_id, "active", "write, read"]
    assert text not in listed.out
    (shown,) = run("keys", "list", "--json").json()
    assert (shown["id"], shown["status"], shown["name"]) == (key_id, "active", "billing")
    assert "digest" not in shown
    rotated = run("keys", "rotate", key_id, "--overlap", "0", "--json").json()
    assert rotated["replaces"] == key_id.removeprefix("wk_")
    with whodid.open(store) as log:
        assert admitted(log, text) is None
        assert admitted(log, rotated["key"]) == KEPT_HOME
    assert run("keys", "revoke", rotated["id"]).code == 0
    assert [one["status"] for one in run("keys", "list", "--json").json()] == ["expired", "revoked"]
    found = run("search", "category:api_key", "resource:api_key:" + rotated["id"])
    assert "revoked API key billing" in found.out


def test_the_command_line_explains(run: Run, store: str) -> None:
    """Unknown keys, scopes and spans, and a store with no workspace yet."""
    assert "There is no API key wk_NOTHING" in run("keys", "revoke", "wk_NOTHING").err
    assert run("keys", "revoke", "wk_NOTHING").code == 4
    assert run("keys", "create", "x", "--scope", "root").code == 2
    assert "cannot live 0 days" in run("keys", "create", "x", "--days", "0").err
    first = run("keys", "create", "first", "--store", "sqlite:///new.db", "--workspace", "new")
    assert first.code == 0
    assert run("keys", "list", "--store", "sqlite:///absent.db").code == 3
