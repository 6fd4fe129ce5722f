"""Every parser that meets bytes from outside: whatever arrives, it answers, or refuses in its own words.

Each is given damaged samples of what it reads (bits turned, pieces cut out, doubled and put in) and plain noise. An
exception that is not of its family is a fault, and so is one that takes for ever, which pytest-timeout ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evidencing import ABOUT, furnished
from whodid import canonical
from whodid.capture.middleware.addresses import parse_address
from whodid.capture.remote.frames import frame, open_payload
from whodid.capture.remote.frames import parts as frames_of
from whodid.detect.sigma import parse_rules
from whodid.errors import WhodidError
from whodid.evidence.document import decode as decode_document
from whodid.evidence.document import encode
from whodid.evidence.verify import verify
from whodid.export.import_.read import read as read_import
from whodid.export.verify import verify_export
from whodid.intake.decode import decode_batch, decode_event, decode_parts
from whodid.proof import note, tile
from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.cosign import format_request, parse_request
from whodid.proof.index import Index
from whodid.proof.leaf import Header
from whodid.proof.policy import parse_policy
from whodid.proof.seal import Seal
from whodid.query import Cursor, parse
from whodid.retention.register import read_register
from whodid.server.bodies import Refused, read_events, unpack_body
from whodid.server.compat import splunk_events
from whodid.server.compat.graphql import parse_document
from whodid.server.compat.otlp_records import read_json
from whodid.server.compat.otlp_wire import read_protobuf
from whodid.server.compat.retraced_search import read_search
from whodid.server.compat.rfc5424 import read_message
from whodid.server.compat.shared import Refusal
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.signing import unpack
from whodid.server.tokens import verify_token
from whodid.sinks.kinds.schedule import read_schedule
from whodid.store.moving import decode_mark
from whodid.store.packing import decode_head, decode_shape, unpack_postings

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
EVENT = (
    b'{"id":"0193a0f2-6c3e-7d51-9a4b-5f1e2d3c4b5a","occurred_at":"2026-11-27T09:00:00Z","action":"contact.deleted",'
    b'"actor":{"type":"user","id":"usr_2M","name":"Maria \\u00e9"},"resource":{"type":"contact","id":"con_4H7P"},'
    b'"changes":[{"path":"city","before":"Getafe","after":["Madrid",1.5,null]}],"details":{"a":{"b":[1,2,{}]}}}'
)
SYSLOG = (
    b'<165>1 2026-11-27T09:00:00.003Z mail.example app 42 ID47 [whodid@32473 actor="maria \\"m\\"" x="1"]'
    b'[meta sequenceId="7"] \xef\xbb\xbfMaria deleted \xc3\xa9'
)
GRAPHQL = (
    b'query Q($a: String = "x") { search(query: $a, last: 5, f: {b: [1.5e3, ENUM, true]}) { edges { node { id } } } }'
)
OTLP = (
    b'{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeLogs":'
    b'[{"scope":{},"logRecords":[{"timeUnixNano":"1795773803000000000","severityNumber":9,"body":{"kvlistValue":'
    b'{"values":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"5"},{"bytesValue":"AA=="}]}}}]}}}]}]}]}'
)
RULE = b"""title: Many exports
id: 2f1d4a52-3a32-4d71-9a41-1f2d3c4b5a60
level: high
logsource: {product: whodid}
detection:
  selection:
    action|startswith: 'export.'
    actor.name|contains|all: [a, 'b*c']
  condition: selection and not 1 of other_*
