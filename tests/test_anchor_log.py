"""The anchor log: what it takes, what it keeps, what a workspace can show of it, and what it tells of the others."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

import whodid
from tests.evidencing import ABOUT, Workshop, codes, furnished
from tests.faults.writer import event
from tests.keeping import Clock
from tests.test_evidence_agree import agree
from whodid import canonical
from whodid.cli.outside import Outside
from whodid.errors import InvalidSetting, MalformedProof, NotFound, Refuted, StoreUnavailable
from whodid.evidence import extract, make, verify
from whodid.evidence.document import Document, Link, encode
from whodid.evidence.question import Question
from whodid.log import ANCHORS, Linked, Log, Stamp, keep_stamp
from whodid.log.moving import move
from whodid.model import Entry
from whodid.proof import leaf, tree
from whodid.proof.anchoring import AnchorMap, anchors_key, check_anchored
from whodid.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from whodid.proof.cosign import Cosigner
from whodid.proof.note import Signer, Verifier, format_note, parse_note
from whodid.proof.policy import parse_policy
from whodid.server.witnessing import AnchorWorker, WitnessWorker
from whodid.store.sqlite import SQLiteStore
from whodid.witness import cosign
from whodid.witness.book import Book

NAMES = ("acme", "bern", "casa")
NORTH = Cosigner("north.example/w", bytes(range(32)))


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Return a log of three workspaces."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url, clock=clock, name="audit.example") as opened:
        for number, name in enumerate(NAMES):
            opened.record_many(name, [event(name, at) for at in range(number + 2)])
        yield opened


def kept_maps(log: Log) -> list[int]:
    """Return the entries of which the map is kept."""
    return [at for at in range(log.head(ANCHORS).size) if log.state(ANCHORS, f"map.{at}") is not None]


def shown(log: Log, workspace: str) -> Checkpoint:
    """Check what a workspace is shown of the anchor log, as a stranger would; return the head that it shows."""
    found = log.anchored(workspace)
    key = anchors_key(log.verifier_key(workspace), parse_checkpoint(parse_note(found.checkpoint)[0]).origin)
    head, _ = open_checkpoint(found.checkpoint, key)
    tree.check_inclusion(
        found.entry.index, head.size, tree.leaf_hash(found.header.encode()), found.inclusion, head.root
    )
    assert found.entry.details is not None
    check_anchored(bytes.fromhex(found.entry.details["map"]), found.head, found.path)
    assert found.head.origin == log.head(workspace).origin
    return found.head


# --------------------------------------------------------------------------------------------------------- the log


def test_one_entry_holds_the_heads_of_all(log: Log) -> None:
    """Every workspace can show its own; nothing is appended while nothing is newer."""
    assert not log.has_anchors()
    assert log.anchor() == 0
    assert log.anchor() is None
    for name in NAMES:
        head = log.head(name)
        assert (shown(log, name).size, shown(log, name).root) == (head.size, head.root)
    log.record("bern", event("bern", 90))
    assert log.anchor() == 1
    assert [shown(log, name).size for name in NAMES] == [2, 4, 4]
    entry = next(iter(log.read(ANCHORS, 1)))
    assert (entry.action, entry.marks) == ("audit.anchored", ())
    assert log.head(ANCHORS).origin.startswith("audit.example/anchors/")
    assert log.verify(ANCHORS).ok


def test_it_is_no_workspace(log: Log) -> None:
    """It is not listed, nobody records there, and workers of workspaces do not meet it."""
    log.anchor()
    assert log.workspaces() == list(NAMES)
    with pytest.raises(InvalidSetting):
        log.record(ANCHORS, event("acme", 1))
    with pytest.raises(InvalidSetting):
        log.check(ANCHORS, event("acme", 1))


def test_a_workspace_that_is_not_in_it_yet(log: Log) -> None:
    """There is no anchor log, or the workspace came later."""
    with pytest.raises(NotFound):
        log.anchored("acme")
    log.anchor()
    log.record("dora", event("dora", 1))
    with pytest.raises(NotFound):
        log.anchored("dora")
    log.anchor()
    assert shown(log, "dora").size == 1


def test_a_head_that_cannot_be_signed_stays_as_it_was(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on, and who anchors is told."""
    log.anchor()
    log.record("acme", event("acme", 50))
    log.record("casa", event("casa", 50))
    checkpoint = log.checkpoint

    def refusing(workspace: str) -> str:
        if workspace == "acme":
            raise StoreUnavailable("It is an older copy", "Restore the newest one")
        return checkpoint(workspace)

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(log, "checkpoint", refusing)
        assert log.anchor(lambda workspace, _: told.append(workspace)) == 1
    assert told == ["acme"]
    assert [shown(log, name).size for name in NAMES] == [2, 3, 5]


