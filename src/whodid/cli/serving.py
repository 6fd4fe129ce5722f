"""The command that serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from whodid.cli import ui
from whodid.cli.opening import caller, open_store
from whodid.errors import InvalidSetting
from whodid.model import Actor

if TYPE_CHECKING:
    from whodid.server.config import Setting

__all__ = ["COMMANDS"]


_SETTINGS = {"key_file": "key", "proxies": "trusted_proxies", "origin": "origins"}
"""Options whose setting has another name."""


@ui.command
@ui.option("--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
@ui.option("--port", type=int, metavar="N", help="Port, 0 for a free one. [default: 8321]")
@ui.option("--url", metavar="URL", help="How browsers reach the server behind a proxy.")
@ui.option("--proxies", type=int, metavar="N", help="How many proxies of yours stand in front.")
@ui.option("--origin", multiple=True, metavar="ORIGIN", help="Origin whose pages may use it; repeatable.")
@ui.option("--secret-file", metavar="PATH", help="Secret that hosts mint viewer tokens with.")
@ui.option("--name", metavar="NAME", help="Name of the deployment. [default: localhost]")
@ui.option("--strict/--lenient", default=None, help="Refuse or mark undeclared actions.")
@ui.option(
    "--compat",
    multiple=True,
    metavar="PRODUCTS",
    help="Clients to let in: workos,retraced,otlp …; repeatable.",
)
@ui.option("--syslog", multiple=True, metavar="URL", help="Take syslog at tls://HOST:PORT …; repeatable.")
@ui.option("--link", is_flag=True, help="Only print a link to a running server.")
@ui.option("--operator", metavar="NAME", help="Who signs in with it.")
@ui.option("--config", metavar="PATH", help="TOML file with these and further settings.")
@ui.option("--set", "further", multiple=True, metavar="NAME=VALUE", help="Any other setting; repeatable.")
@ui.option("--check", is_flag=True, help="Only show settings, and where from.")
@ui.workspace_option
@ui.store_options
def serve(
    *, config: str | None, check: bool, link: bool, operator: str | None, further: tuple[str, ...], **options: Any
) -> None:
    """Serve API and viewer, purge, feed sinks; prints a link that signs in."""
    try:
        from whodid.server import config as settings
        from whodid.server.serve import serve as run
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("whodid"):
            raise
        raise InvalidSetting(
            f"The server needs {error.name}, which is not installed", "Run: pip install 'whodid[server]'"
        ) from None
    arguments: dict[str, Any] = dict(_assigned(text) for text in further)
    for name, value in options.items():
        # What comes from a variable is read, and named, by the configuration itself.
        if value not in {None, ()} and not ui.from_environment(name):
            # What is repeated is a list like one that is written as one text.
            arguments[_SETTINGS.get(name, name)] = " ".join(value) if isinstance(value, tuple) else value
    if check:
        _show(settings.explain(arguments, file=config))
        return
    loaded = settings.load(arguments, file=config)
    if link:
        _print_link(loaded.url or f"http://{loaded.host}:{loaded.port}", operator, loaded.store, loaded.key)
    else:
        run(loaded, announce=ui.note)


def _assigned(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidSetting(f"--set {text} gives no value", "Write --set NAME=VALUE, such as --set threads=4")
    return name, value


def _show(found: Sequence[Setting]) -> None:
    """Print settings as a file of them would have them."""
    for name, value, source in found:
        ui.line(f"{_toml(name, value)}  # {source}")


def _toml(name: str, value: Any) -> str:
    if value is None:
        return f"# {name} is not set"
    # JSON's texts, numbers, truths and lists are TOML's.
    return f"{name} = {msgspec.json.encode(value).decode()}"


def _print_link(url: str, operator: str | None, store: str | None, key_file: str | None) -> None:
    from whodid.server.console.links import make_link_code

    actor = caller()
    if operator is not None:
        actor = Actor(type="user", id=actor.id, name=operator, role="Operator")
    with open_store(store, key_file) as log:
        code = make_link_code(log, actor)
    ui.line(f"{url.rstrip('/')}/console#code={code}")
    ui.note("Works once, for 15 minutes.")


COMMANDS = {"serve": serve}
