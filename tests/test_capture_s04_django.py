"""S4, Django: outside of a transaction a row and its event share their fate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import djangoing
from tests.djangoing import AISHA, oracle_agrees, told
from whodid.capture import context


@pytest.fixture(params=djangoing.DATABASES)
def alias(request: pytest.FixtureRequest) -> Iterator[str]:
    """Prepare a database, and act as Aisha."""
    with context(actor=AISHA):
        yield djangoing.prepared(request.param, request)


def test_a_change_that_fails_leaves_no_event(alias: str) -> None:
    """A broken constraint in autocommit mode: neither row nor event; and nothing is left open."""
    from django.db import IntegrityError, connections

    from tests.django_host.shop.models import Customer

    one = Customer.objects.create(name="A", email="a@example.com")
    two = Customer.objects.create(name="B", email="b@example.com")
    djangoing.forgotten(alias)
    two.email = "a@example.com"
    for change in (
        two.save,
        lambda: Customer.objects.filter(pk=two.pk).update(email="a@example.com"),
        lambda: Customer.objects.create(name="C", email="a@example.com"),
        lambda: Customer.objects.bulk_create(
            [Customer(name="D", email="d@example.com"), one.__class__(email="a@example.com")]
        ),
        lambda: Customer.objects.bulk_update([two], ["email"]),
    ):
        with pytest.raises(IntegrityError):
            change()
        assert not connections[alias].in_atomic_block
        assert told(alias) == []
    two.email = "c@example.com"
    two.save()
    oracle_agrees(alias, expected=1)


@pytest.mark.faults
@pytest.mark.parametrize("database", djangoing.DATABASES)
def test_killed_at_every_point(database: str, request: pytest.FixtureRequest) -> None:
    """Before and after each statement and each COMMIT of ten kinds of change: never the one without the other."""
    import subprocess
    import sys

    where = [] if database == "default" else [request.getfixturevalue("postgres").database("django_killing")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.django_host.killing", *where],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    assert int(done.stdout) >= 100
