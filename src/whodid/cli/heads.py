"""Commands for the signed head of a log: show it, and send it to those who keep it."""

from __future__ import annotations

from whodid.cli import ui
from whodid.cli.opening import CONTEXT, caller, choose, open_store
from whodid.errors import NotFound
from whodid.sinks import Sinks

__all__ = ["COMMANDS"]


@ui.group
def head() -> None:
    """Show the signed head of a log, and send it to those who keep it.

    Sinks with --format head get it once a day by themselves.
    """


@head.command("show")
@ui.workspace_option
@ui.store_options
def show_head(*, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Print the newest head, signed, with the cosignatures that it has."""
    with open_store(store, key_file) as log:
        for line in log.checkpoint(choose(log, workspace)).splitlines():
            ui.line(line)


@head.command("send")
@ui.argument("name", required=False)
@ui.workspace_option
@ui.store_options
def send_head(*, name: str | None, workspace: str | None, store: str | None, key_file: str | None) -> None:
    """Deliver the newest head now: to the sink NAME, or to all that get heads.

    Exit code 1: one of them did not take it.
    """
    with open_store(store, key_file) as log:
        sinks = Sinks(log, choose(log, workspace), actor=caller(), context=CONTEXT)
        named = [name] if name else [one.sink.name for one in sinks.all() if one.sink.format == "head"]
        if not named:
            raise NotFound("There is no sink that gets heads", "Add one with: whodid sinks add … --format head")
        faults = {one: sinks.send_head(one) for one in named}
    for one, fault in faults.items():
        ui.note(f"{one}: {fault or 'took it'}.")
    ui.finish(ui.PROBLEM if any(faults.values()) else ui.OK)


COMMANDS = {"head": head}
