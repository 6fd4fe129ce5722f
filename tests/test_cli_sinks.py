"""`whodid sinks`: what an operator does with sinks, from adding one to removing it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import whodid
from tests import shell
from tests.keeping import HOME
from tests.receiving import receiving
from tests.shell import Run
from tests.sinking import turn
from whodid.sinks import SinkWorker

run, store = shell.run, shell.store


def feed(url: str) -> None:
    """Let every sink have a turn, as a server does."""
    with whodid.open(url) as log:
        turn(SinkWorker(log))


def test_a_sink_is_changed(run: Run, store: str, tmp_path: Path) -> None:
    """What is named changes, the rest stays; the log tells what was and why."""
    out, more = tmp_path / "out.ndjson", tmp_path / "more.ndjson"
    assert (
        run("sinks", "add", "siem", "file", str(out), "--from", "0", "--set", "mode=640", "--set", "keep=2").code == 0
    )
    feed(store)
    changed = run(
        "sinks", "change", "siem", "--name", "lake", "--address", str(more), "--filter", "action:audit.stream_changed",
        "--format", "ecs", "--set", "keep=3", "--unset", "mode", "--batch", "5", "--heartbeat", "0",
        "--reason", "It moves",
    )  # fmt: skip
    assert (changed.code, changed.out, changed.err) == (0, "", "")
    feed(store)
    (listed,) = run("sinks", "list", "--json").json()
    sink = listed["sink"]
    assert (sink["name"], sink["address"], sink["format"], sink["options"]) == ("lake", str(more), "ecs", {"keep": "3"})
    assert (sink["batch"], sink["heartbeat"], listed["behind"]) == (5, 0, 0)
    assert len(out.read_text().splitlines()) == 31
    assert len(more.read_text().splitlines()) == 1
    with whodid.open(store) as log:
        entry = list(log.read(HOME, 30))[-1]
    assert entry.reason is not None
    assert entry.reason.text == "It moves"
    assert [(one.path, one.before) for one in entry.changes if one.path.startswith("options")] == [
        ("options.keep", "2"),
        ("options.mode", "640"),
    ]


def test_the_language_of_a_workspace(run: Run, store: str) -> None:
    """It is printed and chosen, with a reason that is recorded; one that nobody speaks here is refused."""
    assert run("sinks", "language").out == "en\n"
    assert run("sinks", "language", "ar", "--reason", "We are in Dubai").out == "ar\n"
    assert run("sinks", "language").out == "ar\n"
    assert run("sinks", "language", "fr").code != 0
    with whodid.open(store) as log:
        entry = list(log.read(HOME, 30))[-1]
    assert entry.reason is not None
    assert entry.reason.text == "We are in Dubai"


def test_a_secret_is_named_anew_with_the_address(run: Run, store: str, tmp_path: Path) -> None:
    """Elsewhere it is not sent by itself; two places at once are none."""
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (first, second):
        file.write_text(f"token-{file.name}")
        file.chmod(0o600)
    assert run("sinks", "add", "hec", "splunk", "https://a.example/x", "--secret-file", str(first)).code == 0
    refused = run("sinks", "change", "hec", "--address", "https://b.example/x")
    assert (refused.code != 0, "was given for another host" in refused.err) == (True, True)
    both = run("sinks", "change", "hec", "--secret-file", str(second), "--secret-env", "X")
    assert (both.code != 0, "in a file or in a variable" in both.err) == (True, True)
    assert run("sinks", "change", "hec", "--address", "https://b.example/x", "--secret-file", str(second)).code == 0
    (listed,) = run("sinks", "list", "--json").json()
    assert (listed["sink"]["address"], listed["sink"]["secret"]) == ("https://b.example/x", f"file:{second}")
    with whodid.open(store) as log:
        (secret,) = [one for one in list(log.read(HOME, 30))[-1].changes if one.path == "secret"]
        assert (secret.before_fp, secret.after_fp) == (
            log.fingerprint(HOME, b"token-first"),
            log.fingerprint(HOME, b"token-second"),
        )


def test_from_adding_to_removing(run: Run, store: str, tmp_path: Path) -> None:
    """A sink is added, tested, fed, paused, resumed, fed again from the past, and removed; the log tells it all."""
    out = tmp_path / "out.ndjson"
    assert run("sinks", "list").err == "There is no sink.\n"

    added = run("sinks", "add", "siem", "file", str(out), "--from", "0", "--heartbeat", "0", "--set", "mode=640")
    assert (added.code, added.err) == (0, "")
    assert added.out.startswith("snk_")
    assert run("sinks", "test", "siem").err == "The receiver took it.\n"
    waiting = run("sinks", "list")
    assert (waiting.code, waiting.out.split("\t")[:4]) == (0, ["siem", "file", "active", "32"])
    assert re.search(r"the first that waits is \d+ s old", waiting.out)

    feed(store)
    assert run("sinks", "list").out == f"siem\tfile\tactive\t0\t\t{HOME}\n"
    assert len(out.read_text().splitlines()) == 33

    assert run("sinks", "pause", "siem", "--reason", "Too loud").code == 0
    paused = run("sinks", "list")
    assert (paused.code, paused.out.split("\t")[2].partition(" for ")[0]) == (1, "paused")
    assert run("sinks", "backfill", added.out.strip(), "30").code == 0
    assert run("sinks", "resume", "siem").code == 0
    feed(store)
    assert [json.loads(line)["index"] for line in out.read_text().splitlines()[1:]] == [*range(32), *range(30, 35)]

    (listed,) = run("sinks", "list", "--json").json()
    assert (listed["sink"]["name"], listed["position"]["next"], listed["workspace"]) == ("siem", 35, HOME)
    assert run("sinks", "remove", "siem").code == 0
    assert run("sinks", "list").err == "There is no sink.\n"
    with whodid.open(store) as log:
        told = list(log.read(HOME, 30))
        changed, tested = "audit.stream_changed", "audit.stream_tested"
        assert [entry.action for entry in told] == [changed, tested, *[changed] * 4]
        assert told[2].reason is not None
        assert told[2].reason.text == "Too loud"
        assert all(entry.actor.id.startswith("cli:") for entry in told)


def test_what_is_wrong_is_told(run: Run, store: str, tmp_path: Path) -> None:
    """A sink that fails is listed with what is the matter, and its test says the same; the exit code is 1."""
    assert run("sinks", "add", "siem", "file", str(tmp_path / "no" / "out")).code == 0
    tested = run("sinks", "test", "siem")
    assert (tested.code, tested.err) == (1, f"{tmp_path}/no/out cannot be written: No such file or directory.\n")
    feed(store)
    listed = run("sinks", "list")
    assert (listed.code, listed.out.split("\t")[2]) == (1, "failing")
    assert "cannot be written: No such file or directory" in listed.out


def test_a_secret_is_named_never_given(run: Run, store: str, tmp_path: Path) -> None:
    """Its file by a path that holds wherever the server runs; two places for one secret are one too many."""
    secret = tmp_path / "hook.secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    secret.chmod(0o600)
    arguments = ("sinks", "add", "hook", "webhook", "https://hooks.example.com/", "--secret-file", "hook.secret")
    assert "Name one of them" in run(*arguments, "--secret-env", "HOOK").err
    assert run(*arguments).code == 0
    listed = run("sinks", "list", "--json")
    assert listed.json()[0]["sink"]["secret"] == f"file:{secret}"
    assert "MfKQ9r8" not in listed.out


def test_what_cannot_be_is_refused(run: Run, store: str) -> None:
    """With the code of wrong input, or of what is absent."""
    refused = run("sinks", "add", "siem", "file", "/tmp/x", "--set", "mode")
    assert (refused.code, refused.err) == (2, "whodid: 'mode' sets nothing. Write NAME=VALUE.\n")
    assert run("sinks", "pause", "siem").code == 4
    assert run("sinks", "add", "siem", "pigeon", "/tmp/x").code == 2


def test_what_is_in_quarantine_is_seen_to(run: Run, store: str, tmp_path: Path) -> None:
    """Listed with what the receiver said, tried again, and let go with a reason."""
    secret = tmp_path / "hook.secret"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    secret.chmod(0o600)
    with receiving() as receiver:
        options = ("--secret-file", str(secret), "--private", "--from", "0", "--heartbeat", "0")
        assert run("sinks", "add", "hook", "webhook", receiver.url, *options).code == 0
        receiver.refuses = lambda body: any(entry.get("index") in {4, 5} for entry in json.loads(body))
        feed(store)
        listed = run("sinks", "quarantine", "hook")
        assert (listed.code, [line.split("\t")[0] for line in listed.out.splitlines()]) == (1, ["4", "5"])
        assert "The receiver answered 422" in listed.out
        tried = run("sinks", "retry", "hook", "--index", "4")
        assert (tried.code, tried.err) == (1, "The receiver took 0. The receiver answered 422.\n")
        receiver.refuses = lambda _: False
        tried = run("sinks", "retry", "hook", "--index", "4")
        assert (tried.code, tried.err) == (0, "The receiver took 1.\n")
        assert run("sinks", "drop", "hook", "--reason", "Old").err == "1 left quarantine.\n"
        assert run("sinks", "quarantine", "hook").err == "Nothing is in quarantine.\n"
        assert run("sinks", "retry", "hook", "--index", "4").code == 4
