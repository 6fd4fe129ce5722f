"""The configuration of `whodid serve`: one frozen object, read once, from a file, the environment and arguments.

What stands later in that order wins. Whatever nobody knows is refused by name, because a setting with a spelling
mistake is a setting that is not set. Secrets come from files only: arguments and environments are read by others.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from whodid.catalog import without_password
from whodid.errors import InvalidSetting
from whodid.files.private import make_private
from whodid.server.compat import check_products
from whodid.server.compat.syslog_addresses import read_address
from whodid.server.origins import check_origins
from whodid.server.signing import check_secret

__all__ = [
    "Setting",
    "Settings",
    "explain",
    "load",
    "read_client_secret",
    "read_secret",
    "read_token",
    "variable",
]

_PREFIX = "WHODID_SERVE_"
# These mean the same to every command, so they are named without the command.
_SHARED = {"WHODID_STORE": "store", "WHODID_WORKSPACE": "workspace", "WHODID_KEY_FILE": "key"}
_FILE = "WHODID_SERVE_CONFIG"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `whodid serve` runs.

    Args:
        store: Address of the store, such as `sqlite:///audit.db`.
        workspace: The workspace whose log the printed link opens; the only one, or else the console, when not given.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        url: How browsers reach the server, when a proxy stands in front: `https://audit.example.com/log`.
        trusted_proxies: How many proxies of yours stand in front.
        key: The log's key file; beside the database when not given.
        secret_file: File with the secret that hosts mint viewer tokens with; made at first start. Without it the
            secret lives as long as the process, and only the printed link lets anybody in.
        strict: Refuse actions that the catalog does not declare.
        name: Name of the deployment, first part of the origin of every new log.
        retention_minutes: Minutes between two rounds of retention; 0 leaves it to others.
        detect: Whether to follow the logs with the rules of detection and raise alerts. Where the extra `detect`
            is not installed there is no detection, and the server says so.
        geo_folder: Folder with tables that say where addresses are (`whodid geo fetch`); without, sign-ins are not
            looked at for places that nobody told.
        origins: Web origins of other pages that may load the viewer, read the API and frame `/embed`; a list, or one
            text with spaces or commas between.
        threads: How many requests may work on the store at once: as many that read, that send through the doors of
            other products, and that send through those that must not be turned away.
        connections: How many connections there may be at once; beyond that each ends with its answer, to make room for
            others, and twice as many are the most.
        downloads: How many exports may be made at once.
        replicas: Addresses of streaming replicas of a PostgreSQL store, which answer what is only read: lists, counts,
            search, proofs, exports; a list, as `origins`.
        replica_lag_seconds: How far behind a replica may be; one that is further behind is left out until it is back.
        replica_wait_ms: How long a request may wait for a replica to have what the primary has, before the primary
            answers it.
        anchor_log: Whether to keep an anchor log: witnesses and the time stamp authority then see that one in the
            place of the logs of all workspaces. For deployments with many of them.
        witness_policy: File that names witnesses (C2SP tlog-policy); each new head is sent to them, once a minute.
        stamp_url: Address of a time stamp authority (RFC 3161); each head that grew is stamped, once a day. Needs
            the next one, and the extra `stamps`.
        stamp_certificates: PEM file with the certificates of that authority, at least its root.
        exports_folder: Folder, the server's own, where exports are made and kept for 24 hours. When not given it lies
            beside the database (`audit.db.exports`); with another store it is a temporary one that ends with the
            process. Servers of one deployment share it.
        exports_bytes: What the files of exports may take on the disk in all; one workspace may take half of it.
        spool_folder: Folder, the server's own, where events of clients that never send again (Retraced's, Splunk's
            handler) wait while the store is away. When not given it lies beside the database (`audit.db.spool`); with
            another store there is none, and they are refused then. Servers on one machine may share it.
        spool_bytes: What it may take on the disk; beyond that they are refused.
        rate: Events per second that each API key may send on average; 0 for no limit.
        read_rate: Requests per second that each API key and each viewer may read with on average, ten seconds' worth at
            once after a rest; 0 for no limit.
        compat: Products whose own clients are to work here: some of `workos`, `retraced`, `otlp`, `cloudevents`,
            `splunk` and `mcp` (assistants that ask the log); a list, as `origins`.
        syslog: Addresses to take syslog at, such as `tls://0.0.0.0:6514?cert=server.pem&cert_key=server.key`; a list,
            as `origins`.
        oidc_issuer: OpenID provider at which operators sign in to the console; needs `url` and the next three.
        oidc_client_id: Name of this server at the provider; its return address there is `<url>/console/oidc/return`.
        oidc_secret_file: File with the secret that the provider gave it.
        oidc_operators: Who may enter: e-mail addresses, and `@example.com` for a whole domain; a list, as `origins`.
        metrics_token_file: File with the token that opens `/metrics`; made at first start. Without it there are no
            metrics.
        log_level: What is written to standard error, one JSON object per line: `info` for every request, `warning`
            or `error` for what goes wrong only.
        drain_seconds: How long the server says that it is not ready, and takes in nothing new, before it stops
            listening (SIGTERM).
        shutdown_seconds: How long requests under way may take to end when the server has stopped listening.
    """

    store: Annotated[str, Meta(min_length=1)]
    workspace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:\-]{1,100}$")] | None = None
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8321
    url: Annotated[str, Meta(pattern=r"^https?://[^\s?#]+$")] | None = None
    trusted_proxies: Annotated[int, Meta(ge=0, le=10)] = 0
    key: str | None = None
    secret_file: str | None = None
    strict: bool = False
    name: Annotated[str, Meta(min_length=1)] = "localhost"
    retention_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 60
    detect: bool = True
    geo_folder: Annotated[str, Meta(min_length=1)] | None = None
    origins: tuple[str, ...] = ()
    threads: Annotated[int, Meta(ge=1, le=128)] = 8
    connections: Annotated[int, Meta(ge=8, le=65_535)] = 512
    downloads: Annotated[int, Meta(ge=1, le=64)] = 4
    replicas: tuple[str, ...] = ()
    replica_lag_seconds: Annotated[int, Meta(ge=3, le=3_600)] = 10
    replica_wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = 200
    anchor_log: bool = False
    witness_policy: Annotated[str, Meta(min_length=1)] | None = None
    stamp_url: Annotated[str, Meta(pattern=r"^https?://[^\s#]+$")] | None = None
    stamp_certificates: Annotated[str, Meta(min_length=1)] | None = None
    exports_folder: Annotated[str, Meta(min_length=1)] | None = None
    exports_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 5 * 1024**3
    spool_folder: Annotated[str, Meta(min_length=1)] | None = None
    spool_bytes: Annotated[int, Meta(ge=1024 * 1024)] = 256 * 1024**2
    rate: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    read_rate: Annotated[int, Meta(ge=0, le=100_000)] = 200
    compat: tuple[str, ...] = ()
    syslog: tuple[str, ...] = ()
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_secret_file: str | None = None
    oidc_operators: tuple[str, ...] = ()
    metrics_token_file: Annotated[str, Meta(min_length=1)] | None = None
    log_level: Literal["info", "warning", "error"] = "info"
    drain_seconds: Annotated[int, Meta(ge=0, le=300)] = 1
    shutdown_seconds: Annotated[int, Meta(ge=1, le=600)] = 30


