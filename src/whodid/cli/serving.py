"""The command that serves."""

from __future__ import annotations

from whodid.cli import ui
from whodid.cli.opening import caller, open_store
from whodid.errors import InvalidSetting
from whodid.model import Actor

__all__ = ["COMMANDS"]


@ui.command
@ui.option("--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
@ui.option("--port", type=int, help="Port to listen on, 0 for a free one. [default: 8321]")
@ui.option("--url", metavar="URL", help="How browsers reach the server behind a proxy.")
@ui.option("--proxies", type=int, metavar="N", help="How many proxies of yours stand in front.")
@ui.option("--secret-file", metavar="PATH", help="Secret that hosts mint viewer tokens with.")
@ui.option("--name", metavar="NAME", help="Name of the deployment. [default: localhost]")
@ui.option("--strict/--lenient", default=None, help="Refuse or mark undeclared actions.")
@ui.option(
    "--compat",
    metavar="PRODUCTS",
    help="Let clients of other products work here: workos,retraced,otlp,cloudevents,splunk.",
)
@ui.option(
    "--syslog", multiple=True, metavar="URL", help="Take syslog at tcp://, tls:// or udp://HOST:PORT; repeatable."
)
@ui.option("--link", is_flag=True, help="Only print a sign-in link for a running server.")
@ui.option("--operator", metavar="NAME", help="Who signs in with that link. [default: your account]")
@ui.option("--config", metavar="PATH", help="TOML file with these and further settings.")
@ui.workspace_option
@ui.store_options
def serve(
    *,
    host: str | None,
    port: int | None,
    url: str | None,
    proxies: int | None,
    secret_file: str | None,
    name: str | None,
    strict: bool | None,
    compat: str | None,
    link: bool,
    operator: str | None,
    syslog: tuple[str, ...],
    config: str | None,
    workspace: str | None,
    store: str | None,
    key_file: str | None,
) -> None:
    """Serve the HTTP API and the viewer, purge, and feed sinks, until stopped.

    The store is made if it is not there. A link that signs in once is printed.
    """
    try:
        from whodid.server import config as settings
        from whodid.server.serve import serve as run
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("whodid"):
            raise
        raise InvalidSetting(
            f"The server needs {error.name}, which is not installed", "Run: pip install 'whodid[server]'"
        ) from None
    arguments = {
        "host": host,
        "port": port,
        "url": url,
        "trusted_proxies": proxies,
        "secret_file": secret_file,
        "name": name,
        "strict": strict,
        "compat": compat,
        "syslog": syslog or None,
        "workspace": workspace,
        "store": store,
        "key": key_file,
    }
    if link:
        known = settings.load(arguments, file=config)
        address = known.url or f"http://{known.host}:{known.port}"
        _print_link(address, operator, known.store, known.key)
        return
    run(settings.load(arguments, file=config), announce=ui.note)


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
