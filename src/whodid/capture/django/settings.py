"""The setting `WHODID`, read once and checked, and the log that it names, opened when it is first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.utils.module_loading import import_string
from msgspec import Struct

from whodid.capture.capture import Capture
from whodid.capture.django.net import POLICIES
from whodid.catalog import Catalog, builtin
from whodid.errors import InvalidSetting
from whodid.model import Event

__all__ = ["Home", "Settings", "settings"]

_NAMES = frozenset(
    """
    ACTOR BULK_LIMIT CATALOG CHECK EXACT EXCLUDE LOG MODELS ON_FAILURE STRICT TRIGGERS TRUSTED_PROXIES UNCLAIMED
    WORKSPACE
    """.split()  # noqa: SIM905 - a list of words reads as words
)


class Settings(Struct, frozen=True, kw_only=True):
    """What `WHODID` says.

    Args:
        log: Address of the log, or dotted path to a function that returns a log or a capture.
        catalog: Dotted path to the catalog of a log that is named by its address.
        models: `"all"`, or patterns of models.
        exclude: Patterns of models that are not watched.
        workspace: Name of the one workspace, or dotted path to a function that returns the present one.
        proxies: How many proxies of one's own stand before the application, or their networks.
        actor: Dotted path to a function that returns the actor of a request.
        strict: Whether a change is refused of which it is not known who makes it or in which workspace.
        limit: Rows of one statement that are told one by one.
        unclaimed: What to do about statements past the ORM.
        exact: Whether a row is read and locked before it is saved or deleted, instead of being compared with what was
            loaded.
        check: Whether an event that the log would refuse fails its change, instead of being set aside later.
        triggers: `"all"`, or patterns of models that triggers of PostgreSQL tell of, and not the hook.
        on_failure: Whether a change fails when the outbox does, or its events go to the destination of the capture.
    """

    log: str
    workspace: str
    catalog: str | None = None
    models: str | tuple[str, ...] = "all"
    exclude: tuple[str, ...] = ()
    proxies: int | tuple[str, ...] = 0
    actor: str | None = None
    strict: bool = False
    limit: int = 10_000
    unclaimed: str = "warn"
    check: bool = False
    exact: bool = False
    on_failure: str = "raise"
    triggers: str | tuple[str, ...] = ()

    def capture(self, home: Home) -> Capture:
        """Return the capture that builds the events of this process."""
        workspace: Any = self.workspace
        if "." in workspace:
            workspace = _imported(workspace, "WORKSPACE")
        made = Capture.to(home, workspace=workspace, strict=self.strict)
        return home.own or made


def settings() -> Settings:
    """Read the setting.

    Raises:
        InvalidSetting: It is missing, or something in it cannot be used.
    """
    said = getattr(django_settings, "WHODID", None)
    if not isinstance(said, Mapping):
        raise InvalidSetting(
            "The setting WHODID is missing", 'Add WHODID = {"LOG": "sqlite:///audit.db", "WORKSPACE": "shop"}'
        )
    if unknown := sorted(set(said) - _NAMES):
        raise InvalidSetting(f"WHODID has no setting {', '.join(unknown)}", f"Use some of {', '.join(sorted(_NAMES))}")
    for name in ("LOG", "WORKSPACE"):
        if not isinstance(said.get(name), str) or not said[name]:
            raise InvalidSetting(f"WHODID lacks {name}", f"Say {_REMEDIES[name]}")
    models, triggers = said.get("MODELS", "all"), said.get("TRIGGERS", ())
    found = Settings(
        log=said["LOG"],
        workspace=said["WORKSPACE"],
        catalog=said.get("CATALOG"),
        models=models if models == "all" else tuple(_patterns("MODELS", models)),
        exclude=tuple(_patterns("EXCLUDE", said.get("EXCLUDE", ()))),
        proxies=_proxies(said.get("TRUSTED_PROXIES", 0)),
        actor=said.get("ACTOR"),
        strict=bool(said.get("STRICT", False)),
        limit=said.get("BULK_LIMIT", 10_000),
        unclaimed=said.get("UNCLAIMED", "warn"),
        check=bool(said.get("CHECK", False)),
        exact=bool(said.get("EXACT", False)),
        on_failure=said.get("ON_FAILURE", "raise"),
        triggers=triggers if triggers == "all" else tuple(_patterns("TRIGGERS", triggers)),
    )
    if type(found.limit) is not int or found.limit < 0:
        raise InvalidSetting(f"BULK_LIMIT is {found.limit!r}", "Use a whole number, 0 or more")
    if found.unclaimed not in POLICIES:
        raise InvalidSetting(f"UNCLAIMED is {found.unclaimed!r}", f"Use one of {', '.join(POLICIES)}")
    if found.on_failure not in ("raise", "spool"):
        raise InvalidSetting(f"ON_FAILURE is {found.on_failure!r}", "Use raise or spool")
    return found


_REMEDIES = {
    "LOG": 'where the log is ("sqlite:///audit.db"), or the dotted path of a function that returns one',
    "WORKSPACE": "the name of the workspace, or the dotted path of a function that returns the present one",
}


def _patterns(name: str, said: Any) -> Sequence[str]:
    if isinstance(said, str) or not all(isinstance(one, str) for one in said):
        raise InvalidSetting(f"{name} is not a list of patterns", 'Write it like ["shop.*", "accounts.User"]')
    return list(said)


def _proxies(said: Any) -> int | tuple[str, ...]:
    if isinstance(said, (list, tuple)) and all(isinstance(one, str) for one in said):
        return tuple(said)
    if type(said) is not int or said < 0:
        raise InvalidSetting(
            f"TRUSTED_PROXIES is {said!r}", 'Use a whole number, 0 or more, or networks such as ["10.0.0.0/8"]'
        )
    return said


def _imported(path: str, name: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise InvalidSetting(f"{name} names {path}, which cannot be imported: {error}", "Correct the path") from None


class Home:
    """The log of the application, opened when it is first needed and once per process.

    A process that is forked opens its own: no connection to a log survives a fork.

    Args:
        said: What names it.
    """

    def __init__(self, said: Settings) -> None:
        self._said = said
        self._lock = threading.Lock()
        self._log: Any = None
        self._process = 0
        self._catalog: Catalog | None = None

    @property
    def own(self) -> Capture | None:
        """The capture that the application made itself, when LOG names one."""
        if "://" in self._said.log:
            return None
        made = self.log()
        return made if isinstance(made, Capture) else None

    @property
    def catalog(self) -> Catalog:
        """The declared actions."""
        if self._catalog is None:
            if self._said.catalog is not None:
                self._catalog = _imported(self._said.catalog, "CATALOG")
            else:
                self._catalog = builtin() if "://" in self._said.log else self.log().catalog
        return self._catalog

    def fingerprint(self, workspace: str, value: bytes, /) -> str:
        """Return the keyed fingerprint of bytes for a workspace."""
        return str(self.log().fingerprint(workspace, value))

    def record_many(self, workspace: str, events: Sequence[Event], /) -> Sequence[Any]:
        """Record events; see `Log.record_many`."""
        return list(self.log().record_many(workspace, events))

    def check(self, workspace: str, event: Event) -> None:
        """Refuse what the log would refuse; see `Log.check`."""
        self.log().check(workspace, event)

    def log(self) -> Any:
        """Return the log, or what LOG names instead."""
        if self._log is None or self._process != os.getpid():
            with self._lock:
                if self._log is None or self._process != os.getpid():
                    self._log = self._open()
                    self._process = os.getpid()
        return self._log

    def close(self) -> None:
        """Close the log, if it is open; it is opened again when it is needed."""
        with self._lock:
            if self._log is not None and self._process == os.getpid() and hasattr(self._log, "close"):
                self._log.close()
            self._log = None

    def _open(self) -> Any:
        if "://" not in self._said.log:
            factory: Callable[[], Any] = _imported(self._said.log, "LOG")
            return factory()
        # By its name: capture stands below the log in the house, and only the application's settings join the two.
        return import_string("whodid.open")(self._said.log, catalog=self.catalog)