class Setting(NamedTuple):
    """One setting as it is in force.

    Args:
        source: Where it comes from: `default`, the file's path, the variable's name, or `command line`.
    """

    name: str
    value: Any
    source: str


_LISTS = frozenset({"compat", "oidc_operators", "origins", "replicas", "syslog"})
_ADDRESSES = frozenset({"store", "replicas"})
_OIDC = ("url", "oidc_issuer", "oidc_client_id", "oidc_secret_file", "oidc_operators")
_FORMS = {
    "workspace": "1 to 100 letters, digits and _ . : -",
    "url": "an address such as https://audit.example.com",
    "stamp_url": "an address such as https://tsa.example.com/tsr",
}
"""What people are told in the place of a pattern."""
_NAMES = tuple(field.name for field in msgspec.structs.fields(Settings))


def load(
    arguments: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> Settings:
    """Read the configuration.

    Args:
        arguments: By name of the setting; None means not given.
        environment: `WHODID_STORE`, `WHODID_WORKSPACE`, `WHODID_KEY_FILE` and `WHODID_SERVE_<NAME>`; the process's
            own when not given.
        file: A TOML file with the names of the settings; `WHODID_SERVE_CONFIG` names one too.

    Returns:
        The settings.

    Raises:
        InvalidSetting: A name is unknown, a value cannot be used, or the file cannot be read.
    """
    return _settled(_collected(arguments, environment, file))


def explain(
    arguments: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: str | os.PathLike[str] | None = None,
) -> list[Setting]:
    """Return every setting that `load` would return, with where it comes from and without secrets."""
    found = _collected(arguments, environment, file)
    settings = _settled(found)
    return [
        Setting(
            name,
            _shown(name, getattr(settings, name)),
            found[name].source if name in found else "default",
        )
        for name in _NAMES
    ]


def _shown(name: str, value: Any) -> Any:
    """Return the value of a setting without passwords of databases."""
    if name not in _ADDRESSES:
        return value
    return without_password(value) if isinstance(value, str) else tuple(without_password(one) for one in value)


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return next((variable for variable, of in _SHARED.items() if of == name), f"{_PREFIX}{name.upper()}")


def read_client_secret(settings: Settings) -> str:
    """Return the secret that the OpenID provider gave this server.

    Raises:
        InvalidSetting: Its file cannot be read, is open to other users, or is empty.
    """
    path = Path(settings.oidc_secret_file or "")
    try:
        _check_private(path)
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"The secret file {path} cannot be read: {error}", "Check oidc_secret_file") from None
    if not text:
        raise InvalidSetting(f"The secret file {path} is empty", "Write into it what the provider gave you")
    return text


