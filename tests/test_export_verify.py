"""Verifying exported files: whatever was changed in one is found, and what proofs do not cover is known by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, event, full_event, opened, record
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.export import Report, export, verify_export
from whodid.export.ndjson import Manifest, seal
from whodid.proof import Signer

OTHER_KEY = Signer("localhost/audit/other", bytes(32)).vkey


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Open a log with 300 entries, the first of them with every part."""
    with opened(request.param, tmp_path, Clock()) as log:
        record(log, [full_event(1), *(event(number) for number in range(2, 301))])
        yield log


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Log]:
    """Open a log in memory with three entries, for tests that try every byte."""
    with opened("memory", tmp_path, Clock()) as log:
        record(log, [event(1), full_event(2), event(3)])
        yield log


def proven_file(log: Log, query: str = "") -> list[bytes]:
    """Export with proofs and return the lines."""
    file = BytesIO()
    export(log, HOME, query, "ndjson", file, actor=MARIA, proofs=True)
    return file.getvalue().splitlines(keepends=True)


def check(lines: list[bytes], *keys: str) -> Report:
    """Verify a file given as lines."""
    return verify_export(lines, lines[-1] if lines else b"", trusted=keys)


def forged(lines: list[bytes], **changed: object) -> list[bytes]:
    """Make the manifest fit again, as a forger would: count, digest and what is given."""
    manifest = msgspec.json.decode(lines[-1], type=Manifest)
    manifest = msgspec.structs.replace(manifest, **{"count": len(lines) - 1, **changed})
    return [*lines[:-1], seal(manifest, sha256(b"".join(lines[:-1]))).encode()]


# ------------------------------------------------------------------------------------------------------- what is fine


def test_an_export_of_everything_verifies_and_is_complete(log: Log) -> None:
    """The report counts what was proven and says that nothing is missing."""
    lines = proven_file(log)
    report = check(lines, log.verifier_key(HOME))

    assert report.ok, report.problems
    assert report.trusted
    assert (report.proven, report.count, report.size) == (300, 300, 300)
    assert (report.gapless, report.first) == (True, 0)
    assert report.origin == log.head(HOME).origin
    assert report.workspace == HOME
    assert report.digest == sha256(b"".join(lines)).hexdigest()


def test_a_filtered_export_verifies_and_claims_no_completeness(log: Log) -> None:
    """Each entry is proven; that none was left out is not said."""
    lines = proven_file(log, "actor:usr_joao")
    report = check(lines, log.verifier_key(HOME))

    assert report.ok, report.problems
    assert report.proven == 150
    assert not report.gapless
    assert report.query == "actor:usr_joao"


def test_an_export_without_entries_verifies(log: Log) -> None:
    """A file that says that nothing matched is a file like any other."""
    report = check(proven_file(log, "actor:nobody"), log.verifier_key(HOME))

    assert report.ok
    assert (report.proven, report.count, report.gapless, report.first) == (0, 0, False, None)


def test_an_old_export_still_verifies_after_the_log_grew(log: Log) -> None:
    """A file is bound to the checkpoint that it carries, not to the newest one."""
    lines = proven_file(log)
    record(log, [event(number) for number in range(301, 400)])
    log.checkpoint(HOME)

    assert check(lines, log.verifier_key(HOME)).ok


# --------------------------------------------------------------------------------------------------------- whose key


def test_the_files_own_key_makes_no_trust(log: Log) -> None:
    """Without a key from elsewhere the file is consistent, and the report says that nobody vouches for it."""
    report = check(proven_file(log))

    assert report.ok
    assert not report.trusted
    assert report.vkey == log.verifier_key(HOME)


def test_a_key_that_is_not_trusted_is_a_problem(log: Log) -> None:
    """A file signed by somebody else is refused with the name of its key."""
    report = check(proven_file(log), OTHER_KEY)

    assert not report.ok
    assert not report.trusted
    assert "which is not a trusted one" in report.problems[0].fact
    assert report.problems[0].line is None


def test_one_of_several_trusted_keys_is_enough(log: Log) -> None:
    """An auditor holds the keys of many logs."""
    assert check(proven_file(log), OTHER_KEY, log.verifier_key(HOME)).trusted


