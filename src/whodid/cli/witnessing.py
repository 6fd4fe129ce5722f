"""Commands about witnesses: asking them, and being one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, every, open_store, read_keys
from whodid.errors import InvalidSetting
from whodid.log import ANCHORS, Log
from whodid.proof.note import ED25519, Verifier
from whodid.witness import cosign as ask
from whodid.witness import read_policy
from whodid.witness.stamp import Authority, Ordered, order_stamp, read_certificates, stamp_head

__all__ = ["COMMANDS"]


@ui.command
@ui.json_option
@ui.store_options
def anchor(*, as_json: bool, store: str | None, key_file: str | None) -> None:
    """Put the newest heads of all workspaces into the anchor log.

    The anchor log is one more log of the deployment, for witnesses and time
    stamps: `--anchors` of `whodid cosign` and `whodid stamp` shows them that one.
    `whodid serve` does it by itself when anchor_log is set.
    """
    with open_store(store, key_file) as log:
        index = log.anchor(lambda workspace, error: ui.note(f"{workspace}: {error.fact}."))
        heads = log.workspaces()
        size = log.head(ANCHORS).size if heads else 0
        vkey = log.verifier_key(ANCHORS) if heads else None
    if as_json:
        ui.json({"index": index, "size": size, "workspaces": len(heads), "vkey": vkey})
    elif index is None:
        ui.note("No head is newer than those in the anchor log.")
    else:
        ui.table(
            (">Entry", ">Workspaces", "Key of the anchor log"), [(f"{index:,}", f"{len(heads):,}", vkey or "")], wide=2
        )


_anchors = ui.option("--anchors", is_flag=True, help="Of the anchor log, in the place of all workspaces.")


@ui.command
@ui.option("--policy", required=True, metavar="FILE", help="Witnesses and quorum (C2SP tlog-policy).")
@_anchors
@ui.json_option
@ui.workspace_option
@ui.store_options
def cosign(
    *, policy: str, anchors: bool, as_json: bool, workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Ask witnesses to cosign the newest head, of one workspace or of all.

    `whodid serve` does it by itself when witness_policy is set.

    Exit code 1: those who cosigned are not the quorum of the policy.
    """
    rules = read_policy(policy)
    with open_store(store, key_file) as log:
        done = [(name, ask(log, name, rules)) for name in _logs(log, workspace, anchors=anchors)]
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(one)} for name, one in done])
    else:
        rows = [(f"{one.size:,}", ", ".join(one.present) or "none", "yes" if one.met else "no", w) for w, one in done]
        ui.table((">Size", "Cosigned by", "Quorum", "Workspace"), rows, wide=1)
        for name, one in done:
            for witness, why in one.missing.items():
                ui.note(f"{name}, {witness}: {why}.")
    ui.finish(ui.OK if all(one.met for _, one in done) else ui.PROBLEM)


@ui.command
@ui.option("--url", required=True, metavar="URL", help="Where the authority takes requests (RFC 3161 over HTTP).")
@ui.option("--certificates", required=True, metavar="FILE", help="Its certificates, at least the root; PEM.")
@_anchors
@ui.json_option
@ui.workspace_option
@ui.store_options
def stamp(
    *,
    url: str,
    certificates: str,
    anchors: bool,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Have the newest head stamped with the time, of one workspace or of all.

    `whodid serve` does it once a day when stamp_url is set. Done here it is
    an act, and an entry of the log.
    """
    authority = Authority(url=url, certificates=read_certificates(certificates))
    with open_store(store, key_file) as log:
        made: list[tuple[str, Ordered | None]]
        if anchors:
            # The anchor log holds nothing but heads: what is done to it is no entry of it.
            (name,) = _logs(log, workspace, anchors=True)
            made = [(name, Ordered(stamp_head(log, name, authority), new=True))]
        else:
            made = [
                (one, order_stamp(log, one, authority, actor=caller(), context=CONTEXT))
                for one in every(log, workspace)
            ]
    done = [(name, one.stamp) for name, one in made if one is not None]
    for name in (name for name, one in made if one is None):
        ui.note(f"{name}: somebody else has it stamped at this moment.")
    if as_json:
        ui.json([{"workspace": name, "size": one.size, "at": one.at, "bytes": len(one.answer)} for name, one in done])
    else:
        rows = [(f"{one.size:,}", f"{one.at:%Y-%m-%d %H:%M:%S} UTC", f"{len(one.answer):,}", w) for w, one in done]
        ui.table((">Size", "Stamped", ">Bytes", "Workspace"), rows, wide=3)


@ui.command
@ui.option("--log", "logs", multiple=True, metavar="VKEY", help="A log to cosign, or a file of them; repeatable.")
@ui.option("--key", default="witness.key", metavar="PATH", help="Key file of the witness. [default: witness.key]")
@ui.option("--state", default="witness.db", metavar="PATH", help="What it remembers. [default: witness.db]")
@ui.option("--name", metavar="NAME", help="Name of a new witness: witness.example.com/w1.")
@ui.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
@ui.option("--port", type=int, default=8322, help="Port, 0 for a free one. [default: 8322]")
def witness(*, logs: tuple[str, ...], key: str, state: str, name: str | None, host: str, port: int) -> None:
    """Be a witness: cosign the heads of logs, and never two histories of one.

    Give the line that it prints to whoever runs the log. Keep the key and what
    it remembers together; losing the latter makes it start again.
    """
    from whodid.witness.book import Book, read_cosigner
    from whodid.witness.door import Door

    keys = [Verifier(line) for given in logs for line in read_keys(given)]
    if not keys or any(one.type != ED25519 for one in keys):
        raise InvalidSetting("A witness needs the keys of the logs that it cosigns", "Give --log with a verifier key")
    cosigner = read_cosigner(Path(key), name)
    with Book(Path(state), cosigner, keys) as book:
        try:
            door = Door((host, port), book)
        except (OSError, OverflowError) as error:
            raise InvalidSetting(f"{host}, port {port}, cannot be listened on: {error}", "Choose another") from None
        with door, _signals_stop(door):
            address = f"http://{host}:{door.server_address[1]}"
            ui.note(f"Cosigns {len(keys)} {'log' if len(keys) == 1 else 'logs'} at {address}")
            ui.note(f"witness {cosigner.name} {cosigner.vkey} {address}")
            door.serve_forever()


def _logs(log: Log, workspace: str | None, *, anchors: bool) -> list[str]:
    """Return what is shown to outsiders: the anchor log, or the workspaces that were named."""
    if anchors and workspace is not None:
        raise InvalidSetting("--anchors and --workspace are given at once", "Use one of them")
    return [ANCHORS] if anchors else every(log, workspace)


@contextmanager
def _signals_stop(door: object) -> Iterator[None]:
    """End `serve_forever` on SIGINT and SIGTERM; it is told from a thread, for it waits for itself otherwise."""

    def stop(*_: object) -> None:
        threading.Thread(target=door.shutdown).start()  # type: ignore[attr-defined]

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


COMMANDS = {"anchor": anchor, "cosign": cosign, "stamp": stamp, "witness": witness}
