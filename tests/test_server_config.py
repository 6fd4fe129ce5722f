"""One configuration: from file, environment and arguments, and nothing unknown in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from whodid.errors import InvalidSetting
from whodid.server.config import Settings, load, read_secret


def test_later_sources_win(tmp_path: Path) -> None:
    """Arguments over environment over file over defaults."""
    file = tmp_path / "whodid.toml"
    file.write_text('store = "sqlite:///file.db"\nport = 1001\ntrusted_proxies = 1\nthreads = 3\n')
    settings = load(
        {"port": 1003, "host": None},
        environment={"WHODID_SERVE_PORT": "1002", "WHODID_SERVE_THREADS": "5", "WHODID_SERVE_CONFIG": str(file)},
    )
    assert (settings.port, settings.threads, settings.trusted_proxies) == (1003, 5, 1)
    assert (settings.store, settings.host) == ("sqlite:///file.db", "127.0.0.1")


def test_the_store_and_the_workspace_have_the_names_of_all_commands() -> None:
    """WHODID_STORE and WHODID_WORKSPACE mean the same to every command; other programs' variables do not matter."""
    settings = load(
        environment={"WHODID_STORE": "memory://", "WHODID_WORKSPACE": "wsp", "WHODID_REQUIRE": "browser", "PATH": "/"}
    )
    assert (settings.store, settings.workspace) == ("memory://", "wsp")


def test_settings_are_frozen() -> None:
    """What was read at the door does not change."""
    settings = load({"store": "memory://"}, environment={})
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "environment", "text", "fact"),
    [
        ({}, {}, None, "No store is named"),
        ({"store": ""}, {}, None, "store: "),
        ({"store": "memory://", "prot": 1}, {}, None, "no argument prot. Did you mean port"),
        ({}, {"WHODID_SERVE_PROT": "1"}, None, "no variable WHODID_SERVE_PROT: prot. Did you mean port"),
        ({}, {}, "stroe = 'memory://'\n", "stroe. Did you mean store"),
        ({}, {}, "[server]\nport = 1\n", "no setting in"),
        ({}, {}, "store = \n", "is not TOML"),
        ({"store": "memory://", "port": 70_000}, {}, None, "port: Expected `int` <= 65535"),
        ({"store": "memory://"}, {"WHODID_SERVE_PORT": "http"}, None, "port: "),
        ({"store": "memory://"}, {"WHODID_SERVE_STRICT": "perhaps"}, None, "strict: "),
        ({"store": "memory://", "threads": 0}, {}, None, "threads: "),
        ({"store": "memory://", "url": "audit.example.com"}, {}, None, "url: "),
        ({"store": "memory://", "workspace": "no where"}, {}, None, "workspace: "),
        ({"store": "memory://", "secret": "x"}, {}, None, "no argument secret. Did you mean secret_file"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, arguments: dict[str, object], environment: dict[str, str], text: str | None, fact: str
) -> None:
    """Unknown names, wrong values and broken files say which and what to do."""
    file = tmp_path / "whodid.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        load(arguments, environment=environment, file=file if text is not None else None)
    assert fact in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is named has to be there."""
    with pytest.raises(InvalidSetting, match="cannot be read"):
        load({"store": "memory://"}, environment={}, file=tmp_path / "none.toml")


def test_truth_and_numbers_come_from_the_environment() -> None:
    """The environment knows texts only."""
    settings = load(environment={"WHODID_STORE": "memory://", "WHODID_SERVE_STRICT": "true", "WHODID_SERVE_PORT": "0"})
    assert (settings.strict, settings.port) == (True, 0)


def settings_with(path: Path) -> Settings:
    """Return settings with a secret file."""
    return Settings(store="memory://", secret_file=str(path))


def test_the_secret_file_is_made_once(tmp_path: Path) -> None:
    """The first start makes it, for its owner only; every later one reads the same."""
    path = tmp_path / "secret"
    first = read_secret(settings_with(path))
    assert len(first) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret(settings_with(path)) == first


def test_without_a_file_the_secret_is_of_the_moment() -> None:
    """Two starts share nothing."""
    settings = Settings(store="memory://")
    assert read_secret(settings) != read_secret(settings)


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The remedy is the command that mends it."""
    path = tmp_path / "secret"
    path.write_text("x" * 64)
    path.chmod(0o644)
    with pytest.raises(InvalidSetting, match="chmod 600"):
        read_secret(settings_with(path))


def test_a_short_or_unreachable_secret_is_refused(tmp_path: Path) -> None:
    """Too little to sign with, or a folder that is not there."""
    path = tmp_path / "secret"
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(InvalidSetting, match="has 5 bytes"):
        read_secret(settings_with(path))
    with pytest.raises(InvalidSetting, match="cannot be used"):
        read_secret(settings_with(tmp_path / "none" / "secret"))


def test_every_setting_is_described() -> None:
    """The docstring names each one, so that the reference does."""
    described = Settings.__doc__ or ""
    for field in msgspec.structs.fields(Settings):
        assert f"        {field.name}: " in described, field.name
