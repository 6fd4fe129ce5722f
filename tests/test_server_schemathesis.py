"""Requests made of the OpenAPI document, good ones and bad ones: every answer is one that the document describes.

The requests are the same in every run. `WHODID_FUZZ=500` tries so many per operation and phase instead of a few.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.serving import ALL, HOME, MARIA, READ, SECRET, Clock, open_log, token
from tests.stamping import Stamper
from whodid import Log
from whodid.server import asgi
from whodid.server.keys import KeyRing
from whodid.server.live import Live
from whodid.server.openapi import plain_path
from whodid.witness.stamp import Authority

MOST = int(os.environ.get("WHODID_FUZZ", "0"))


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Send text as it is; the document says nothing more of it."""
    return str(value).encode("utf-8", "surrogatepass")


def credential(log: Log, kind: str) -> dict[str, str]:
    """Return the header of a kind of credential."""
    match kind:
        case "nobody":
            return {}
        case "viewer":
            return {"Authorization": f"Bearer {token(HOME, ALL)}"}
        case "locked":
            return {"Authorization": f"Bearer {token(HOME, (READ,), locked='type:contact')}"}
        case _:
            key = KeyRing(log, HOME, actor=MARIA).create(kind, scopes=tuple(kind.split("+")))
            return {"Authorization": f"Bearer {key.text}"}


def refused_alone(check: str, interaction: Any) -> bool:
    """Say whether bad data was refused as the document says of batches: the event alone, in an answer of 200."""
    answer = interaction.response
    if check != "negative_data_rejection" or answer is None or answer.status_code != 200:
        return False
    results = json.loads(answer.content).get("results", ())
    return any(one["status"] == "refused" for one in results)


def faults(
    log: Log, stamper: Stamper, kind: str, *, few: int, coverage: bool
) -> tuple[dict[str, str], Counter[tuple[str, int]]]:
    """Run it, and return what it found, with what was answered how often."""
    found: dict[str, str] = {}
    answered: Counter[tuple[str, int]] = Counter()
    authority = Authority(url="https://tsa.example/", certificates=stamper.certificates)
    app = asgi(log, secret=SECRET, rate=0, read_rate=0, stamps=authority)
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20261120,
            "continue-on-failure": True,
            "headers": credential(log, kind),
            "parameters": {"header.X-Whodid-Workspace": HOME},
            "generation": {"max-examples": MOST or few, "deterministic": True, "database": "none"},
            "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": coverage or bool(MOST)}},
            "checks": {
                # No schema says which queries and which pairs of parameters mean something, which tickets wait, and
                # which scope a key has.
                "positive_data_acceptance": {"expected-statuses": ["2xx", 400, 401, 403, 404, 409, 410, 416, 422, 429]},
                "negative_data_rejection": {
                    "expected-statuses": [400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429]
                },
            },
        }
    )
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app, config=config)
    for event in executed(schema, stamper):
        if isinstance(event, events.NonFatalError):
            found[f"{event.label}: not run"] = str(event.value)
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            record = event.recorder
            for one in record.interactions.values():
                if one.response is not None:
                    answered[record.label, one.response.status_code] += 1
            for case, checks in record.checks.items():
                for check in checks:
                    if check.failure_info is not None and not refused_alone(check.name, record.interactions[case]):
                        told = check.failure_info.failure.message
                        found[f"{record.label}: {check.name}"] = f"{told}\n{record.cases[case].value.as_curl_command()}"
    return found, answered


def executed(schema: Any, stamper: Stamper) -> Iterator[Any]:
    """Run everything; a stream ends at once, or the requests would wait for one another, and heads are stamped here."""
    with patch.object(Live, "ends", lambda *_: "stopping"), patch("whodid.witness.stamp.post", stamper):
        yield from from_schema(schema).execute()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing: it is the authority of stamps")
@pytest.mark.parametrize(
    ("kind", "few", "coverage"),
    [
        ("viewer", 8, True),
        ("admin+write", 8, True),
        ("locked", 4, False),
        ("export", 3, False),
        ("write", 3, False),
        ("nobody", 3, False),
    ],
)
def test_every_answer_is_described(tmp_path: Path, kind: str, few: int, *, coverage: bool) -> None:
    """Whoever asks whatever: no failure of the server, no status, header or body beyond the document."""
    with open_log(Clock()) as log:
        found, answered = faults(log, Stamper(tmp_path / "tsa"), kind, few=few, coverage=coverage)
    assert found == {}
    # The address of the document itself is where the requests come from; it is none that they try.
    tried = {label for label, _ in answered} | {"GET /v1/openapi.json"}
    assert tried == {f"{one.method} {plain_path(one.path)}" for one in asgi(log, secret=SECRET).state.endpoints}
    assert not [one for one in answered if one[1] >= 500]
    # That most is not refused at the door shows that it was tried.
    if kind in {"viewer", "admin+write"}:
        good = sum(count for (_, status), count in answered.items() if status < 300)
        assert good > 200, good
