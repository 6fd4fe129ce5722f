"""The command line: the commands that keep and bring, terminals, and the server."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

import apsw
import msgspec
import pytest

import whodid
from tests import shell
from tests.keeping import HOME, MARIA, NOW, event, record
from tests.shell import DATA, Run, program
from whodid.export import Job, JobFolder
from whodid.export.ndjson import Manifest, seal

run, store = shell.run, shell.store

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
    assert "line 24, entry 6: The entry is not what was recorded" in changed.err

    path.write_bytes(path.read_bytes().replace(b"Contact", b"Kontact"))
    many = run("verify", "evidence.ndjson")
    assert many.err.count("is not what was recorded") == 10
    assert "and 21 further problems" in many.err


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


def test_the_store_misses_what_no_proof_speaks_of(run: Run, store: str, tmp_path: Path) -> None:
    """A line taken out of a filtered file, with a forged manifest, passes offline; its own log knows better."""
    run("export", "--proofs", "-o", "evidence.ndjson", "actor:usr_joao")
    key = run("stats", "--json").json()["verifier_key"]
    path = tmp_path / "evidence.ndjson"
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[3]
    manifest = msgspec.json.decode(lines[-1], type=Manifest)
    forged = seal(msgspec.structs.replace(manifest, count=14), sha256(b"".join(lines[:-1])))
    path.write_bytes(b"".join(lines[:-1]) + forged.encode())
    offline = run("verify", "evidence.ndjson", "--key", key)
    asked = run("verify", "evidence.ndjson")

    assert offline.code == 0
    assert "the file cannot tell" in offline.out
    assert asked.code == 1
    assert "recorded no export of this very file" in asked.err
    assert run("verify", "evidence.ndjson", "--json").json()["ok"] is False


def test_the_name_of_the_workspace_is_checked_by_the_store(run: Run, store: str, tmp_path: Path) -> None:
    """Proofs know a log by its origin; whose log it is, the store knows."""
    run("export", "--proofs", "-o", "evidence.ndjson", "index:0..3")
    path = tmp_path / "evidence.ndjson"
    lines = path.read_bytes().replace(b'"workspace":"wsp_home"', b'"workspace":"wsp_away"').splitlines(keepends=True)
    manifest = msgspec.json.decode(lines[-1], type=Manifest)
    path.write_bytes(b"".join(lines[:-1]) + seal(manifest, sha256(b"".join(lines[:-1]))).encode())
    result = run("verify", "evidence.ndjson")

    assert result.code == 1
    assert "the key is that of 'wsp_home'" in result.err


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


def test_an_export_in_parts_and_columns(run: Run, store: str, tmp_path: Path) -> None:
    """An archive of files with the columns wanted; what does not fit is refused."""
    assert run("export", "--format", "csv", "--columns", "index, action", "--split", "20", "-o", "parts.zip").code == 0
    with zipfile.ZipFile(tmp_path / "parts.zip") as archive:
        first, second, manifest = archive.namelist()
        assert archive.read(first).startswith(b'"index","action"\r\n')
        assert archive.read(second).count(b"\r\n") == 11
    assert (first[-9:], manifest) == ("-0001.csv", "manifest.json")
    assert run("export", "--format", "csv", "--split", "week", "-o", "parts.zip", "--force").code == 2
    misnamed = run("export", "--split", "20", "-o", "parts.CSV")
    assert (misnamed.code, Path("parts.CSV").exists()) == (2, False)
    assert "Name it .zip, with --format csv" in misnamed.err
    assert run("export", "--format", "csv", "--columns", "shoe_size", "-o", "other.csv").code == 2
    assert not (tmp_path / "other.csv").exists()


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


# ---------------------------------------------------------------------------------------------------------- sealing


def test_sealing_from_the_shell(run: Run, tmp_path: Path) -> None:
    """A day that is over is sealed without being asked for more; the open segment only on demand."""
    url = f"sqlite:///{tmp_path / 'days.db'}"
    now = datetime.now(UTC)
    for days in (2, 0):
        past = now - timedelta(days=days)
        with whodid.open(url, clock=lambda past=past: past) as log:  # type: ignore[misc]
            record(log, [event(days * 100 + number, at=past) for number in range(10)])
    assert run("seal", "--store", url).out == f"0\t0-9\t20\t{HOME}\n"
    assert "Nothing was left to seal." in run("seal", "--store", url).err
    (done,) = run("seal", "--close", "--json", "--store", url).json()
    assert done["workspace"] == HOME
    assert [(one["number"], one["start"], one["stop"]) for one in done["sealed"]] == [(1, 10, 21)]
    assert run("verify", "--store", url).out == f"22\t0\tok\t{HOME}\n"
    assert "Sealing sealed the audit log" in run("search", "action:audit.sealed", "--store", url).out
    (done,) = run("seal", "--bind", "--json", "--store", url).json()
    assert [(one["number"], one["first"], one["last"], one["start"], one["stop"]) for one in done["bound"]] == [
        (0, 0, 1, 0, 21)
    ]
    assert (
        "Sealing bound sealed segments of the audit log to a volume"
        in run("show", str(done["bound"][0]["index"]), "--store", url).out
    )
    assert "Nothing was left to seal." in run("seal", "--bind", "--store", url).err


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
    assert run("verify", "--store", url).out == f"13\t20\tok\t{HOME}\n"
    assert "20 entries" in run("search", "action:audit.purged", "--store", url).out


def test_retention_is_shown_and_changed(run: Run, store: str) -> None:
    """A change is recorded with its reason."""
    assert run("retention").out == f"90 days\t\t{HOME}\n"
    foretold = run("retention", "--days", "30", "--dry-run", "--json").json()
    assert (foretold[0]["policy"]["days"], foretold[0]["entries"] + foretold[0]["stays"]) == (30, 30)
    assert "would go" in run("retention", "--days", "30", "--dry-run").err
    assert run("retention").out == f"90 days\t\t{HOME}\n"
    assert run("retention", "--days", "365", "--reason", "The auditor asked").out == f"365 days\t\t{HOME}\n"
    assert run("retention", "--json").json() == [{"workspace": HOME, "days": 365, "classes": {}}]
    assert run("retention", "--days", "forever").out == f"for good\t\t{HOME}\n"
    shown = run("search", "action:audit.retention_changed", "--json").out.splitlines()
    assert [json.loads(line)["reason"]["text"] for line in shown[1:]] == ["The auditor asked"]


# -------------------------------------------------------------------------------------------------------------- import


def test_holds_from_the_shell(run: Run, store: str) -> None:
    """Previewed, placed, listed, shown on the entry that it keeps, released once."""
    foreseen = run("hold", "preview", "resource:contact:con_7", "--json").json()
    assert foreseen["entries"] == 1

    placed = run("hold", "place", "Case 118", "resource:contact:con_7", "--reason", "Complaint", "--json").json()
    listed = run("hold", "list", "--json").json()
    assert [(one["id"], one["query"], one["reason"]["text"]) for one in listed] == [
        (placed["id"], "resource:contact:con_7", "Complaint")
    ]
    assert "Case 118" in run("hold", "list").out
    (index,) = [
        one["index"] for one in map(json.loads, run("search", "resource:contact:con_7", "--json").out.splitlines())
    ]
    assert f"legal hold Case 118 ({placed['id']}) is released" in run("show", str(index)).out

    released = run("hold", "release", placed["id"], "--reason", "Closed")
    assert released.code == 0
    assert run("hold", "list", "--json").json() == []
    again = run("hold", "release", placed["id"], "--reason", "Closed")
    assert again.code == 4
    assert "is no hold" in again.err
    assert run("hold", "place", "Case", "", "--reason", "Why").code == 2


def test_a_hold_that_somebody_took_away_in_the_database_is_told(run: Run, store: str, tmp_path: Path) -> None:
    """By verify, which names it; it is listed and can be released as any other."""
    placed = run("hold", "place", "Case 118", "resource:contact:con_7", "--reason", "Complaint", "--json").json()
    assert run("verify").code == 0
    connection = apsw.Connection(str(tmp_path / "audit.db"))
    connection.execute("DELETE FROM state WHERE name = 'holds'")
    connection.close()

    told = run("verify")
    assert told.code == 1
    assert f"the legal hold {placed['id']} was placed at" in told.err
    assert [one["id"] for one in run("hold", "list", "--json").json()] == [placed["id"]]
    assert run("hold", "release", placed["id"], "--reason", "Closed").code == 0
    assert run("verify").code == 0


def test_a_person_is_erased_from_the_shell(run: Run, store: str, tmp_path: Path) -> None:
    """Looked at first, refused without a reason and under a hold, then gone from the file; everything verifies."""
    assert run("erase", "contact:con_7", "--dry-run", "--json").json()["entries"] == 1
    assert run("erase", "contact:con_7").code == 2
    hold = run("hold", "place", "Case", "resource:contact:con_7", "--reason", "Why", "--json").json()
    held = run("erase", "contact:con_7", "--reason", "Request 12")
    assert held.code == 2
    assert hold["id"] in held.err
    run("hold", "release", hold["id"], "--reason", "Closed")

    folder = JobFolder(tmp_path / "audit.db.exports", most_bytes=1_000_000)
    order = Job(id="0" * 32, workspace=HOME, created_at=NOW, format="csv", query="", filename="audit.csv", actor=MARIA)
    assert folder.add(order)
    done = run("erase", "contact:con_7", "--reason", "Request 12", "--mentions", "--json").json()
    assert (done["entries"], done["elsewhere"]) == (1, {"exports": 1})
    assert folder.get(HOME, order.id) is None
    shown = run("show", "6", "--json").json()
    assert "name" not in shown["resource"]
    assert shown["erased"]["paths"] == ["resource.name"]
    assert "Erased" in run("show", "6").out
    assert all(b"Contact 7" not in file.read_bytes() for file in tmp_path.glob("audit.db*") if file.is_file())
    assert run("verify").code == 0
    again = run("erase", "contact:con_7", "--reason", "Again", "--json").json()
    assert (again["entries"], again["records"], again["elsewhere"]) == (0, [], {})


def test_erasures_are_listed_and_done_again_after_a_restore(run: Run, store: str, tmp_path: Path) -> None:
    """The backup has the name again, and the note beside the key takes it away; a register may come from elsewhere."""
    backup = (tmp_path / "audit.db").read_bytes()
    run("erase", "contact:con_7", "--reason", "Request 12")
    assert "contact:con_7\t1\t" in run("erasures", "list").out
    assert run("erasures", "list", "--json").json()[0]["reason"] == "Request 12"
    assert "Wrote 1 erasure" in run("erasures", "export", "register.ndjson").err
    register = tmp_path / "register.ndjson"
    assert register.stat().st_mode & 0o777 == 0o600
    assert b"Contact 7" not in register.read_bytes()
    assert run("erasures", "replay", "--json").json() == []

    for sent in ((), ("--file", "register.ndjson")):
        for name in ("audit.db-wal", "audit.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / "audit.db").write_bytes(backup)
        assert run("show", "6", "--json").json()["resource"]["name"] == "Contact 7"
        again = run("erasures", "replay", *sent)
        assert f"{HOME}: contact:con_7: erased 1 field of 1 entry again." in again.err
        assert "name" not in run("show", "6", "--json").json()["resource"]
        assert all(b"Contact 7" not in file.read_bytes() for file in tmp_path.glob("audit.db*") if file.is_file())


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


def test_a_single_day_is_one(run: Run, store: str) -> None:
    """The table is for people."""
    assert run("retention", "--days", "1").out.split("\t")[0] == "1 day"
    assert "1 day" in run("purge", "--dry-run").out.split("\t")
    assert run("retention", "--days", "2").out.split("\t")[0] == "2 days"
