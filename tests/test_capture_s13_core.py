"""S13, no secret leaves the process: forty canaries, and a search for them in every byte that is written."""

from __future__ import annotations

import io
import json
import logging
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretBytes, SecretStr

import whodid
from whodid import Actor, Change, Log, Reason, Related, Resource
from whodid.capture import Capture, Direct, context
from whodid.capture.outbox import Outbox
from whodid.capture.redact import is_secret_type
from whodid.catalog import builtin
from whodid.errors import StoreUnavailable, WhodidError
from whodid.model import Event

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
THING = Resource(type="thing", id="1")
DATA = Path(__file__).parent / "data"


def canary(number: int) -> str:
    """Return a secret without a format of its own, different for each number."""
    return f"canary{number:02d}zebra"


JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"
CARD = "4111 1111 1111 1111"


def _fields(name: str, number: int) -> dict[str, Any]:
    return {"before": {name: canary(number)}, "after": {name: canary(number) + "next"}}


def _text(before: str) -> dict[str, Any]:
    return {"before": {"note": f"it was {before} until today"}, "after": {"note": f"now it is {before}next"}}


SAID: list[tuple[str, list[str], dict[str, Any]]] = [
    # a column
    ("column", [canary(1)], _fields("password", 1)),
    ("column in camel case", [canary(2)], _fields("clientSecret", 2)),
    ("column with a prefix", [canary(3)], _fields("smtp_passwd_2", 3)),
    ("column in Spanish", [canary(4)], _fields("contraseña", 4)),
    ("column of a hash", [canary(5)], _fields("password_hash", 5)),
    ("created", [canary(6)], {"after": {"api_key": canary(6)}}),
    ("deleted", [canary(7)], {"before": {"api_key": canary(7)}}),
    # nested JSON
    ("nested key", [canary(8)], {"before": {"conf": {"db": {"pwd": canary(8)}}}, "after": {"conf": {"db": {}}}}),
    ("nested in a new value", [canary(9)], {"after": {"conf": {"a": [{"b": {"access_token": canary(9)}}]}}}),
    ("list under a secret name", [canary(10)], {"before": {"tokens": [canary(10)]}, "after": {"tokens": []}}),
    ("list of objects", [canary(11)],
     {"before": {"hooks": [{"url": "u", "secret": canary(11)}]}, "after": {"hooks": [{"url": "v", "secret": "x"}]}}),
    ("named beside its value", [canary(12)],
     {"before": {"s": [{"key": "api_key", "value": canary(12)}]}, "after": {"s": [{"key": "api_key", "value": "x"}]}}),
    ("a row of settings", [canary(13)],
     {"before": {"name": "smtp_password", "value": canary(13)}, "after": {"name": "smtp_password", "value": "x"}}),
    ("a set of tokens", [JWT], {"before": {"given": [JWT, "a"]}, "after": {"given": ["a", JWT + "next"]}}),
    # headers and query strings
    ("header", [canary(14)], {"details": {"headers": {"Authorization": f"Basic {canary(14)}"}}}),
    ("header in a list of pairs", [canary(15)], {"details": {"headers": [["x-api-key", canary(15)], ["host", "h"]]}}),
    ("header as a text", [canary(16)], {"details": {"raw": f"Authorization: Basic {canary(16)}"}}),
    ("cookie", [canary(17)], {"details": {"raw": f"Cookie: theme=dark; session={canary(17)}"}}),
    ("query string", [canary(18)], {"details": {"query": f"page=2&token={canary(18)}&x=1"}}),
    ("address", [canary(19)], {"details": {"url": f"https://hook.example/in?a=1&password={canary(19)}"}}),
    ("address with credentials", [canary(20)], _text(f"postgres://app:{canary(20)}@db/main")),
    # reason, details, names
    ("reason", [JWT], {"reason": f"pasted {JWT} here"}),
    ("reason with a code", [CARD], {"reason": Reason(code="paid", text=f"card {CARD}")}),
    ("details", [canary(21)], {"details": {"login": {"otp": canary(21)}}}),
    ("details in JSON as a text", [canary(22)], {"details": {"body": json.dumps({"password": canary(22)})}}),
    ("name of a resource", [JWT], {"resource": Resource(type="thing", id="1", name=f"x {JWT}")}),
    ("name of a related one", [JWT], {"related": [Related(type="thing", id="2", rel="member", name=JWT)]}),
    # types
    ("SecretStr", [canary(23)], {"before": {"note": SecretStr(canary(23))}, "after": {"note": SecretStr("x")}}),
    ("SecretStr deep in details", [canary(24)], {"details": {"a": [{"b": SecretStr(canary(24))}]}}),
    ("SecretBytes", [canary(25)], {"after": {"note": SecretBytes(canary(25).encode())}}),
    ("bytes under a secret name", [canary(26)], {"after": {"signing_key": canary(26).encode()}}),
    # by their look
    ("hash of a password", ["R9h/cIPz0gi"], _text("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7K")),
    ("encrypted value", ["gAAAAABl" + "x" * 72], _text("gAAAAABl" + "x" * 72)),
    ("key with a known prefix", ["sk_live_51Habcd"], _text("sk_live_51HabcdEFGHijklmn")),
    ("our own key", ["ak_live_7Qabcd"], _text("ak_live_7QabcdEFGHijklmnop0123")),
    ("key of the example workspace", ["wk_7Qabcd"], _text("wk_7QabcdEFGHijklmnop0123456789")),
    ("private key", ["MIIEowabc"], _text("-----BEGIN RSA PRIVATE KEY-----\nMIIEowabc\n-----END RSA PRIVATE KEY-----")),
    ("card number", [CARD], _text(CARD)),
    ("at the end of a head", [JWT[:40]], {"after": {"body": "x " * 118 + JWT + " y" * 20_000}}),
    ("a change of the caller's own", [canary(27)], {"changes": [Change(path="password", after=canary(27))]}),
    ("what was added by hand", [canary(28)],
     {"changes": [Change(path="settings", op="set", added=[{"pin": canary(28)}], removed=[])]}),
]  # fmt: skip


