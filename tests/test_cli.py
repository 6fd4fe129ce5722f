"""The command line: help, errors, exit codes, and the commands that read."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import whodid
from tests import shell
from tests.keeping import event, record
from tests.shell import Run, program

run, store = shell.run, shell.store

ON_A_STORE = (
    *("serve", "tail", "search", "show", "stats", "detect", "export", "answer", "evidence", "verify", "seal", "purge"),
    "retention",
)
COMMANDS = (
    *ON_A_STORE[:8],
    "review",
    *ON_A_STORE[8:],
    "backup",
    "copy",
    "hold",
    "erase",
    "erasures",
    "anchor",
    "cosign",
    "stamp",
    "witness",
    "import",
    "keys",
    "head",
    "sinks",
    "ship",
    "relay",
    "geo",
    "doctor",
)


# --------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_one_screen(run: Run, command: str) -> None:
    """80 columns, 24 lines for a command and 40 for the list of all, and exit code 0."""
    result = run(*filter(None, [command, "--help"]))
    lines = result.out.splitlines()

    assert result.code == 0
    assert len(lines) <= (24 if command else 40)
    assert max(map(len, lines)) <= 80
    assert result.err == ""


def test_help_lists_every_command_and_the_exit_codes(run: Run) -> None:
    """One look says what there is."""
    text = run("--help").out

    assert re.findall(r"^  (\w+)  ", text, re.MULTILINE) == list(COMMANDS)
    for code in range(6):
        assert re.search(rf"\b{code} [a-z]", text), code


@pytest.mark.parametrize(
    "command",
    [
        *ON_A_STORE,
        "import",
        "hold list",
        "erasures list",
        "erasures replay",
        "hold place",
        "hold release",
        "erase",
        "keys list",
        "keys create",
        "keys rotate",
        "keys revoke",
        *(f"sinks {name}" for name in ("list", "add", "remove", "test", "pause", "resume", "backfill")),
        "relay",
    ],
)
def test_every_command_takes_a_store_and_a_workspace(run: Run, command: str) -> None:
    """The same two options everywhere."""
    text = run(*command.split(), "--help").out

    assert "--store URL" in text
    assert "--workspace NAME" in text


def test_help_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """Help is quick because engines, tables, Parquet and the web come in only with the commands that use them."""
    code = (
        "import sys\nfrom whodid.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'apsw', 'rich', 'pyarrow', 'starlette', 'uvicorn', 'whodid.export'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert done.stdout.splitlines()[-1] == "[]"


def test_without_the_extra_the_remedy_is_named(tmp_path: Path) -> None:
    """The base install has no click; the program says what to install instead of a traceback."""
    code = "import sys\nsys.modules['click'] = None\nfrom whodid.cli import main\nmain(['--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 2
    assert "pip install 'whodid[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_is_told(run: Run) -> None:
    """One line with the number."""
    assert re.fullmatch(r"whodid \d+\.\d+\.\d+\S*\n", run("--version").out)


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["nonsense"], 2, "No such command"),
        (["search", "--nonsense"], 2, "No such option"),
        (["search", "colour:red"], 2, "There is no field colour"),
        (["search", 'actor:"Maria'], 2, "quote"),
        (["search", "--zone", "Mars/Olympus", "x"], 2, "no time zone"),
        (["search", "-n", "-5"], 2, "-5 is not in the range x>=0"),
        (["tail", "-n", "-5"], 2, "-5 is not in the range x>=0"),
        (["show", "999"], 4, "There is no entry 999"),
        (["show", "no-such-id"], 4, "no entry with the id"),
        (["search", "--workspace", "nobody", "x"], 4, "wsp_home"),
        (["search", "--store", "sqlite:///nowhere.db", "x"], 3, "There is no database"),
        (["search", "--store", "mysql://x", "x"], 2, "not the address of a store"),
        (["search", "--key-file", "nowhere.key", "x"], 2, "key"),
        (["export", "--format", "xlsx"], 2, "xlsx"),
        (["export", "--proofs", "-o", "x.csv"], 2, "cannot carry proofs"),
        (["export", "-o", "no/such/folder/x.csv"], 2, "No such file"),
        (["verify", "nowhere.ndjson"], 2, "nowhere.ndjson"),
        (["verify", "--key", "x"], 2, "belongs to a file"),
        (["import", "--from", "github", "nowhere.json"], 2, "nowhere.json"),
        (["import", "--from", "okta", "x"], 2, "okta"),
        (["import", "--from", "github", "--undated", "once", "x"], 2, "not a time"),
        (["retention", "--days", "0"], 2, "0 days"),
        (["retention", "--days", "many"], 2, "not a number of days"),
        (["retention", "--class", "nosuch=3"], 2, "nosuch"),
        (["serve", "--port", "99999"], 2, "port"),
    ],
)
def test_errors_are_a_sentence_and_an_exit_code(
    run: Run, store: str, arguments: list[str], code: int, text: str
) -> None:
    """Fact and remedy on standard error, nothing on standard output, no traceback."""
    result = run(*arguments)

    assert result.code == code
    assert text in result.err
    assert result.out == ""
    assert "Traceback" not in result.err


def test_help_needs_no_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command is for can be read before what it needs is installed; then it says what to install."""
    loaded = [name for name in sys.modules if name.startswith(("whodid.detect", "whodid.cli.detecting"))]
    for name in sorted(loaded, reverse=True):  # what is inside of a package before the package
        package, _, own = name.rpartition(".")
        # Both ways to a module come back afterwards: the package's attribute, too.
        monkeypatch.setattr(sys.modules[package], own, sys.modules[name], raising=False)
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "re2", None)
    assert run("detect", "--help").code == 0
    assert "pip install 'whodid[detect]'" in run("detect").err


