"""The recipe of the trigger tier does what it shows, on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.test_docs import DOCS, run_page
from tests.triggering import run_sql

pytestmark = pytest.mark.postgres


def test_the_recipe(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks run from top to bottom and print what the page shows.

    Another database of the program has a table of the same name: there the hook tells, here the triggers alone do.
    """

    class Elsewhere(DeclarativeBase):
        pass

    class Customer(Elsewhere):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        city: Mapped[str]

    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url)
    run_sql(engine, "DROP TABLE IF EXISTS customer, whodid_outbox CASCADE")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "recipes" / "capture-triggers.md").read_text(encoding="utf-8")

    run_page(text.replace("```py\n", "```python\n").replace("postgresql+psycopg://shop@/shop", url), tmp_path)

    run_sql(engine, "DROP TABLE customer, whodid_outbox")
    engine.dispose()
