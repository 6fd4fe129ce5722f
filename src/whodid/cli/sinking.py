"""Commands for sinks: list, add, change, remove, test, pause, resume, backfill, and what is in quarantine."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import UNSET

from whodid.catalog import LANGUAGES
from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, every, open_store
from whodid.errors import InvalidSetting
from whodid.log import Log
from whodid.model import Reason
from whodid.sinks import FORMATS, KINDS, Health, SinkChange, Sinks, change_language, read_language

__all__ = ["COMMANDS"]

_why = ui.option("--reason", metavar="TEXT", help="Why; it is recorded.")


@ui.group
def sinks() -> None:
    """Feed the log to other systems, continuously.

    `whodid serve` delivers soon after entries are recorded, in order and at
    least once. Every change of a sink is itself recorded.
    """


@sinks.command("list")
@ui.json_option
@ui.workspace_option
@ui.store_options
def list_sinks(*, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List sinks and how they are, of one workspace or of all.

    Exit code 1: a sink is failing or paused.
    """
    with open_store(store, key_file) as log:
        found = [(name, health) for name in every(log, workspace) for health in _sinks(log, name).all()]
    if as_json:
        ui.json([{"workspace": name, **msgspec.to_builtins(health)} for name, health in found])
    else:
        rows = [
            (health.sink.name, health.sink.kind, _status(health), f"{health.behind:,}", _told(health), name)
            for name, health in found
        ]
        ui.table(("Sink", "Kind", "Status", ">Behind", "What is the matter", "Workspace"), rows, wide=4)
        if not found:
            ui.note("There is no sink.")
    ui.finish(ui.OK if all(health.status == "active" for _, health in found) else ui.PROBLEM)


def _status(health: Health) -> str:
    return health.status if health.paused is None else f"paused for {_span(health.paused)}"


def _told(health: Health) -> str:
    """Say what is wrong, or for how long entries wait."""
    parts = [health.sink.paused_because or health.position.fault]
    if health.behind:
        parts.append(f"the first that waits is {_span(health.lag)} old")
    if health.position.refused:
        parts.append(f"{health.position.refused:,} in quarantine, the last is {health.position.quarantine[-1].index}")
    if health.position.purged:
        parts.append(f"{health.position.purged:,} were purged before their turn")
    return "; ".join(part for part in parts if part)


