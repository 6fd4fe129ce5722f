"""One configuration: from file, environment and arguments, and nothing unknown in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from whodid.cli import ui
from whodid.errors import InvalidSetting
from whodid.server.config import Settings, explain, load, read_secret, read_token, variable


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
        ({"store": "memory://", "prot": 1}, {}, None, "no setting prot, on the command line. Did you mean port? Then"),
        ({}, {"WHODID_SERVE_PROT": "1"}, None, "no setting prot, as WHODID_SERVE_PROT says. Did you mean port?"),
        ({}, {}, "stroe = 'memory://'\n", "whodid.toml. Did you mean store"),
        ({}, {}, "[server]\nport = 1\n", "no setting server, in"),
        ({}, {}, "store = \n", "is not TOML"),
        ({"store": "memory://", "port": 70_000}, {}, None, "port: Expected `int` <= 65535"),
        ({"store": "memory://"}, {"WHODID_SERVE_PORT": "http"}, None, "port: "),
        ({"store": "memory://"}, {"WHODID_SERVE_STRICT": "perhaps"}, None, "strict: "),
        ({"store": "memory://", "threads": 0}, {}, None, "threads: "),
        ({"store": "memory://", "url": "audit.example.com"}, {}, None, "url: Expected an address such as https://"),
        ({"store": "memory://", "workspace": "no where"}, {}, None, "workspace: Expected 1 to 100 letters"),
        ({"store": "memory://", "log_level": "loud"}, {}, None, "log_level: "),
        ({"store": "memory://", "compat": "wokros"}, {}, None, "no product wokros"),
        ({"store": "memory://", "syslog": "tls://0.0.0.0:6514"}, {}, None, "TLS needs a certificate"),
        (
            {"store": "memory://", "secret": "x"},
            {},
            None,
            "no setting secret, on the command line. Did you mean secret_",
        ),
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
    with pytest.raises(InvalidSetting, match=f"has 5 bytes; it needs at least 32: {path}. Write more into"):
        read_secret(settings_with(path))
    with pytest.raises(InvalidSetting, match="cannot be used"):
        read_secret(settings_with(tmp_path / "none" / "secret"))


def test_a_wrong_value_is_named_with_where_it_stands(tmp_path: Path) -> None:
    """The remedy is the place to correct."""
    file = tmp_path / "whodid.toml"
    file.write_text('store = "memory://"\nport = "http"\n')
    with pytest.raises(InvalidSetting, match=f"Correct it in {file}"):
        load({}, environment={}, file=file)
    with pytest.raises(InvalidSetting, match="Correct it in WHODID_SERVE_THREADS"):
        load({}, environment={"WHODID_STORE": "memory://", "WHODID_SERVE_THREADS": "0"})


def test_what_is_in_force_is_told_with_where_it_comes_from(tmp_path: Path) -> None:
    """Every setting once, with its source and no password."""
    file = tmp_path / "whodid.toml"
    file.write_text("port = 1001\n")
    found = explain(
        {"rate": 5},
        environment={"WHODID_STORE": "postgresql://u:hush@db/x", "WHODID_KEY_FILE": "/k"},
        file=file,
    )
    told = {name: (value, source) for name, value, source in found}
    assert list(told) == [field.name for field in msgspec.structs.fields(Settings)]
    assert told["store"] == ("postgresql://u:***@db/x", "WHODID_STORE")
    assert told["key"] == ("/k", "WHODID_KEY_FILE")
    assert told["port"] == (1001, str(file))
    assert told["rate"] == (5, "command line")
    assert told["host"] == ("127.0.0.1", "default")


def text(value: object) -> str:
    """Write a value as the environment and the command line know it."""
    return " ".join(value) if isinstance(value, list) else str(value)


def test_a_setting_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """`--set` says how it is written, and knows the names of all settings."""
    assert ui.run(["serve", "--check", "--set", "threads"]) == 2
    assert "gives no value. Write --set NAME=VALUE" in capsys.readouterr().err
    assert ui.run(["serve", "--check", "--set", "treads=1"]) == 2
    assert "Did you mean threads" in capsys.readouterr().err


def test_options_of_their_own_reach_their_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Those with another name, and one that is repeated."""
    options = ["--origin", "https://a.example", "--origin", "https://b.example", "--proxies", "2", "--strict"]
    options += ["--compat", "workos,otlp", "--compat", "retraced"]
    assert ui.run(["serve", "--check", "--store", "memory://", "--key-file", "k", *options]) == 0
    told = tomllib.loads(capsys.readouterr().out)
    assert told["origins"] == ["https://a.example", "https://b.example"]
    assert (told["trusted_proxies"], told["strict"], told["key"]) == (2, True, "k")
    assert told["compat"] == ["workos", "otlp", "retraced"]