def test_maps_are_kept_for_heads_that_somebody_saw(log: Log) -> None:
    """The newest three, those that were stamped, and the one that was cosigned last."""
    for number in range(9):
        log.record("acme", event("acme", 100 + number))
        log.anchor()
        note = log.checkpoint(ANCHORS)
        if number in {1, 4}:
            keep_stamp(log, ANCHORS, Stamp(at=log.now(), note=note, answer=b"stamp"))
        if number in {0, 2}:
            log.add_cosignatures(ANCHORS, note, [NORTH.sign(parse_note(note)[0], 1_800_000_000)])
    assert kept_maps(log) == [1, 2, 4, 6, 7, 8]


def test_the_anchor_log_moves_with_the_others(log: Log, tmp_path: Path, clock: Clock) -> None:
    """To another store: entries, maps and all."""
    if not isinstance(log._store, SQLiteStore):
        return
    log.anchor()
    there = SQLiteStore(str(tmp_path / "there.db"))
    move(log._store, there, log._key, log._key.beside(tmp_path / "there.db.key"))
    there.close()
    with whodid.open(f"sqlite:///{tmp_path}/there.db", clock=clock) as opened:
        assert [shown(opened, name).size for name in NAMES] == [2, 3, 4]
        opened.record("acme", event("acme", 70))
        assert opened.anchor() == 1


def test_the_worker_anchors_and_witnesses_see_that_log_alone(log: Log, tmp_path: Path) -> None:
    """One request for all workspaces, to a witness that knows one log."""
    assert [AnchorWorker(log).round() for _ in range(2)] == [1, 0]
    asked: list[str] = []
    with Book(tmp_path / "witness.db", NORTH, [Verifier(log.verifier_key(ANCHORS))]) as book:

        def send(_: str, body: bytes) -> tuple[int, str, bytes]:
            asked.append(body.decode())
            answer = book.add(body)
            return answer.status, answer.media_type, answer.text.encode()

        policy = parse_policy(f"witness w {NORTH.vkey} http://w.example\nquorum w\n".encode())
        worker = WitnessWorker(log, policy, send=send, anchored=True)
        assert worker.round() == 1
        log.record("acme", event("acme", 60))
        assert AnchorWorker(log).round() == 1
        assert worker.round() == 1
        assert cosign(log, ANCHORS, policy, send=send).met
    assert len(asked) == 2
    assert all(log.head(name).origin not in body for name in NAMES for body in asked)


def test_a_deployment_may_have_been_renamed(log: Log) -> None:
    """Its anchor log is called as its first logs are, and links those that have another name."""
    with_new_name = Log(log._store, log._key, log.catalog, name="new.example")
    with_new_name.record("dora", event("dora", 1))
    assert with_new_name.anchor() == 0
    assert with_new_name.head(ANCHORS).origin.startswith("audit.example/anchors/")
    assert log.head("dora").origin.startswith("new.example/audit/")
    assert shown(log, "dora").size == 1


# ----------------------------------------------------------------------------------------------------------- in a file


def link_of(document: Document) -> Link:
    """Return the only link of a file."""
    assert document.linked is not UNSET
    (link,) = document.linked
    return link


def test_evidence_is_linked_to_what_outsiders_saw_of_the_anchor_log(log: Log) -> None:
    """Cosigned or stamped for all; the file of one workspace holds nothing of the others."""
    log.anchor()
    plain = make(log, "casa", Question(ABOUT.asks), actor=log.get("casa", 0).actor)
    assert b'"linked"' not in extract(plain.file)
    note = log.checkpoint(ANCHORS)
    log.add_cosignatures(ANCHORS, note, [NORTH.sign(parse_note(note)[0], 1_800_000_000)])
    made = extract(make(log, "casa", Question(ABOUT.asks), actor=log.get("casa", 0).actor).file)
    verdict = verify(made, trusted=[log.verifier_key("casa")])
    assert verdict.ok
    (linked,) = verdict.linked
    assert (linked.size, linked.vkey) == (4, log.verifier_key(ANCHORS))
    policy = parse_policy(f"witness w {NORTH.vkey}\nquorum w\n".encode())
    said = Outside(policy, ()).of_heads([], log.verifier_key("casa"), verdict.linked)
    assert said.good
    assert said.words() == ["4 entries are cosigned by w, which is the quorum."]
    for name in ("acme", "bern"):
        head = log.head(name)
        for secret in (head.origin, b64encode(head.root).decode(), head.root.hex()):
            assert secret.encode() not in made