def _span(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


@sinks.command("add")
@ui.argument("name")
@ui.argument("kind", type=ui.Choice(tuple(KINDS)))
@ui.argument("address")
@ui.option("--filter", "query", default="", metavar="QUERY", help="Which entries. [default: all]")
@ui.option("--format", "chosen", type=ui.Choice((*FORMATS, "head")), help="[default: the usual one of the kind]")
@ui.option("--secret-file", metavar="PATH", help="File with its secret, one per line, the newest first.")
@ui.option("--secret-env", metavar="NAME", help="Variable with its secret, for whoever delivers.")
@ui.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the kind; repeatable.")
@ui.option("--private", is_flag=True, help="Allow addresses that are not on the internet.")
@ui.option("--batch", type=int, metavar="N", help="Entries per delivery. [default: by kind]")
@ui.option("--heartbeat", type=int, metavar="SECONDS", help="0 for none. [default: 60; between heads: 86400]")
@ui.option("--from", "start", type=int, metavar="INDEX", help="First entry. [default: the next one]")
@ui.workspace_option
@ui.store_options
def add(
    *,
    name: str,
    kind: str,
    address: str,
    query: str,
    chosen: str | None,
    secret_file: str | None,
    secret_env: str | None,
    options: tuple[str, ...],
    private: bool,
    batch: int | None,
    heartbeat: int | None,
    start: int | None,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Add a sink: a NAME, its KIND, and the ADDRESS where entries go.

    \b
    whodid sinks add siem file /var/log/whodid/audit.ndjson --from 0
    whodid sinks add hook webhook https://hooks.example.com/audit \
      --secret-file hook.secret --filter 'severity:warning,critical'
    """
    place = _place(secret_file, secret_env)
    with open_store(store, key_file) as log:
        sink = _sinks(log, choose(log, workspace)).add(
            name,
            kind,
            address,
            query=query,
            format=chosen,
            secret=place,
            options=dict(_pair(option) for option in options),
            private=private,
            batch=batch,
            heartbeat=heartbeat,
            start=start,
        )
    ui.line(sink.id)


@sinks.command("change")
@ui.argument("name")
@ui.option("--name", "new", metavar="NAME", help="Another name.")
@ui.option("--address", metavar="ADDRESS", help="Another address.")
@ui.option("--filter", "query", metavar="QUERY", help="Which entries; an empty one for all.")
@ui.option("--format", "chosen", type=ui.Choice((*FORMATS, "head")), help="One that its kind takes.")
@ui.option("--secret-file", metavar="PATH", help="File with its secret, from now on.")
@ui.option("--secret-env", metavar="NAME", help="Variable with its secret, from now on.")
@ui.option("--set", "options", multiple=True, metavar="NAME=VALUE", help="An option of the kind; repeatable.")
@ui.option("--unset", "removed", multiple=True, metavar="NAME", help="An option that goes; repeatable.")
@ui.option("--private/--no-private", "private", default=None, help="Allow addresses that are not on the internet.")
@ui.option("--batch", type=int, metavar="N", help="Entries per delivery.")
@ui.option("--heartbeat", type=int, metavar="SECONDS", help="0 for none.")
@_why
@ui.workspace_option
@ui.store_options
def change(
    *,
    name: str,
    new: str | None,
    address: str | None,
    query: str | None,
    chosen: str | None,
    secret_file: str | None,
    secret_env: str | None,
    options: tuple[str, ...],
    removed: tuple[str, ...],
    private: bool | None,
    batch: int | None,
    heartbeat: int | None,
    reason: str | None,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Change a sink; what is not named stays, and it goes on where it was.

    \b
    whodid sinks change chat --filter 'severity:critical' --set lang=es
    """
    wish = SinkChange(
        name=UNSET if new is None else new,
        address=UNSET if address is None else address,
        query=UNSET if query is None else query,
        format=UNSET if chosen is None else chosen,
        options={**dict.fromkeys(removed), **dict(_pair(option) for option in options)},
        private=UNSET if private is None else private,
        batch=UNSET if batch is None else batch,
        heartbeat=UNSET if heartbeat is None else heartbeat,
        place=_place(secret_file, secret_env),
    )
    with open_store(store, key_file) as log:
        _sinks(log, choose(log, workspace)).change(name, wish, reason=_reason(reason))


@sinks.command("public-key")
@ui.argument("name")
@ui.workspace_option
@ui.store_options
def public_key(*, name: str, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Print what the receiver of a webhook checks Ed25519 signatures with.

    One key per line, the newest first; several while the secret changes.
    """
    with open_store(store, key_file) as log:
        keys = _sinks(log, choose(log, workspace)).public_keys(name)
    if not keys:
        raise InvalidSetting(f"The sink {name} has no public key", "Its secret begins with whsk_ if it has one")
    for one in keys:
        ui.line(one)


def _place(secret_file: str | None, secret_env: str | None) -> str:
    """Return where a secret is, as a setting says it; empty for nowhere."""
    if secret_file and secret_env:
        raise InvalidSetting("A secret is in a file or in a variable", "Name one of them")
    return f"file:{Path(secret_file).resolve()}" if secret_file else f"env:{secret_env}" if secret_env else ""


def _pair(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not equals:
        raise InvalidSetting(f"{option!r} sets nothing", "Write NAME=VALUE")
    return name, value


@sinks.command("remove")
@ui.argument("name")
@_why
@ui.workspace_option
@ui.store_options
def remove(*, name: str, reason: str | None, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Remove a sink, by its name or id."""
    with open_store(store, key_file) as log:
        _sinks(log, choose(log, workspace)).remove(name, reason=_reason(reason))


@sinks.command("test")
@ui.argument("name")
@ui.workspace_option
@ui.store_options
def test(*, name: str, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Deliver a message that says it is a test, now.

    Exit code 1: it was not taken.
    """
    with open_store(store, key_file) as log:
        result = _sinks(log, choose(log, workspace)).test(name)
    fault = result.fault or next(iter(result.refused.values()), "")
    ui.note(f"{fault}." if fault else "The receiver took it.")
    ui.finish(ui.PROBLEM if fault else ui.OK)


@sinks.command("pause")
@ui.argument("name")
@_why
@ui.workspace_option
@ui.store_options
def pause(*, name: str, reason: str | None, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Deliver nothing to a sink until it is resumed; what waits is kept."""
    with open_store(store, key_file) as log:
        _sinks(log, choose(log, workspace)).pause(name, reason=_reason(reason))


@sinks.command("resume")
@ui.argument("name")
@_why
@ui.workspace_option
@ui.store_options
def resume(*, name: str, reason: str | None, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Deliver again from where a sink was; one that is failing is tried now."""
    with open_store(store, key_file) as log:
        _sinks(log, choose(log, workspace)).resume(name, reason=_reason(reason))


@sinks.command("backfill")
@ui.argument("name")
@ui.argument("start", type=int)
@_why
@ui.workspace_option
@ui.store_options
def backfill(
    *, name: str, start: int, reason: str | None, workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Deliver again from the entry with the index START on."""
    with open_store(store, key_file) as log:
        _sinks(log, choose(log, workspace)).backfill(name, start, reason=_reason(reason))


@sinks.command("language")
@ui.argument("lang", required=False, type=ui.Choice(LANGUAGES))
@_why
@ui.workspace_option
@ui.store_options
def language(
    *, lang: str | None, reason: str | None, workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Print or choose the language in which people of a workspace are told.

    It holds for mails and chats of sinks that name none with --set lang=….
    """
    with open_store(store, key_file) as log:
        chosen = choose(log, workspace)
        if lang is not None:
            change_language(log, chosen, lang, actor=caller(), context=CONTEXT, reason=_reason(reason))
        ui.line(read_language(log, chosen))


_indexes = ui.option("--index", "indexes", type=int, multiple=True, metavar="INDEX", help="Repeatable. [default: all]")


@sinks.command("quarantine")
@ui.argument("name")
@ui.json_option
@ui.workspace_option
@ui.store_options
def quarantine(*, name: str, as_json: bool, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """List what a receiver refuses for good: the newest hundred, and what it said.

    Exit code 1: there are some.
    """
    with open_store(store, key_file) as log:
        found = _sinks(log, choose(log, workspace)).get(name).position.quarantine
    if as_json:
        ui.json([msgspec.to_builtins(one) for one in found])
    else:
        rows = [(f"{one.index}", f"{one.at:%Y-%m-%d %H:%M:%S}", one.fault) for one in found]
        ui.table((">Entry", "Refused (UTC)", "What the receiver said"), rows, wide=2)
        if not found:
            ui.note("Nothing is in quarantine.")
    ui.finish(ui.PROBLEM if found else ui.OK)


@sinks.command("retry")
@ui.argument("name")
@_indexes
@ui.workspace_option
@ui.store_options
def retry(
    *, name: str, indexes: tuple[int, ...], workspace: str | None, store: str | None, key_file: str | None
) -> None:
    """Deliver what is in quarantine once more, now, one entry after the other.

    Exit code 1: some of it was not taken.
    """
    with open_store(store, key_file) as log:
        taken, fault = _sinks(log, choose(log, workspace)).retry(name, indexes or None)
    ui.note(f"The receiver took {taken:,}." if not fault else f"The receiver took {taken:,}. {fault}.")
    ui.finish(ui.PROBLEM if fault else ui.OK)


@sinks.command("drop")
@ui.argument("name")
@_indexes
@_why
@ui.workspace_option
@ui.store_options
def drop(
    *,
    name: str,
    indexes: tuple[int, ...],
    reason: str | None,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Let go of what is in quarantine; it stays in the log."""
    with open_store(store, key_file) as log:
        dropped = _sinks(log, choose(log, workspace)).drop(name, indexes or None, reason=_reason(reason))
    ui.note(f"{dropped:,} left quarantine.")


def _sinks(log: Log, workspace: str) -> Sinks:
    return Sinks(log, workspace, actor=caller(), context=CONTEXT)


def _reason(text: str | None) -> Reason | None:
    return Reason(text=text) if text else None


COMMANDS = {"sinks": sinks}
