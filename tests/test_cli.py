"""The command line as a user and a script meet it: output, errors, exit codes, help."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

import whodid
from tests.keeping import HOME, MARIA, event, full_event, record
from whodid.cli import ui

DATA = Path(__file__).parent / "data"
COMMANDS = ("serve", "tail", "search", "show", "stats", "export", "verify", "purge", "retention", "import")


class Result(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, in a folder of its own, without the environment of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("WHODID_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        capfd.readouterr()
        code = ui.run(arguments)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def store(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a store with thirty entries of today and one workspace, and name both in the environment."""
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    now = datetime.now(UTC) - timedelta(minutes=5)
    with whodid.open(url) as log:
        record(log, [full_event(1, now), *(event(number, at=now) for number in range(2, 31))])
    monkeypatch.setenv("WHODID_STORE", url)
    monkeypatch.setenv("WHODID_WORKSPACE", HOME)
    return url


def program(*arguments: str, folder: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start the program in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "whodid", *arguments], cwd=folder, **more)


# --------------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_one_screen(run: Run, command: str) -> None:
    """80 columns, 24 lines, and exit code 0."""
    result = run(*filter(None, [command, "--help"]))
    lines = result.out.splitlines()

    assert result.code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert result.err == ""


def test_help_lists_every_command_and_the_exit_codes(run: Run) -> None:
    """One look says what there is."""
    text = run("--help").out

    assert re.findall(r"^  (\w+)  ", text, re.MULTILINE) == list(COMMANDS)
    for code in range(6):
        assert re.search(rf"\b{code} [a-z]", text), code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_store_and_a_workspace(run: Run, command: str) -> None:
    """The same two options everywhere."""
    text = run(command, "--help").out

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


# --------------------------------------------------------------------------------------------------------------- tail


def test_tail_shows_the_newest_last(run: Run, store: str) -> None:
    """Like any tail: the newest entry is the line above the prompt."""
    assert [line.split("\t")[0] for line in run("tail", "-n", "3").out.splitlines()] == ["27", "28", "29"]
    assert [line.split("\t")[0] for line in run("tail", "-n", "2", "actor:usr_joao").out.splitlines()] == ["27", "29"]


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


# ------------------------------------------------------------------------------------------------- export and verify


def test_an_export_with_proofs_is_verified_offline_and_by_the_store(run: Run, store: str, tmp_path: Path) -> None:
    """With the key or the store 0, without either 5, and 1 after a single changed letter."""
    exported = run("export", "--proofs", "-o", "evidence.ndjson", "--json")
    key = run("stats", "--json").json()["verifier_key"]
    offline = run("verify", "evidence.ndjson", "--key", key, "--json")
    vouched = run("verify", "evidence.ndjson", "--json")
    (tmp_path / "keys.txt").write_text(f"{key}\n")

    assert exported.json()["count"] == 30
    assert (offline.code, offline.json()["trusted"], offline.json()["gapless"]) == (0, True, True)
    assert (vouched.code, vouched.json()["recorded_as"]) == (0, 30)
    assert run("verify", "evidence.ndjson", "--key", "keys.txt").code == 0
    text = run("verify", "evidence.ndjson").out
    assert "every entry from 0 to 29" in text
    assert "this very file, as entry 30" in text

    path = tmp_path / "evidence.ndjson"
    path.write_bytes(path.read_bytes().replace(b"Contact 7", b"Contact 8", 1))
    changed = run("verify", "evidence.ndjson")
    assert changed.code == 1
    assert "line 24, entry 6" in changed.err
    assert "whose" not in changed.out