def test_the_first_stamp_that_holds_the_answer_is_taken(log: Log) -> None:
    """Else the newest; a map that is gone links nothing."""
    for number in range(4):
        log.record("acme", event("acme", 100 + number))
        log.anchor()
        note = log.checkpoint(ANCHORS)
        keep_stamp(log, ANCHORS, Stamp(at=log.now(), note=note, answer=b"stamp of %d" % number))
    snapshot = log.snapshot("acme")
    assert [one.head.size for one in snapshot.linked(1)] == [3]
    assert [one.head.size for one in snapshot.linked(5)] == [5]
    assert [one.stamp for one in snapshot.linked(99)] == [b"stamp of 3"]
    log.swap_state(ANCHORS, "map.3", log.state(ANCHORS, "map.3"), None)
    assert [one.stamp for one in snapshot.linked(99)] == [b"stamp of 2"]


def head_of(origin: str, size: int, root: bytes) -> Checkpoint:
    """Return a head."""
    return Checkpoint(origin=origin, size=size, root=root)


class Anchoring:
    """A deployment's anchor log over workshops, which lies when it is told to."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        deployment = shop.signer.name.split("/")[0]
        self.signer = Signer(f"{deployment}/anchors/77ab", b"\0" * 32)
        self.signer = Signer(self.signer.name, _seed(shop))
        self.hashes: list[bytes] = []

    def link(
        self,
        size: int,
        *,
        kind: int = leaf.LOG_LINK,
        lie: Callable[[Checkpoint], Checkpoint] = lambda head: head,
        key: Signer | None = None,
    ) -> Linked:
        """Anchor a head of the log among those of two others."""
        shop = self.shop
        frontier, _ = tree.extend((), 0, shop.hashes[:size])
        head = Checkpoint(origin=shop.signer.name, size=size, root=tree.root(frontier))
        others = [Checkpoint(origin=f"localhost/audit/{name}", size=7, root=bytes(32)) for name in ("x", "y")]
        made = AnchorMap.of([lie(head), *others])
        model = shop.entries[0].entry
        entry: Entry = replace(
            model, index=len(self.hashes), action="audit.anchored", details={"map": made.root.hex()}, changes=()
        )
        listed = [(path, value) for path, value in canonical.fields(entry) if value is not None]
        seed = b"s" * 16
        header = leaf.Header(kind, 5, leaf.content_root(leaf.commitments(seed, listed)), (bytes(16),) * 3)
        self.hashes.append(tree.leaf_hash(header.encode()))
        frontier, _ = tree.extend((), 0, self.hashes)
        signer = key or self.signer
        note = sign_checkpoint(Checkpoint(origin=signer.name, size=len(self.hashes), root=tree.root(frontier)), signer)
        text, signatures = parse_note(note)
        note = format_note(text, [*signatures, NORTH.sign(text, 1_800_000_000)])
        salts = leaf.salts(seed, len(listed))
        path = tree.inclusion_proof(entry.index, len(self.hashes), self._roots)
        return Linked(note, b"", entry, header, salts, path, head, made.path(head.origin))

    def _roots(self, positions: Any) -> list[bytes]:
        return [
            tree.root(tree.extend((), 0, self.hashes[index << level : index + 1 << level])[0])
            for level, index in positions
        ]


def _seed(shop: Workshop) -> bytes:
    from tests.evidencing import bytes_of

    return bytes_of(shop.name, "key")


@pytest.mark.frontend
def test_both_verifiers_follow_a_link_and_find_what_is_wrong_with_it() -> None:
    """Whatever is changed, and whatever the deployment lies about, is a problem of that link in both."""
    shop = furnished()
    anchoring = Anchoring(shop)
    anchoring.link(5)
    shop.linking = [anchoring.link(11), anchoring.link(25)]
    document = shop.evidence(ABOUT)
    assert document.version == 2
    assert document.linked is not UNSET
    one, two = document.linked
    forger = Signer(anchoring.signer.name, b"\1" * 32)
    audit = Signer("localhost/audit/77ab", _seed(shop))
    lying = {
        "another head": anchoring.link(11, lie=lambda head: head_of(head.origin, head.size, bytes(32))),
        "another size": anchoring.link(11, lie=lambda head: head_of(head.origin, 12, head.root)),
        "no head": anchoring.link(11, lie=lambda head: head_of("localhost/audit/z", head.size, head.root)),
        "another kind": anchoring.link(11, kind=leaf.EVENT),
        "another key": anchoring.link(11, key=forger),
        "a log that is no anchor log": anchoring.link(11, key=audit),
    }
    wrong: dict[str, list[Link]] = {
        "swapped": [two, one],
        "nothing": [],
        "another size in the file": [replace(one, size=12)],
        "another root": [replace(one, root=two.root)],
        "another path": [replace(one, path=two.path[:-4])],
        "another entry": [replace(one, entry=two.entry)],
        "no consistency": [replace(one, consistency="")],
        "no head": [replace(one, checkpoint="")],
        "no base64": [replace(one, stamp="?")],
        "a short inclusion": [replace(two, entry=replace(two.entry, path=""))],
        "beyond": [replace(one, size=10_000)],
    }
    for name, link in lying.items():
        shop.linking = [link]
        wrong[name] = [link_of(shop.evidence(ABOUT))]
    files = {name: encode(replace(document, linked=links)) for name, links in wrong.items()}
    right, *verdicts = agree([encode(document), *files.values()], shop.vkey)
    assert right.ok
    assert [linked.size for linked in right.linked] == [11, 25]
    for name, verdict in zip(wrong, verdicts, strict=True):
        expected = {"nothing": "form", "swapped": "linked"}.get(name, "linked")
        assert codes(verdict)[0][0] == expected, name
        assert verdict.problems[0].place.startswith(("link ", "the file"))


def test_every_byte_of_a_link_counts() -> None:
    """A change of one is refuted, unless it is in a cosignature or a stamp: those need to know whom to trust."""
    shop = furnished(segments=2)
    shop.linking = [Anchoring(shop).link(11)]
    document = shop.evidence(ABOUT)
    data = encode(document)
    start, stop = data.index(b'"linked":'), data.index(b'"origin":')
    signature = format_note("x\n", [parse_note(link_of(document).checkpoint)[1][-1]]).partition("\n\n")[2].strip()
    at = data.index(signature.encode())
    free = range(at, at + len(signature.encode()))
    for place in range(start, stop):
        changed = bytearray(data)
        changed[place] ^= 1 + place % 7
        if verify(bytes(changed), trusted=[shop.vkey]).ok:
            assert place in free, data[place - 20 : place + 20]


# ----------------------------------------------------------------------------------------------------------- the map


def test_a_map_has_one_head_of_each_log() -> None:
    """It proves that one and no other, whatever else is in it; it comes back from its bytes."""
    heads = [head_of(f"d/audit/{name}", 3 + number, bytes([number]) * 32) for number, name in enumerate("abcdefg")]
    made = AnchorMap.of(heads)
    for head in heads:
        path = made.path(head.origin)
        check_anchored(made.root, head, path)
        assert made.head(head.origin) == head
        for other in (
            head_of(head.origin, head.size + 1, head.root),
            head_of(head.origin, head.size, b"\xff" * 32),
            head_of("d/audit/z", head.size, head.root),
        ):
            with pytest.raises((Refuted, MalformedProof)):
                check_anchored(made.root, other, path)
    assert AnchorMap.decode(made.encode()).root == made.root
    assert made.joined(heads[:2]).root == made.root
    assert made.head("d/audit/z") is None
    for data in (made.encode()[:-1], made.encode()[72:] + made.encode()[:72], made.encode() * 2):
        with pytest.raises(MalformedProof):
            AnchorMap.decode(data)


def test_an_anchor_log_has_the_key_of_its_deployment() -> None:
    """Under its own name; no other log is taken for one."""
    key = Signer("d.example/audit/77", bytes(32)).vkey
    assert anchors_key(key, "d.example/anchors/5a").vkey == Signer("d.example/anchors/5a", bytes(32)).vkey
    renamed = anchors_key(key, "new.example/of/d/anchors/5a")
    assert renamed.vkey == Signer("new.example/of/d/anchors/5a", bytes(32)).vkey, "the key counts, not the name"
    wrong = (
        "d.example/audit/5a",
        "/anchors/5a",
        "d.example/anchors/",
        "d.example/anchors/5a/6",
        "d/anchors/é",
        "x",
        "",
    )
    for origin in wrong:
        with pytest.raises(MalformedProof):
            anchors_key(key, origin)
    assert len(b64decode(key.split("+", 2)[2])) == 33