def test_a_file_of_another_log_is_refused_by_this_logs_key(log: Log, tmp_path: Path) -> None:
    """Entries that another log recorded do not pass for this log's, even with a manifest that names its key."""
    (tmp_path / "other").mkdir()
    with opened("memory", tmp_path / "other", Clock()) as other:
        record(other, [event(number) for number in range(1, 9)])
        lines = forged(proven_file(other), vkey=log.verifier_key(HOME), origin=log.head(HOME).origin)

    assert not check(lines, log.verifier_key(HOME)).ok


def test_a_trusted_key_that_is_no_key_is_an_error_of_the_caller(log: Log) -> None:
    """A mistyped key must not look like a refuted file."""
    with pytest.raises(InvalidSetting):
        check(proven_file(log), "localhost/audit/x+00000000+AAAA")


# ------------------------------------------------------------------------------------------------------ what was cut


def test_a_file_cut_anywhere_is_found(small: Log) -> None:
    """Whatever the place of the cut, inside a line or between two, the file does not verify."""
    data = b"".join(proven_file(small, "index:0..1"))
    for length in range(len(data)):
        lines = data[:length].splitlines(keepends=True)
        assert not check(lines, small.verifier_key(HOME)).ok, length


def test_a_removed_line_is_found_by_the_count(log: Log) -> None:
    """The manifest knows how many entries there were."""
    lines = proven_file(log)
    del lines[100]
    report = check(lines, log.verifier_key(HOME))

    assert report.problems[0].fact == "The manifest announces 300 entries, and the file has 299"


def test_a_removed_line_ends_completeness_even_if_the_manifest_was_forged(log: Log) -> None:
    """Count and digest can be forged, indexes without a gap cannot."""
    lines = proven_file(log)
    del lines[100]
    report = check(forged(lines), log.verifier_key(HOME))

    assert report.ok
    assert not report.gapless


@pytest.mark.parametrize("forge", [False, True], ids=["as it is", "with a forged manifest"])
def test_a_repeated_line_is_found(log: Log, forge: bool) -> None:
    """The second of two equal lines is named."""
    lines = proven_file(log)
    lines.insert(51, lines[50])
    report = check(forged(lines) if forge else lines, log.verifier_key(HOME))

    assert report.problems[0].line == 52
    assert report.problems[0].index == json.loads(lines[50])["index"]
    assert "a second time" in report.problems[0].fact


@pytest.mark.parametrize("forge", [False, True], ids=["as it is", "with a forged manifest"])
def test_swapped_lines_are_found(log: Log, forge: bool) -> None:
    """The line that comes too late is named."""
    lines = proven_file(log)
    lines[10], lines[20] = lines[20], lines[10]
    report = check(forged(lines) if forge else lines, log.verifier_key(HOME))

    assert report.problems[0].line == 12
    assert "wrong place" in report.problems[0].fact


def test_lines_after_the_manifest_are_found(log: Log) -> None:
    """Nothing can be appended."""
    lines = proven_file(log)

    assert not check([*lines, lines[0]], log.verifier_key(HOME)).ok
    assert not verify_export([*lines, lines[0]], lines[-1], trusted=[log.verifier_key(HOME)]).ok


def test_an_exchanged_proof_is_found(log: Log) -> None:
    """The proof of one entry does not prove another."""
    lines = proven_file(log)
    entry, _, _ = lines[100].partition(b',"proof":')
    _, _, proof = lines[102].partition(b',"proof":')
    lines[100] = entry + b',"proof":' + proof
    report = check(forged(lines), log.verifier_key(HOME))

    assert [problem.line for problem in report.problems] == [101]
    assert report.problems[0].fact == "The entry is not what was recorded at this place of the log"


def test_an_exchanged_path_is_found(log: Log) -> None:
    """A path that leads from elsewhere does not lead to the root."""
    lines = proven_file(log)
    first, second = json.loads(lines[3]), json.loads(lines[40])
    old, new = json.dumps(first["proof"]["path"]), json.dumps(second["proof"]["path"])
    lines[3] = lines[3].replace(old.replace(" ", "").encode(), new.replace(" ", "").encode())
    report = check(forged(lines), log.verifier_key(HOME))

    assert [problem.line for problem in report.problems] == [4]


# ------------------------------------------------------------------------------------------------ every single byte

UNAUTHENTICATED = {"query", "exported_at"}
"""Members of the manifest that only the digest covers, beside the digest itself."""