def test_without_a_store_the_remedy_is_named(run: Run) -> None:
    """The first thing that a new user meets."""
    result = run("stats")

    assert result.code == 2
    assert "--store sqlite:///audit.db" in result.err


def test_a_file_that_is_no_database_is_named(run: Run, tmp_path: Path) -> None:
    """Somebody else's file is neither opened nor changed."""
    path = tmp_path / "notes.db"
    path.write_text("this is no database, " * 100)
    result = run("stats", "--store", f"sqlite:///{path}")

    assert result.code == 3
    assert path.read_text().startswith("this is no database")
    assert "Traceback" not in result.err


def test_several_workspaces_have_to_be_named(run: Run, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one workspace nobody has to name it; with two the error lists them."""
    monkeypatch.delenv("WHODID_WORKSPACE")
    assert run("search", "--count").out == "30\n"
    with whodid.open(store) as log:
        record(log, [event(1)], "wsp_away")
    result = run("search", "--count")

    assert result.code == 2
    assert "wsp_away, wsp_home" in result.err


def test_something_unexpected_is_told_without_a_traceback(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours ends with a sentence; whoever wants to know more gets it."""
    monkeypatch.setattr("whodid.log.Log.stats", lambda *_: 1 / 0)
    result = run("stats")
    monkeypatch.setenv("WHODID_DEBUG", "1")
    told = run("stats")

    assert result.code == told.code == 70
    assert "ZeroDivisionError" in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in told.err


# ------------------------------------------------------------------------------------------------------------ reading


def test_search_writes_one_line_per_entry_for_pipes(run: Run, store: str) -> None:
    """Fields divided by tabs, newest first, nothing cut, and a word on what is not shown."""
    result = run("search", "actor:usr_joao", "-n", "3")
    rows = [line.split("\t") for line in result.out.splitlines()]

    assert [row[0] for row in rows] == ["29", "27", "25"]
    assert rows[0][2] == "João Silva updated contact Contact 30"
    assert "3 of 15 entries" in result.err


def test_search_writes_the_wire_form_for_machines(run: Run, store: str) -> None:
    """One entry per line of JSON."""
    entries = [json.loads(line) for line in run("search", "--json", "--limit", "0").out.splitlines()]

    assert len(entries) == 30
    assert entries[-1]["action"] == "contact.merged"


def test_search_counts(run: Run, store: str) -> None:
    """Only the number, for people and for machines."""
    assert run("search", "--count", "actor:usr_joao").out == "15\n"
    assert run("search", "--count", "--json", "actor:usr_joao").json() == {"count": 15, "exact": True}


def test_a_search_without_result_says_so(run: Run, store: str) -> None:
    """An empty answer is an answer."""
    result = run("search", "actor:nobody")

    assert (result.code, result.out) == (0, "")
    assert "No entries match." in result.err


def test_times_are_written_in_the_zone_that_was_asked_for(run: Run, store: str) -> None:
    """The same instant, another clock on the wall."""
    utc, away = (run("search", "-n", "1", "--zone", zone).out.split("\t")[1] for zone in ("UTC", "Asia/Kolkata"))

    assert datetime.fromisoformat(away) - datetime.fromisoformat(utc) == timedelta(hours=5, minutes=30)


def test_show_says_everything_about_an_entry(run: Run, store: str) -> None:
    """By index or by id; values, fingerprints, reason, related resources and the day of removal."""
    by_index = run("show", "0")
    text = by_index.out

    assert by_index.code == 0
    for part in (
        *("CRM sync", "on behalf of Maria Torres", "absorbed", "Same person", "ana@correo.example", "ramadan-24"),
        *("fingerprint", "203.0.113.9", "imp_1", "details.matched_by", "Kept until", "redacted"),
    ):
        assert part in text, part
    assert "s3cret" not in text
    assert run("show", event(1).id).out == text
    assert run("show", "0", "--json").json()["index"] == 0


def test_show_tells_purged_from_absent(run: Run, tmp_path: Path) -> None:
    """An entry that was purged existed, and the error says so."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    past = datetime.now(UTC) - timedelta(days=200)
    with whodid.open(url, clock=lambda: past) as log:
        record(log, [event(number, at=past) for number in range(1, 6)])
    assert run("purge", "--store", url).code == 0
    result = run("show", "2", "--store", url)

    assert result.code == 4
    assert "purged by the retention policy" in result.err


def test_stats_for_people_and_machines(run: Run, store: str) -> None:
    """How much, since when, kept how long, and of what."""
    figures = run("stats", "--json").json()
    text = run("stats").out

    assert (figures["size"], figures["entries"], figures["first"]) == (30, 30, 0)
    assert figures["retention"] == {"days": 90, "classes": {}}
    assert figures["verifier_key"].startswith("localhost/audit/")
    assert "90 days" in text
    assert "29\tcontact.updated" in text


def test_text_of_entries_cannot_command_a_terminal(run: Run, store: str) -> None:
    """Escape sequences and direction marks that came with an entry are written out."""
    name = "evil\u009b2J\u202egnp.exe"
    with whodid.open(store) as log:
        record(log, [event(77, resource=whodid.Resource(type="contact", id="x", name=name))])
    result = run("search", "id:" + event(77).id)

    assert "\\u009b2J\\u202egnp.exe" in result.out
    assert not re.search("[\x1b\x9b\u202e]", result.out)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("actor:maria", "actor:maria is a whole id, name or address; actor:maria* begins so."),
        ("actor:user:usr_maria", "An actor is named without its type: actor:usr_maria"),
        ("actor:nobody* kind:delete", None),
        ("colours", None),
    ],
)
def test_who_asked_for_half_a_name_is_told_so(run: Run, store: str, query: str, hint: str | None) -> None:
    """`evidence` takes the type with the id, and people write first names: nothing found says what would be."""
    found = run("search", query)
    assert (found.code, found.out) == (0, "")
    assert found.err.splitlines() == ["No entries match.", *([hint] if hint else [])]
    if hint:
        assert run("search", hint.removesuffix(" begins so.").rpartition(" ")[2]).out


# --------------------------------------------------------------------------------------------------------------- tail


def test_tail_shows_the_newest_last(run: Run, store: str) -> None:
    """Like any tail: the newest entry is the line above the prompt."""
    assert [line.split("\t")[0] for line in run("tail", "-n", "3").out.splitlines()] == ["27", "28", "29"]
    assert [line.split("\t")[0] for line in run("tail", "-n", "2", "actor:usr_joao").out.splitlines()] == ["27", "29"]
    assert run("tail", "-n", "0").out == ""


def test_tail_follows_what_is_recorded(store: str, tmp_path: Path) -> None:
    """New entries that match appear while it runs, and Ctrl-C ends it quietly."""
    with program("tail", "-f", "-n", "1", "actor:usr_maria", folder=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"Contact 29" in process.stdout.readline()
        with whodid.open(store) as log:
            record(log, [event(number, at=datetime.now(UTC)) for number in (102, 103)])
        assert select.select([process.stdout], [], [], 15)[0]
        assert b"Contact 103" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130


def test_a_closed_pipe_ends_quietly(store: str, tmp_path: Path) -> None:
    """`whodid search | head -1` is no error worth a traceback."""
    with whodid.open(store) as log:
        record(log, [event(number, details={"text": "x" * 500}) for number in range(1_000, 3_000)])
    line = f"{sys.executable} -m whodid search --json --limit 0 | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, cwd=tmp_path, check=True)

    assert done.stdout.startswith(b'{"workspace"')
    assert done.stderr == b""