def read_secret(settings: Settings) -> bytes:
    """Return the secret that viewer tokens are signed with, making its file at first start.

    Raises:
        InvalidSetting: The file cannot be read or made, is open to other users, or holds too little.
    """
    return token_bytes(32) if settings.secret_file is None else _secret_in(Path(settings.secret_file))


def read_token(settings: Settings) -> bytes | None:
    """Return the token that opens the metrics, making its file at first start; None when there is none.

    Raises:
        InvalidSetting: As for `read_secret`.
    """
    return None if settings.metrics_token_file is None else _secret_in(Path(settings.metrics_token_file))


def _collected(
    arguments: Mapping[str, Any] | None,
    environment: Mapping[str, str] | None,
    file: str | os.PathLike[str] | None,
) -> dict[str, Setting]:
    """Return what is set by name: the last source that names a setting wins."""
    around = os.environ if environment is None else environment
    path = file if file is not None else around.get(_FILE)
    found = _of_file(Path(path)) if path is not None else []
    found += _of_environment(around)
    for name, value in (arguments or {}).items():
        if value is not None:
            _known(name, "on the command line")
            found.append(Setting(name, _parted(name, value), "command line"))
    return {one.name: one for one in found}


def _settled(found: Mapping[str, Setting]) -> Settings:
    if "store" not in found:
        raise InvalidSetting("No store is named", "Give --store sqlite:///audit.db, or set WHODID_STORE")
    try:
        # The environment knows texts only: "8080" is a port, "true" a truth.
        settings = msgspec.convert({one.name: one.value for one in found.values()}, Settings, strict=False)
    except msgspec.ValidationError as error:
        fact, _, place = str(error).partition(" - at `$.")
        where = place.rstrip("`")
        if where in _FORMS and "regex" in fact:
            fact = f"Expected {_FORMS[where]}"
        source = found[where].source if where in found else "the file, the environment or the arguments"
        raise InvalidSetting(f"{where or 'The configuration'}: {fact}", f"Correct it in {source}") from None
    check_origins(settings.origins)
    check_products(settings.compat)
    for address in settings.syslog:
        read_address(address)
    if (settings.stamp_url is None) != (settings.stamp_certificates is None):
        raise InvalidSetting("Time stamps need stamp_url and stamp_certificates", "Set both of them, or neither")
    missing = [name for name in _OIDC if not getattr(settings, name)]
    if missing and any(getattr(settings, name) for name in _OIDC[1:]):
        raise InvalidSetting(
            f"Single sign-on lacks {', '.join(missing)}", f"Set all of {', '.join(_OIDC)}, or only url"
        )
    return settings


def _secret_in(path: Path) -> bytes:
    try:
        if not path.exists():
            make_private(path, f"{token_hex(32)}\n")
        _check_private(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise InvalidSetting(f"The secret file {path} cannot be used: {error.strerror}", "Check its folder") from None
    try:
        return check_secret(secret)
    except InvalidSetting as error:
        raise InvalidSetting(
            f"{error.fact}: {path}", "Write more into it; or remove it, and the next start makes one"
        ) from None


def _check_private(path: Path) -> None:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidSetting(f"Others may read the secret file {path}", f"Run: chmod 600 {path}")


def _of_file(path: Path) -> list[Setting]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"The file {path} cannot be read: {error.strerror}", "Check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"The file {path} is not TOML: {error}", "Correct it") from None
    for name in values:
        _known(name, f"in {path}")
    return [Setting(name, _parted(name, value), str(path)) for name, value in values.items()]


def _of_environment(environment: Mapping[str, str]) -> list[Setting]:
    found: list[Setting] = []
    for variable, value in environment.items():
        if variable == _FILE:
            continue
        if variable in _SHARED:
            found.append(Setting(_SHARED[variable], value, variable))
        elif variable.startswith(_PREFIX):
            name = variable.removeprefix(_PREFIX).lower()
            _known(name, f"as {variable} says")
            found.append(Setting(name, _parted(name, value), variable))
    return found


def _parted(name: str, value: Any) -> Any:
    """Return the members of a list that was written as one text."""
    return value.replace(",", " ").split() if name in _LISTS and isinstance(value, str) else value


def _known(name: str, where: str) -> None:
    if name not in _NAMES:
        near = difflib.get_close_matches(name, _NAMES, n=1)
        remedy = f"Did you mean {near[0]}? Then write that" if near else f"Known are {', '.join(_NAMES)}"
        raise InvalidSetting(f"There is no setting {name}, {where}", remedy)