def test_there_are_forty_of_them() -> None:
    """The scenario asks for as many."""
    assert len(SAID) >= 40


def everything(folder: Path, *texts: str) -> bytes:
    """Return all bytes that were written."""
    return b"\n".join([*(path.read_bytes() for path in folder.rglob("*") if path.is_file()), *map(str.encode, texts)])


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Open a log on disk."""
    with whodid.open(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


class TestCanaries:
    """Everything that is written is searched."""

    @pytest.mark.parametrize(("name", "secrets", "said"), SAID, ids=[name for name, *_ in SAID])
    def test_a_canary_is_found_nowhere(  # noqa: PLR0917 - fixtures
        self,
        log: Log,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
        name: str,
        secrets: list[str],
        said: dict[str, Any],
    ) -> None:
        """Not in the log, not in the outbox, not on stderr; and the change is still told."""
        caplog.set_level(logging.DEBUG)
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}", echo=True)
        outbox = Outbox(engine, check=log.check)
        outbox.create()
        capture = Capture.to(log, workspace="w1")
        about = said.get("resource", THING)
        rest = {key: value for key, value in said.items() if key != "resource"}

        with context(actor=AISHA):
            event = capture.event("thing.changed", about, workspace="w1", **rest)
            with engine.begin() as connection:
                outbox.write(connection, "w1", [event])
            entry_id = capture.record("thing.changed", about, **rest)
        shown = capfd.readouterr()

        written = everything(tmp_path, caplog.text, shown.out, shown.err, repr(event))
        for secret in secrets:
            for form in (secret.encode(), b64encode(secret.encode()).rstrip(b"="), json.dumps(secret)[1:-1].encode()):
                assert form not in written
        text = repr(log.get("w1", entry_id))
        assert "redacted" in text or "_fp='" in text
        engine.dispose()

    def test_a_search_that_finds_nothing_would_find_something(self, log: Log, tmp_path: Path) -> None:
        """An innocent value is in the files, so the search looks in the right place."""
        capture = Capture.to(log, workspace="w1")
        capture.record("thing.changed", THING, after={"note": "plainzebra"}, actor=AISHA)
        assert b"plainzebra" in everything(tmp_path)

    def test_errors_carry_no_values(self, log: Log, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """What fails says where and why, with the ids and types and never what was in it."""
        secret = canary(99)

        class Broken:
            def take(self, workspace: str, events: Sequence[Event]) -> None:
                raise StoreUnavailable("The disk is away", "Bring it back")

        engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
        outbox = Outbox(engine)  # its table is missing
        texts: list[str] = []
        capture = Capture(log.catalog, log.fingerprint, destination=Broken())
        faults: list[Callable[[], object]] = [
            lambda: capture.record("thing.changed", THING, after={"password": secret}, actor=AISHA),
            lambda: capture.record("x", THING, after={"note": secret}, actor=AISHA, workspace="w1"),
            lambda: Capture.to(log).record("x", THING, after={"note": secret}, actor=AISHA, workspace="w1"),
            lambda: Capture.to(log).record("a.b", (secret,), actor=AISHA, workspace="w1"),
            lambda: Capture.to(log, strict=True).record("a.b", THING, after={"note": secret}, workspace="w1"),
        ]
        with engine.connect() as connection:
            event = capture.event("a.b", THING, after={"note": secret}, actor=AISHA, workspace="w1")
            faults.append(lambda: outbox.write(connection, "w1", [event]))
            for fault in faults:
                with pytest.raises(WhodidError) as caught:
                    fault()
                texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
                logging.getLogger("app").error("it failed", exc_info=caught.value)
                held = io.StringIO()
                print(caught.value, file=held)
                sys.stderr.write(held.getvalue())
        assert secret not in "\n".join(texts) + "".join(capfd.readouterr())
        engine.dispose()


class TestTracing:
    """Hidden, never untraced."""

    def test_every_change_of_a_secret_is_told_apart(self, log: Log) -> None:
        """Another value has another fingerprint, an old one that comes back has its own."""
        capture = Capture.to(log, workspace="w1")
        prints = []
        for text in ("a", "b", "a"):
            event = capture.event("x.y", THING, after={"note": SecretStr(text)}, workspace="w1", actor=AISHA)
            prints.append(event.changes[0].after_fp)
        assert prints[0] == prints[2] != prints[1]
        assert prints[0] == log.fingerprint("w1", b'"a"')

    def test_fingerprints_are_optional(self, log: Log) -> None:
        """Without a key a secret says only that it changed, and the log takes it."""
        capture = Capture(builtin(), None, destination=Direct(log), workspace="w1")
        fields = {"password": "a", "conf": [{"pin": "1"}]}
        event = capture.event("x.y", THING, before={}, after=fields, details={"otp": "1"}, actor=AISHA)
        log.check("w1", event)
        assert event.changes[0] == Change(path="password", op="add", class_="secret")
        assert (event.changes[1].path, event.changes[1].after) == ("conf[0]", {"pin": {"$": "redacted"}})
        assert event.details == {"otp": {"$": "redacted"}}

    def test_a_body_can_be_hidden_whole_and_a_field_be_let_in(self) -> None:
        """What a kind of thing holds is never shown, except for the fields that are let in by name."""
        catalog = builtin().with_fields("vault", {"*": "secret", "label": "plain"})
        catalog = catalog.with_fields("customer", {"token_prefix": "plain"})
        with whodid.open("memory://", catalog=catalog) as log:
            capture = Capture.to(log, workspace="w1")
            with context(actor=AISHA):
                vault = capture.record("vault.updated", ("vault", "1"), before={}, after={"x": "inno", "label": "Mail"})
                customer = capture.record("customer.created", ("customer", "1"), after={"token_prefix": "ak_7Q"})
            hidden = log.get("w1", vault)
            let_in = log.get("w1", customer)
        assert "inno" not in repr(hidden)
        assert [(c.path, c.class_) for c in hidden.changes] == [("x", "secret"), ("label", "plain")]
        assert let_in.changes[0].after == "ak_7Q"

    def test_types_of_columns_give_secrets_away(self) -> None:
        """By the name of the class, whichever library it is from."""

        class StringEncryptedType:
            pass

        class EncryptedCharField(StringEncryptedType):
            pass

        class Mine(EncryptedCharField):
            pass

        assert is_secret_type(Mine)
        assert is_secret_type(SecretStr)
        assert not is_secret_type(sa.String)


def test_normal_values_stay_readable(log: Log) -> None:
    """Of 500 values that are no secrets at most five are hidden."""
    capture = Capture.to(log)
    values = [json.loads(line) for line in (DATA / "normal_values.ndjson").read_text("utf-8").splitlines()]
    hidden = []
    for one in values:
        event = capture.event("x.y", THING, after={one["field"]: one["value"]}, workspace="w1", actor=AISHA)
        kept = [change.after for change in event.changes]
        if one["value"] not in ("", [], {}) and kept != [one["value"]]:
            hidden.append(one)
    assert len(values) == 500
    assert len(hidden) <= 5, hidden