"""
QUERY = 'actor:"Maria Torres",usr_1 -kind:delete date:2026-11-01..2026-11-27 index:>=5 ip:10.0.0.0/8 (perez OR "x y")'
NOTE = "example.com/log\n5\n" + "A" * 43 + "=\n\n— example.com/log AAAAAQID" + "A" * 80 + "\n"
POLICY = (
    b"log example.com+6d2f2d2e+AX\nwitness w1 example.com+6d2f2d2e+AX https://w.example/\ngroup g any w1\nquorum g\n"
)


class Parser(NamedTuple):
    """A parser with what it may be given.

    Args:
        read: Takes bytes.
        samples: Sound or nearly sound input.
        refusals: What it may raise, besides the family of whodid.
    """

    read: Callable[[bytes], object]
    samples: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = ()

    @property
    def family(self) -> tuple[type[Exception], ...]:
        """What it may raise."""
        return (WhodidError, *self.refusals)


def text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Give a parser of text whatever text the bytes can be, surrogates included."""
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def consumed(read: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    """Take everything that an iterator yields."""
    return lambda data: list(read(data))


def exported(data: bytes) -> object:
    """Read an export of several lines, of which the last is its manifest."""
    *lines, manifest = data.split(b"\n")
    return verify_export(iter(lines), manifest)


PARSERS: dict[str, Parser] = {
    "query.parse": Parser(text(lambda given: parse(given, now=NOW)), (QUERY.encode(),)),
    "query.Cursor": Parser(text(Cursor.parse), (str(Cursor(occurred_at=1_795_773_803_000_000, index=7)).encode(),)),
    "canonical.read_wire": Parser(canonical.read_wire, (EVENT,)),
    "intake.decode_event": Parser(decode_event, (EVENT,)),
    "intake.decode_batch": Parser(decode_batch, (EVENT + b"\n" + EVENT, b"[" + EVENT + b"," + EVENT + b"]")),
    "server.read_events": Parser(
        lambda data: (read_events(data, "application/json"), read_events(data, "application/x-ndjson")),
        (EVENT, b'{"events":[' + EVENT + b"]}"),
        (Refused,),
    ),
    "server.unpack_body": Parser(
        lambda data: [unpack_body(data[1:], ("gzip", "deflate", "zstd", "br")[data[0] % 4 if data else 0])],
        (b"\0\x1f\x8b\x08\0\0\0\0\0\0\x03KL\x04\0\xb2\xa9\x8dV\x02\0\0\0", b"\2(\xb5/\xfd \x01\t\0\0a"),
        (Refused,),
    ),
    "server.unpack": Parser(text(unpack), (b"AAECAwQ",)),
    "server.verify_token": Parser(
        text(lambda given: verify_token(bytes(32), given, now=NOW)), (b"wv1.eyJhIjoxfQ.AAAA", b"a.b.c")
    ),
    "compat.graphql": Parser(text(lambda given: parse_document(given, {"a": 1})), (GRAPHQL,), (Refusal,)),
    "compat.retraced_search": Parser(
        text(read_search), (b'action:x.y crud:c,d actor.id:"5" received:2026-01-01,',), (Refusal,)
    ),
    "compat.otlp_json": Parser(read_json, (OTLP,), (Refusal, Refused)),
    "compat.otlp_protobuf": Parser(
        read_protobuf,
        (b"\n\x1d\n\x00\x12\x19\n\x00\x12\x15\x09\0\0\0\0\0\0\0\0*\x0a\n\x08a longer",),
        (Refusal, Refused),
    ),
    "compat.splunk": Parser(
        lambda data: (splunk_events.read_events(data, {}), splunk_events.read_lines(data, {})),
        (b'{"event":' + EVENT + b',"time":1795773803.25}{"event":"b"}',),
        (splunk_events.Fault, Refused, Refusal),
    ),
    "compat.syslog": Parser(read_message, (SYSLOG,)),
    "compat.syslog_address": Parser(text(read_address), (b"tls://0.0.0.0:6514?cert=/a&key=/b&workspace=w",)),
    "capture.parse_address": Parser(text(parse_address), (b"[2001:db8::1%eth0]:443", b"203.0.113.7:80")),
    "capture.frames": Parser(
        lambda data: list(frames_of(data, ended=True)),
        (b"".join(frame("w", 5, decode_event(EVENT)) for _ in range(3)),),
    ),
    "capture.open_payload": Parser(open_payload, (b'["w",5,' + EVENT + b"]",)),
    "intake.decode_parts": Parser(lambda data: decode_parts(data.split(b"\n")), (EVENT + b"\n" + EVENT,)),
    "sinks.read_schedule": Parser(
        text(lambda given: read_schedule({"hours": given, "digest": given, "zone": given, "urgent": given})),
        (b"mon-fri 08:00-18:00", b"09:00", b"Europe/Madrid", b"warning,critical"),
    ),
    "proof.parse_note": Parser(text(note.parse_note), (NOTE.encode(),)),
    "proof.parse_note of bytes": Parser(note.parse_note, (NOTE.encode(),)),
    "proof.parse_checkpoint": Parser(text(parse_checkpoint), (NOTE.partition("\n\n")[0].encode() + b"\n",)),
    "proof.decode_base64": Parser(text(note.decode_base64), (b"AAEC",)),
    "proof.Verifier": Parser(text(note.Verifier), (b"example.com/log+6d2f2d2e+" + b"A" * 44,)),
    "proof.parse_policy": Parser(parse_policy, (POLICY,)),
    "proof.parse_request": Parser(parse_request, (format_request(3, [bytes(32)] * 2, NOTE),)),
    "proof.decode_bundle": Parser(tile.decode_bundle, (tile.encode_bundle([b"one", b"two", b""]),)),
    "proof.parse_path": Parser(text(tile.parse_path), (b"tile/entries/x001/234.p/17", b"tile/0/x123/x456/789")),
    "proof.Header": Parser(Header.decode, (Header(0, 1_795_773_803_000_000, bytes(32), (bytes(16),) * 3).encode(),)),
    "proof.Seal": Parser(Seal.decode, (bytes(189), bytes(200))),
    "proof.Index": Parser(Index.decode, (bytes(60),)),
    "evidence.decode": Parser(decode_document, (b"{}",)),
    "evidence.verify": Parser(verify, ()),
    "export.verify_export": Parser(exported, (EVENT + b"\n" + EVENT + b'\n{"manifest":1}',)),
    "export.import": Parser(
        lambda data: list(read_import(BufferedReader(BytesIO(data)))),
        (
            EVENT + b"\n",
            b'{"Records":[{"eventVersion":"1.08","eventTime":"2026-11-27T09:00:00Z"}]}',
            b"[" + EVENT + b"]",
        ),
    ),
    "retention.read_register": Parser(read_register, (b'{"workspace":"w","record":1}\n',)),
    "detect.parse_rules": Parser(text(lambda given: parse_rules(given, "x.yml")), (RULE,)),
    "store.decode_head": Parser(decode_head, (bytes(50),)),
    "store.decode_shape": Parser(decode_shape, (bytes(50),)),
    "store.decode_mark": Parser(decode_mark, (b'{"kind":"left","token":"a","other":"b"}',)),
    "store.unpack_postings": Parser(lambda data: unpack_postings(data, "segment 1"), (b"(\xb5/\xfd \x01\t\0\0a",)),
}
"""Each parser of bytes that somebody else may have made, by its name."""

ELSEWHERE = {
    "open_log": "opens an address that the operator gives",
    "open_store": "likewise",
    "read_stamp": "reads what keep_stamp wrote, which was checked",
    "read_certificates": "reads files of the operator",
    "read_policy": "reads a file, and hands it to parse_policy; or the state of a log",
    "read_cosigner": "reads a file of the operator",
    "read_client_secret": "reads a file of the operator",
    "read_secret": "reads a file of the operator",
    "read_secrets": "reads files of the operator",
    "read_token": "reads a file of the operator",
    "read_keys": "reads a file of the operator",
    "read_heads": "reads files of the operator, and hands what they hold to parse_note",
    "read_holds": "reads the state of a log",
    "read_sinks": "reads the state of a log",
    "read_language": "reads the state of a log",
    "read_words": "reads an option of a sink, which is one of the languages there are",
    "read_zone": "reads an option of a sink, which is the name of a zone",
    "read_position": "reads the state of a log",
    "read_settings": "reads the state of a log",
    "read_erasures": "reads entries of a log",
    "read_before": "reads rows of the application",
    "read_ids": "reads a file that a sink of ours wrote to the bucket",
    "read_query": "test_compat_retraced reads requests with it; it hands documents to parse_document",
    "read_object": "test_compat_isolation and test_server_schemathesis send it bodies",
    "read_order": "test_server_schemathesis and test_server_abuse send it bodies",
    "read_counts": "reads arguments that parse_document read",
    "read_time": "reads a value that the import read",
    "read_lines": "with read_events of Splunk",
    "open_grant": "test_compat_retraced_viewer changes every character of it",
    "open_receiver": "opens a sink",
    "open_wire": "opens an entry",
    "open_units": "tells what is open",
    "open_folder": "opens a folder",
    "open_note": "parse_note, and then the verifiers",
    "open_checkpoint": "open_note, and then parse_checkpoint",
}
"""Functions with such a name that are not in the table, and why."""


@pytest.fixture(scope="module")
def evidence() -> bytes:
    """Return a sound page of evidence."""
    return encode(furnished(segments=2, entries=3).evidence(ABOUT))


@st.composite
def damaged(draw: st.DrawFn, samples: tuple[bytes, ...]) -> bytes:
    """Draw a sample to which a few things were done, or noise."""
    if not samples or draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 4)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at : at + draw(st.integers(1, 20))]
            case 2:
                data[at:at] = draw(st.binary(max_size=8))
            case 3:
                data[at:at] = data[at : at + draw(st.integers(1, 40))] * draw(st.integers(1, 3))
            case _:
                data[at:at] = draw(st.sampled_from(_NASTY))
    return bytes(data)