def test_the_files_own_key_is_not_enough(run: Run, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that forgets the key does not take a forged file for a good one."""
    run("export", "--proofs", "-o", "evidence.ndjson")
    monkeypatch.delenv("WHODID_STORE")
    result = run("verify", "evidence.ndjson")

    assert result.code == 5
    assert "nobody vouches for it" in result.out
    assert "pass it as --key" in result.err


def test_a_file_from_another_store_is_not_vouched_for(run: Run, store: str, tmp_path: Path) -> None:
    """The store knows its own files by their keys."""
    run("export", "--proofs", "-o", "evidence.ndjson")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    with whodid.open(other) as log:
        record(log, [event(1)])
    result = run("verify", "evidence.ndjson", "--store", other)

    assert result.code == 1
    assert "not a trusted one" in result.err


def test_a_file_without_proofs_is_told_apart(run: Run, store: str) -> None:
    """CSV cannot be verified, and the error says why."""
    run("export", "-o", "table.csv")
    result = run("verify", "table.csv")

    assert result.code == 1
    assert "exported without proofs" in result.err


def test_exports_by_name_and_format(run: Run, store: str, tmp_path: Path) -> None:
    """The name chooses the format, the query the entries, and a note says what was done."""
    result = run("export", "-o", "table.csv", "--bom", "actor:usr_joao")
    assert (tmp_path / "table.csv").read_bytes().startswith(b'\xef\xbb\xbf"index"')
    assert "15 entries" in result.err
    assert "recorded as entry 30" in result.err
    assert run("export", "-o", "table.parquet").code == 0
    assert (tmp_path / "table.parquet").read_bytes()[:4] == b"PAR1"
    with whodid.open(store) as log:
        entry = log.get(HOME, 30)
    assert entry.actor.type == "system"
    assert entry.actor.id.startswith("cli:")
    assert entry.context == whodid.Context(source="cli")


def test_an_export_to_standard_output_is_the_file_and_nothing_else(run: Run, store: str) -> None:
    """What is said about it goes to standard error."""
    result = run("export", "--format", "csv", "index:0..1")

    assert result.out.count("\n") >= 3
    assert result.out.startswith('"index"')
    assert "2 entries" in result.err


def test_an_existing_file_is_not_replaced(run: Run, store: str, tmp_path: Path) -> None:
    """Only --force replaces, and a refused export is not recorded."""
    (tmp_path / "table.csv").write_text("precious")
    result = run("export", "-o", "table.csv")

    assert result.code == 2
    assert (tmp_path / "table.csv").read_text() == "precious"
    assert run("search", "--count", "action:audit.exported").out == "0\n"
    assert run("export", "-o", "table.csv", "--force").code == 0


def test_verifying_a_store(run: Run, store: str, tmp_path: Path) -> None:
    """0 while all is well; 1 and the index of the first bad entry after somebody wrote into the file."""
    good = run("verify")
    assert (good.code, good.out) == (0, f"30\t0\tok\t{HOME}\n")
    assert run("verify", "--json").json()[0]["ok"] is True

    connection = apsw.Connection(str(tmp_path / "audit.db"))
    connection.execute("UPDATE entry SET occurred_at = occurred_at + 1 WHERE pos & 0xFFFFFFFFFF >= 12")
    connection.close()
    bad = run("verify")
    assert bad.code == 1
    assert "the first bad entry is 12" in bad.err
    assert run("verify", "--json").json()[0]["first_bad"] == 12


# --------------------------------------------------------------------------------------------- purge and retention


def test_purging_from_the_shell(run: Run, tmp_path: Path) -> None:
    """The dry run foresees, the purge does, the rest verifies, and both can be read by machines."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    now = datetime.now(UTC)
    for days in (200, 100, 1):
        past = now - timedelta(days=days)
        with whodid.open(url, clock=lambda past=past: past) as log:  # type: ignore[misc]
            record(log, [event(days * 100 + number, at=past) for number in range(10)])
    foreseen = run("purge", "--dry-run", "--store", url)
    assert foreseen.code == 0
    assert foreseen.out.startswith("20\t0-19\t")
    assert "20 would go, 10 would stay. Nothing was changed." in foreseen.err
    assert run("purge", "--dry-run", "--json", "--store", url).json()[0]["entries"] == 20
    assert run("stats", "--json", "--store", url, "-w", HOME).json()["entries"] == 30

    done = run("purge", "--json", "--store", url).json()
    assert (done[0]["entries"], done[0]["finished"], done[0]["workspace"]) == (20, True, HOME)
    assert run("purge", "--store", url).out == f"0\t20\tyes\t{HOME}\n"
    assert run("verify", "--store", url).out == f"11\t20\tok\t{HOME}\n"
    assert "20 entries" in run("search", "action:audit.purged", "--store", url).out


def test_retention_is_shown_and_changed(run: Run, store: str) -> None:
    """A change is recorded with its reason."""
    assert run("retention").out == f"90 days\t\t{HOME}\n"
    assert run("retention", "--days", "365", "--reason", "The auditor asked").out == f"365 days\t\t{HOME}\n"
    assert run("retention", "--json").json() == [{"workspace": HOME, "days": 365, "classes": {}}]
    assert run("retention", "--days", "forever").out == f"for good\t\t{HOME}\n"
    shown = run("search", "action:audit.retention_changed", "--json").out.splitlines()
    assert [json.loads(line)["reason"]["text"] for line in shown[1:]] == ["The auditor asked"]


# -------------------------------------------------------------------------------------------------------------- import


def test_real_files_are_imported_searched_and_verified(run: Run, tmp_path: Path) -> None:
    """A new user's first ten minutes with somebody else's events."""
    url = ("--store", f"sqlite:///{tmp_path / 'real.db'}", "--workspace", "real")
    first = run("import", "--from", "github", *url, str(DATA / "github.ndjson"))
    assert first.code == 1
    assert "github.ndjson:2: /occurred_at" in first.err
    second = run("import", "--from", "github", "--undated", "2024-01-01", "--json", *url, str(DATA / "github.ndjson"))
    assert second.code == 0
    account = second.json()[0]
    assert account["read"] == 27
    assert account["refused"] == 0
    assert account["recorded"] + account["duplicates"] == 27
    assert (
        run("import", "--from", "cloudtrail", "--undated", "2024-01-01", *url, str(DATA / "cloudtrail.ndjson")).code
        == 0
    )

    assert run("search", *url, "actor:dr.evil").out.split("\t")[2].startswith("dr.evil: aws.bedrock.delete_model")
    assert run("search", *url, "--count", "outcome:denied,failed").out == "2\n"
    assert run("verify", *url).out == "40\t0\tok\treal\n"


def test_importing_needs_a_workspace(run: Run, tmp_path: Path) -> None:
    """A new store has none to guess."""
    result = run(
        "import", "--from", "github", "--store", f"sqlite:///{tmp_path / 'new.db'}", str(DATA / "github.ndjson")
    )

    assert result.code == 2
    assert "--workspace" in result.err
    assert not (tmp_path / "new.db").exists()


def test_importing_from_standard_input(store: str, tmp_path: Path) -> None:
    """- is standard input, as everywhere."""
    data = (DATA / "cloudtrail.ndjson").read_bytes()
    command = [sys.executable, "-m", "whodid", "import", "--from", "cloudtrail", "--undated", "2024-01-01", "-"]
    done = subprocess.run(command, input=data, capture_output=True, cwd=tmp_path, check=True)

    assert done.stdout == b"13\t13\t0\t0\t0\t-\n"


def test_many_refused_lines_are_counted_and_listed_for_machines(run: Run, store: str, tmp_path: Path) -> None:
    """People get twenty and a number, machines get all."""
    (tmp_path / "bad.ndjson").write_text("nonsense\n" * 30)
    told = run("import", "--from", "github", "bad.ndjson")
    listed = run("import", "--from", "github", "--json", "bad.ndjson")

    assert told.err.count("bad.ndjson:") == 21
    assert "10 further records" in told.err
    assert len(listed.json()[0]["faults"]) == 30


# ------------------------------------------------------------------------------------------------------------ terminal


def on_a_terminal(*arguments: str, folder: Path) -> str:
    """Run the program on a terminal of 80 columns and return what it showed."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with program(*arguments, folder=folder, stdin=inner, stdout=inner, stderr=inner, env=environment) as process:
        os.close(inner)
        shown = b""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                piece = os.read(outer, 65_536)
            except OSError:  # the terminal is gone with the program
                break
            if not piece:
                break
            shown += piece
        process.wait(10)
    os.close(outer)
    return shown.decode()


def test_people_get_a_table_and_a_progress_bar(store: str, tmp_path: Path) -> None:
    """Headings, rows that fit, and a bar while something runs; a pipe gets neither."""
    table = on_a_terminal("search", "-n", "2", folder=tmp_path)
    bar = on_a_terminal("export", "-o", "table.csv", folder=tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", table)

    assert "Index" in plain
    assert "Contact 30" in plain
    assert max(map(len, plain.splitlines())) <= 80
    assert "Exporting" in bar
    assert "\x1b[" in bar
    assert "30 entries" in bar


def test_a_terminal_gets_no_commands_from_entries(store: str, tmp_path: Path) -> None:
    """Markup and escapes in a name are shown, not obeyed."""
    with whodid.open(store) as log:
        name = "[bold]x[/bold] \u009b31mred :smile:"
        record(log, [event(88, resource=whodid.Resource(type="contact", id="x", name=name), actor=MARIA)])
    shown = on_a_terminal("search", "resource:x", folder=tmp_path)

    assert "[bold]x[/bold]" in re.sub(r"\s+", " ", shown)
    assert ":smile:" in shown
    assert "\u009b" not in shown


# --------------------------------------------------------------------------------------------------------------- serve


def test_serve_answers_and_stops_when_asked(store: str, tmp_path: Path) -> None:
    """It says where it listens, answers there, and ends with 0 on a signal."""
    from urllib.request import urlopen

    with program("serve", "--port", "0", folder=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            found = re.search(r"Address\s+(http://\S+)", str(line))
            if found:
                address = found[1]
                break
        with urlopen(address, timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
