"""What stays provable across purges: at every cut of a log, and for a file of evidence that was made before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.keeping import HOME, MARIA, STORES, Clock, catalog, event, opened, record
from whodid import Log, Resource
from whodid.errors import Refuted
from whodid.evidence.document import decode
from whodid.evidence.make import make
from whodid.evidence.page import extract
from whodid.evidence.question import ask
from whodid.evidence.verify import verify
from whodid.proof import open_checkpoint, tree
from whodid.proof.checkpoint import Checkpoint
from whodid.proof.note import Verifier
from whodid.retention import purge

CUTS = 600


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open an empty log."""
    with opened(request.param, tmp_path, clock, catalog()) as log:
        yield log


def signed(log: Log, note: str) -> Checkpoint:
    """Return a checkpoint that the log signed."""
    return open_checkpoint(note, Verifier(log.verifier_key(HOME)))[0]


def check_extends(log: Log, old: Checkpoint) -> Checkpoint:
    """Insist that the log of today extends the one of an old checkpoint, and return today's."""
    new = signed(log, log.checkpoint(HOME))
    proof = log.prove_consistency(HOME, old.size, new.size)
    tree.check_consistency(old.size, new.size, old.root, new.root, proof)
    return new


def test_at_every_cut_everything_above_it_is_proven(clock: Clock) -> None:
    """From 1 to 600 purged entries: the first that stays, one in the middle, the newest, and that the log only grew.

    The store makes no difference to the mathematics, so the one in memory, which is quick, stands for all.
    """
    with opened("memory", Path(), clock, catalog()) as log:
        record(log, [event(number, "contact.updated") for number in range(CUTS + 1)])
        before = signed(log, log.checkpoint(HOME))
        for cut in range(1, CUTS + 1):
            said = event(10_000 + cut, "audit.purged", resource=Resource(type="log", id=HOME))
            done = log.forget(HOME, [range(cut - 1, cut)], said)
            assert done is not None
            assert (done.first, log.head(HOME).first) == (cut, cut)
            now = signed(log, log.checkpoint(HOME))
            for index in (cut, (cut + now.size) // 2, now.size - 1):
                found = log.prove(HOME, index)
                tree.check_inclusion(index, now.size, tree.leaf_hash(found.leaf), found.path, now.root)
            if cut % 50 in {0, 1, 49}:
                assert check_extends(log, before).root == now.root
        assert log.verify(HOME).ok


def test_evidence_from_before_a_purge_links_to_todays_checkpoint(log: Log, clock: Clock) -> None:
    """The file verifies as ever, and the head in it is one that the log of today extends; a forged one is not."""
    ana = Resource(type="contact", id="con_ana", name="Ana")
    record(log, [event(number, "contact.updated", clock.now, resource=ana) for number in range(1, 301)])
    made = make(log, HOME, ask(["resource:contact:con_ana"], catalog=log.catalog), actor=MARIA)
    clock.advance(days=100)
    record(log, [event(1_000 + number, "contact.updated", clock.now) for number in range(40)])
    assert purge(log, HOME).entries >= 300
    assert log.head(HOME).first >= 300

    verdict = verify(extract(made.file), trusted=[log.verifier_key(HOME)])
    assert verdict.ok, verdict.problems
    assert verdict.counts.shown == 300
    old = signed(log, decode(extract(made.file)).checkpoint)
    assert 300 <= old.size < log.head(HOME).size
    check_extends(log, old)
    with pytest.raises(Refuted):
        check_extends(log, replace(old, root=bytes(32)))