_NASTY = (
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"\\", b"\\u0000", b"{" * 300, b"[" * 300, b"(" * 300, b"9" * 400),
    *(b"1e999", b"-0", b"NaN", "\u202e".encode(), b"\r\n", b"%00", b"*" * 50, b"&a", b"!!python/object:os.system"),
    *(b"\xf0\x9f\x98\x80", b"\x80" * 12, b"2026-13-45T99:99:99Z", b"+" * 30),
)


@pytest.mark.parametrize("name", [name for name in PARSERS if name != "evidence.verify"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_arrives_is_answered_or_refused(name: str, data: st.DataObject) -> None:
    """Nothing but a value or a refusal of the parser's own family."""
    parser = PARSERS[name]
    given_bytes = data.draw(damaged(parser.samples))
    try:
        parser.read(given_bytes)
    except parser.family:
        return


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_page_of_evidence_is_there_is_a_verdict(evidence: bytes, data: st.DataObject) -> None:
    """A verdict, and for a page that is not the sound one any more never a silent failure."""
    verdict = verify(data.draw(damaged((evidence,))))
    assert isinstance(verdict.ok, bool)


def test_the_samples_are_worth_damaging(evidence: bytes) -> None:
    """Most of them are read: what is damaged is near to what is sound."""
    read = []
    for name, parser in PARSERS.items():
        for sample in parser.samples:
            try:
                parser.read(sample)
            except parser.family:
                continue
            read.append(name)
    assert len(set(read)) > 25
    assert verify(evidence).ok


def test_every_parser_of_foreign_bytes_is_here() -> None:
    """Whatever in the source is called as a parser is in the table, or it is said why it is not."""
    called = re.compile(r"^(?:async )?def ((?:parse|read|decode|unpack|open)_\w+)\(", re.MULTILINE)
    rooms = [file for file in (ROOT / "src" / "whodid").rglob("*.py") if "testing" not in file.parts]
    found = {name for file in rooms for name in called.findall(file.read_text())}
    source = Path(__file__).read_text()
    table = source[source.index("PARSERS: dict") : source.index("ELSEWHERE =")]
    missing = {name for name in found if not re.search(rf"\b{name}\b", table) and name not in ELSEWHERE}
    assert not missing, "new parsers: give them a row in PARSERS, or say in ELSEWHERE why none is needed"
    assert set(ELSEWHERE) <= found
    for wanted in ("query", "wire", "evidence", "note", "bundle", "syslog", "otlp", "graphql"):
        assert any(wanted in name for name in PARSERS), wanted