def test_every_setting_can_be_given_in_each_place(capsys: pytest.CaptureFixture[str]) -> None:
    """A file, a variable and an option: `--check` shows what came through each of them."""
    given = {
        "store": "memory://", "workspace": "w", "host": "::1", "port": 1, "url": "https://a.example",
        "trusted_proxies": 1, "key": "k", "secret_file": "s", "strict": True, "name": "n", "retention_minutes": 1,
        "detect": False, "geo_folder": "g",
        "origins": ["https://a.example", "https://b.example"], "threads": 1, "connections": 9,
        "downloads": 1, "replicas": ["postgresql://a.example/w"], "replica_lag_seconds": 3, "replica_wait_ms": 3,
        "anchor_log": True, "witness_policy": "w",
        "stamp_url": "https://tsa.example/", "stamp_certificates": "c",
        "exports_folder": "f", "exports_bytes": 1048576, "spool_folder": "d", "spool_bytes": 1048576,
        "rate": 1, "read_rate": 1, "compat": ["workos", "otlp"],
        "syslog": ["tcp://127.0.0.1:6514"], "oidc_issuer": "https://id.example", "oidc_client_id": "c",
        "oidc_secret_file": "o", "oidc_operators": ["@a.example"], "metrics_token_file": "t",
        "log_level": "error", "drain_seconds": 2, "shutdown_seconds": 2,
    }  # fmt: skip
    assert list(given) == [field.name for field in msgspec.structs.fields(Settings)]
    around = {variable(name): text(value) for name, value in given.items()}
    assert msgspec.json.decode(msgspec.json.encode(load(environment=around))) == given
    options = [part for name, value in given.items() for part in ("--set", f"{name}={text(value)}")]
    assert ui.run(["serve", "--check", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("  # command line") for line in lines] == [True] * len(given)
    assert tomllib.loads("\n".join(lines)) == given


@pytest.mark.parametrize("written", ['["workos", "otlp"]', '"workos,otlp"', '"workos otlp"', '"workos, otlp,"'])
def test_a_list_is_a_list_or_one_text(tmp_path: Path, written: str) -> None:
    """In every place alike: a file may hold what an environment holds."""
    file = tmp_path / "whodid.toml"
    file.write_text(f"store = 'memory://'\ncompat = {written}\n")
    assert load(environment={}, file=file).compat == ("workos", "otlp")
    if written.startswith('"'):
        around = {"WHODID_STORE": "memory://", "WHODID_SERVE_COMPAT": written.strip('"')}
        assert load(environment=around).compat == ("workos", "otlp")


def test_the_token_of_the_metrics_is_made_like_the_secret(tmp_path: Path) -> None:
    """At first start, for its owner only; without the setting there is none."""
    settings = Settings(store="memory://", metrics_token_file=str(tmp_path / "token"))
    assert read_token(settings) == read_token(settings)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert read_token(Settings(store="memory://")) is None


def test_every_setting_is_described() -> None:
    """The docstring names each one, so that the reference does."""
    described = Settings.__doc__ or ""
    for field in msgspec.structs.fields(Settings):
        assert f"        {field.name}: " in described, field.name
