"""Starting the workspace as a new user does: one command, a password, and the data is still there the next time."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from sendero.__main__ import first_start, main
from sendero.installation import Settings
from tests.lumen import SAME
from whodid.errors import InvalidSetting

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1"}
OWNER = "aisha@casalumen.es"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(folder: Path, port: int) -> Iterator[tuple[str, float]]:
    """Run the workspace until it says how to sign in; yield what it printed and how long it took."""
    command = [sys.executable, "-m", "sendero", "--data", str(folder), "--port", str(port), "--days", "1"]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            printed = ""
            while f"password {OWNER}" not in printed:
                line = program.stdout.readline()
                assert line or program.poll() is None, printed
                printed += line
            yield printed, time.monotonic() - began
        finally:
            program.send_signal(signal.SIGTERM)
            assert program.wait(30) == 0


def sign_in(port: int, password: str) -> httpx2.Client:
    """Sign the owner in."""
    browser = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers=SAME)
    answer = browser.post("/sign-in", data={"email": OWNER, "password": password})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/", answer.text
    return browser


def test_from_nothing_to_the_log(tmp_path: Path) -> None:
    """The first start tells the story and prints a password; the second keeps everything; a new password works."""
    folder, port = tmp_path / "var", free_port()
    with started(folder, port) as (printed, _):
        (password,) = re.findall(rf"Sign in as {OWNER} with the password ([a-z0-9-]+)", printed)
        assert f"http://127.0.0.1:{port}" in printed
        with closing(sign_in(port, password)) as browser:
            browser.post("/contacts/new", data={"name": "Kept Person", "lifecycle": "lead"})
            token = browser.post("/audit-token").text
            found = browser.get(
                "/audit/v1/entries?q=action:contact.created", headers={"Authorization": f"Bearer {token}"}
            ).json()
            assert found["items"][0]["resource"]["name"] == "Kept Person"
        changed = subprocess.run(
            [sys.executable, "-m", "sendero", "--data", str(folder), "password", OWNER],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        )
        (fresh,) = re.findall(rf"{OWNER} can sign in with the password ([a-z0-9-]+)", changed.stdout)
        sign_in(port, fresh).close()

    stored = b"".join(file.read_bytes() for file in folder.iterdir())
    assert password.encode() not in stored
    assert fresh.encode() not in stored
    modes = {file.name: file.stat().st_mode & 0o077 for file in folder.glob("*.key")}
    assert modes == {"audit.db.key": 0, "vault.key": 0, "web.key": 0}

    with started(folder, port) as (printed, took):
        assert "with the password" not in printed
        assert took < 15
        with closing(sign_in(port, fresh)) as browser:
            assert "Kept Person" in browser.get("/contacts?q=kept").text


def test_a_busy_port_is_told_before_anything_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, the remedy, no traceback, no data."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--data", str(tmp_path / "var"), "--port", str(port)]) == 1
    told = capsys.readouterr().err
    assert f"Port {port}" in told
    assert "Choose another one with --port" in told
    assert not (tmp_path / "var").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Nothing is built into, or over, what is not a workspace."""
    (tmp_path / "thesis.txt").write_text("Chapter 1")
    assert main(["--data", str(tmp_path), "--port", str(free_port())]) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_interrupted_first_start_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was built half is not taken for a workspace."""

    def torn(settings: Settings, days: int, times: int) -> str:
        settings.data.mkdir(parents=True)
        (settings.data / "sendero.db").write_bytes(b"half")
        raise KeyboardInterrupt

    settings = Settings(data=tmp_path / "var")
    with monkeypatch.context() as patch:
        patch.setattr("sendero.__main__._tell", torn)
        with pytest.raises(KeyboardInterrupt):
            first_start(settings, 1)
    assert not any(settings.data.iterdir())
    (tmp_path / ".var.first-start").mkdir()
    (tmp_path / ".var.first-start" / "sendero.db").write_bytes(b"half")

    assert first_start(settings, 1) is not None
    assert first_start(settings, 1) is None
    assert [file.name for file in tmp_path.iterdir()] == ["var"]


@pytest.mark.parametrize(
    ("address", "told"), [("nobody@casalumen.es", "Nobody here"), ("lucia@casalumen.es", "is deactivated")]
)
def test_who_cannot_get_a_password(tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, told: str) -> None:
    """Somebody who is not here, or may not sign in; and nobody before the first start."""
    assert main(["--data", str(tmp_path / "var"), "password", address]) == 1
    assert "There is no workspace" in capsys.readouterr().err
    first_start(Settings(data=tmp_path / "var"), 1)

    assert main(["--data", str(tmp_path / "var"), "password", address]) == 1
    assert told in capsys.readouterr().err


def test_two_first_starts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is refused, and the first one's work is left alone."""
    settings = Settings(data=tmp_path / "var")

    def tell(_: Settings, days: int, times: int) -> str:
        first_start(settings, days, times)
        return "never"

    monkeypatch.setattr("sendero.__main__._tell", tell)
    with pytest.raises(InvalidSetting, match="Another process begins"):
        first_start(settings, 1)


def test_a_port_is_taken_before_the_story_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a second one while the first still builds is told at once."""
    port = free_port()
    second: list[int] = []

    def begin(_: Settings, *__: int) -> str:
        monkeypatch.undo()
        second.append(main(["--data", str(tmp_path / "other"), "--port", str(port)]))
        raise InvalidSetting("Enough was seen", "End here")

    monkeypatch.setattr("sendero.__main__.first_start", begin)
    assert main(["--data", str(tmp_path / "var"), "--port", str(port)]) == 1
    assert second == [1]
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["audit.db", "vault.key"])
def test_a_part_that_is_missing(tmp_path: Path, name: str) -> None:
    """An empty log or a fresh key would pass for the real one: neither is made beside an existing workspace."""
    for present in {"sendero.db", "audit.db", "vault.key"} - {name}:
        (tmp_path / present).touch()
    with pytest.raises(InvalidSetting, match=f"{name} is missing"):
        first_start(Settings(data=tmp_path), 1)
    assert not (tmp_path / name).exists()


def test_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, no traceback."""
    (tmp_path / "file").touch()
    assert main(["--data", str(tmp_path / "file"), "--port", str(free_port())]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_whatsapp_that_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it was typed or stands in the environment: one sentence that says what there is."""
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path / "var"), "--whatsapp", "telegram"])
    assert "invalid choice: 'telegram'" in capsys.readouterr().err
    monkeypatch.setenv("SENDERO_WHATSAPP", "telegram")
    assert main(["--data", str(tmp_path / "var")]) == 1
    assert "Set SENDERO_WHATSAPP to demo or cloud" in capsys.readouterr().err
    assert not (tmp_path / "var").exists()
