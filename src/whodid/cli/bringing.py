"""The command that brings events from elsewhere."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import cast

import msgspec

from whodid.cli import ui
from whodid.cli.opening import open_store
from whodid.errors import InvalidSetting
from whodid.export.import_ import MAPPERS, Fault, Imported, import_file
from whodid.export.import_.foreign import read_time

__all__ = ["COMMANDS"]

_TOLD = 20


@ui.command
@ui.argument("files", nargs=-1, required=True)
@ui.option("--from", "product", type=ui.Choice(list(MAPPERS)), required=True, help="Who wrote them.")
@ui.option("--undated", metavar="TIME", help="When records happened that do not say when.")
@ui.option("--name", metavar="NAME", help="Name of the deployment, for a new store.")
@ui.json_option
@ui.workspace_option
@ui.store_options
def import_(
    *,
    files: tuple[str, ...],
    product: str,
    undated: str | None,
    name: str | None,
    as_json: bool,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    r"""Record events from FILES (- for standard input).

    NDJSON, a JSON array or CloudTrail's Records, plain or gzip; each record as it
    was written, or in a member named raw. What has no field of its own goes to
    details. Importing a file again adds nothing. A missing store is made.

    \b
    whodid import --from github --workspace acme audit-log.json
    zcat *.json.gz | whodid import --from cloudtrail -w acme -

    Exit code 1: some records were refused; each is named.
    """
    if not workspace:
        raise InvalidSetting("No workspace was named", "Use --workspace, or set WHODID_WORKSPACE")
    at = None if undated is None else _time(undated)
    done: list[tuple[str, Imported, list[Fault]]] = []
    with open_store(store, key_file, create=True, name=name) as log:
        for file_name in files:
            faults: list[Fault] = []
            with ExitStack() as stack:
                if file_name == "-":
                    file = cast("BufferedReader", sys.stdin.buffer)
                else:
                    file = stack.enter_context(Path(file_name).open("rb"))
                progress = stack.enter_context(ui.progress(f"Importing {file_name}", None))
                account = import_file(
                    log, workspace, file, product, undated=at, on_fault=faults.append, progress=progress
                )
            done.append((file_name, account, faults))
    if as_json:
        ui.json(
            [
                {"file": file_name, **msgspec.to_builtins(account), "faults": faults}
                for file_name, account, faults in done
            ]
        )
    else:
        _tell(done)
    ui.finish(ui.PROBLEM if any(account.refused for _, account, _ in done) else ui.OK)


def _tell(done: list[tuple[str, Imported, list[Fault]]]) -> None:
    columns = (">Read", ">Recorded", ">Known", ">Passed over", ">Refused", "File")
    rows = [
        (f"{a.read:,}", f"{a.recorded:,}", f"{a.duplicates:,}", f"{a.passed:,}", f"{a.refused:,}", name)
        for name, a, _ in done
    ]
    ui.table(columns, rows, wide=5)
    for name, _, faults in done:
        for fault in faults[:_TOLD]:
            ui.note(f"{name}:{fault.line}: {fault.fact}")
        if len(faults) > _TOLD:
            ui.note(f"{name}: {len(faults) - _TOLD:,} further records were refused; --json lists them all.")


def _time(text: str) -> datetime:
    at = read_time(text)
    if at is None:
        raise InvalidSetting(f"{text!r} is not a time", "Use a form such as 2026-11-20 or 2026-11-20T13:00:00Z")
    return at


COMMANDS = {"import": import_}
