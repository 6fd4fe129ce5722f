"""S1, Django: five lines added to an application that has its own tests."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(folder: Path, settings: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run something of the shop with its settings."""
    environment = {**os.environ, "SHOP_FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": f"tests.django_host.{settings}"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_it_is_at_most_five_lines() -> None:
    """What the settings add is short."""
    module = ast.parse((ROOT / "tests/django_host/watched.py").read_text(encoding="utf-8"))
    assert sum(not isinstance(node, (ast.ImportFrom, ast.Expr)) for node in module.body[1:]) + 1 <= 5


def test_the_application_s_own_tests_pass_with_and_without(tmp_path: Path) -> None:
    """The same tests, the same number, none of them changed."""
    counts = []
    for settings in ("plain", "watched"):
        done = run(tmp_path, settings, "tests.django_host.manage", "test", "tests.django_host.shop.tests", "--noinput")
        assert done.returncode == 0, done.stderr[-3000:]
        counts.append(next(line for line in done.stderr.splitlines() if line.startswith("Ran ")).split()[1])
    assert counts[0] == counts[1] == "8"


def test_two_hundred_requests(tmp_path: Path) -> None:
    """Every change that the database saw is told once, with actor, workspace and request; then the hook goes."""
    done = run(tmp_path, "watched", "tests.django_host.visiting")
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 1000


def test_the_checks_of_django(tmp_path: Path) -> None:
    """`manage.py check` has nothing to say about the five lines, and warns of a database without the outbox."""
    done = run(tmp_path, "watched", "tests.django_host.manage", "check")
    assert "no issues" in done.stdout, done.stdout + done.stderr
    done = run(tmp_path, "watched", "tests.django_host.manage", "check", "--database", "default")
    assert "whodid.W003" in done.stderr
    done = run(tmp_path, "watched", "tests.django_host.manage", "makemigrations", "--check", "--dry-run", "whodid")
    assert done.returncode == 0, done.stdout + done.stderr
