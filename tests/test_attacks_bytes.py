"""Every single byte of an evidence file: the document, with hidden and purged values in it, and the page around it."""

from __future__ import annotations

import os
import random

import pytest

from tests.evidencing import ABOUT, Workshop
from tests.test_evidence_agree import FIELDS, MUTATIONS, agree
from tests.test_evidence_agree import pytestmark as in_both
from whodid import Change, Related, Resource
from whodid.errors import MalformedProof
from whodid.evidence import as_shipped, extract
from whodid.evidence.document import decode, encode
from whodid.evidence.page import page
from whodid.evidence.question import Question
from whodid.evidence.verify import verify


def small() -> Workshop:
    """Return a log of few entries in which everything that a file can hold occurs once."""
    shop = Workshop("small")
    ana = Resource(type="contact", id="con_1", name="Ana <1>")
    other = Resource(type="contact", id="con_2", name="Bea")
    absorbed = Related(type="contact", id="con_1", rel="absorbed", name="Ana")
    shop.add("contact.created", ana)
    shop.add("contact.updated", ana, changes=(Change(path="phone", before="+34 1", after="+34 2", class_="personal"),))
    shop.add("contact.merged", other, related=(absorbed,))
    shop.close()
    shop.purge(0)
    shop.close()
    return shop


QUESTIONS = {"about": ABOUT, "everything": Question()}


def files(name: str) -> tuple[bytes, str, list[bytes]]:
    """Return a document, the key of its log, and all that it becomes when one byte is another."""
    shop = small()
    data = encode(shop.evidence(QUESTIONS[name], show=FIELDS.cover))
    assert verify(data, trusted=[shop.vkey]).counts.redacted > 0
    changed = [data[:at] + bytes((data[at] ^ 1 + at % 7,)) + data[at + 1 :] for at in range(len(data))]
    return data, shop.vkey, changed


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_byte_of_a_document_counts(name: str) -> None:
    """Refuted, or part of what the file says of itself: its workspace, who made it, and when."""
    data, key, changed = files(name)
    start, stop = data.index(b'"statement":'), data.index(b'"version":')
    good = verify(data, trusted=[key])
    shown = [(entry.index, entry.fields) for entry in good.answers]
    passed = 0
    for at, one in enumerate(changed):
        verdict = verify(one, trusted=[key])
        if not verdict.ok:
            continue
        passed += 1
        assert start <= at < stop, (at, data[at - 30 : at + 30])
        first, again = decode(data).statement, decode(one).statement
        assert (first.asks, first.since, first.until) == (again.asks, again.since, again.until)
        assert [(entry.index, entry.fields) for entry in verdict.answers] == shown
        assert (verdict.levels, verdict.counts) == (good.levels, good.counts)
    assert 10 < passed < 120
    assert len(changed) > 4_000


@pytest.mark.frontend
@in_both[1]
@pytest.mark.parametrize("name", QUESTIONS)
def test_both_verifiers_judge_every_byte_alike(name: str) -> None:
    """With WHODID_MUTATIONS from 10,000 on literally every byte; otherwise some of them, drawn by a seed."""
    _, key, changed = files(name)
    draw = random.Random(os.environ.get("WHODID_MUTATIONS_SEED", "bytes"))
    wanted = changed if len(changed) <= MUTATIONS else draw.sample(changed, MUTATIONS // 2)
    verdicts = agree(wanted, key)
    assert sum(not one.ok for one in verdicts) > len(wanted) * 9 // 10


def test_every_byte_of_the_page_around_the_document_counts() -> None:
    """Whoever reads the file without its script finds the same document or none that holds, and another page."""
    shop = small()
    data = encode(shop.evidence(ABOUT))
    file = page(data)
    assert as_shipped(file)
    start = file.index(data)
    inside = range(start, start + len(data))
    refused = 0
    for at in range(len(file)):
        if at in inside:
            continue
        changed = file[:at] + bytes((file[at] ^ 1 + at % 7,)) + file[at + 1 :]
        try:
            found = extract(changed)
        except MalformedProof:
            refused += 1
            continue
        assert not as_shipped(changed), (at, file[at - 30 : at + 30])
        assert found == data or not verify(found).ok, (at, file[at - 30 : at + 30])
    assert 0 < refused < 1_000