def test_every_flipped_byte_is_found(small: Log) -> None:
    """A single changed byte anywhere in a file, without a forged digest, never passes."""
    lines = proven_file(small, "index:0..1")
    data = b"".join(lines)
    key = small.verifier_key(HOME)
    assert check(lines, key).ok

    for at in range(len(data)):
        for flip in (0x01, 0x20):
            changed = bytearray(data)
            changed[at] ^= flip
            assert not check(bytes(changed).splitlines(keepends=True), key).ok, (at, flip, data[at : at + 1])


def test_with_a_forged_digest_only_unauthenticated_text_can_be_changed(small: Log) -> None:
    """Somebody who recomputes the digest can change the query and the time of the export, and nothing else."""
    lines = proven_file(small, "index:0..1")
    key = small.verifier_key(HOME)
    manifest = lines[-1]
    head = b"".join(lines[:-1])
    survived: set[str] = set()
    for at in range(len(head)):
        changed = bytearray(head)
        changed[at] ^= 0x01
        altered = bytes(changed).splitlines(keepends=True)
        if check(forged([*altered, manifest], count=2), key).ok:
            survived.add(f"byte {at} of an entry")
    spans = member_spans(manifest)
    for at in range(len(manifest) - 1):
        changed = bytearray(manifest)
        changed[at] ^= 0x01
        try:
            attempt = forged([*lines[:-1], bytes(changed)])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # it is no manifest any more, and no forger gains by it
        if check(attempt, key).ok and attempt[-1] != manifest:
            survived.add(next((name for name, span in spans.items() if at in span), f"byte {at} of the manifest"))

    assert survived == UNAUTHENTICATED


def member_spans(manifest: bytes) -> dict[str, range]:
    """Return where the value of each member of a manifest stands."""
    spans = {}
    for name, value in json.loads(manifest).items():
        text = f'"{name}":{json.dumps(value, ensure_ascii=False)}'.encode()
        start = manifest.index(text)
        spans[name] = range(start + len(name) + 3, start + len(text))
    return spans


# ----------------------------------------------------------------------------------------------------- hostile files


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"whodid":"export"}\n',
        b"[" * 100_000 + b"\n",
        b'{"whodid":"export","version":2}\n',
        b'"index","id"\r\n"0","x"\r\n',
    ],
)
def test_a_file_that_is_no_export_is_refused_calmly(data: bytes) -> None:
    """Whatever the file holds, the report says what is wrong and nothing is raised."""
    lines = data.splitlines(keepends=True)
    report = check(lines)

    assert not report.ok
    assert report.problems[0].line is None


@pytest.mark.parametrize(
    "hostile",
    [
        b"{}\n",
        b'{"proof":{}}\n',
        b"\xff\n",
        b"[" * 50_000 + b"\n",
        b'{"details":'
        + b'{"a":' * 5_000
        + b"1"
        + b"}" * 5_000
        + b',"proof":{"kind":1,"path":[],"salts":[],"tags":[]}}\n',
    ],
)
def test_a_hostile_line_is_named_and_the_others_are_still_checked(log: Log, hostile: bytes) -> None:
    """One line that cannot be read is a problem of its own."""
    lines = proven_file(log)
    lines[7] = hostile
    report = check(forged(lines), log.verifier_key(HOME))

    assert [problem.line for problem in report.problems] == [8]
    assert report.proven == 299


def test_an_impossible_proof_is_named(log: Log) -> None:
    """Members of the wrong size, kind or number are malformed, not a crash."""
    lines = proven_file(log)
    proof = json.loads(lines[0])["proof"]
    for change in (
        {"kind": 0},
        {"kind": 300},
        {"kind": -1},
        {"salts": proof["salts"][:-1]},
        {"salts": ["AAAA"] * len(proof["salts"])},
        {"tags": ["AAAA"]},
        {"tags": proof["tags"] * 100},
        {"path": [*proof["path"], proof["path"][0]]},
        {"path": ["not base64"]},
    ):
        text = json.dumps({**proof, **change}, separators=(",", ":"), sort_keys=True).encode()
        altered = [lines[0].partition(b',"proof":')[0] + b',"proof":' + text + b"}\n", *lines[1:]]
        report = check(forged(altered), log.verifier_key(HOME))

        assert [problem.line for problem in report.problems] == [1], change


def test_many_problems_are_cut_at_a_hundred(log: Log) -> None:
    """A file that is wrong throughout does not make a report without end."""
    lines = [line.replace(b'"path":', b'"Path":') for line in proven_file(log)]

    assert len(check(forged(lines), log.verifier_key(HOME)).problems) == 100
