"""The schema of the workspace's own database, step by step (Alembic)."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

__all__ = ["migrate"]


def migrate(engine: sa.Engine) -> None:
    """Bring a database to the newest schema; nothing happens when it is there.

    Args:
        engine: The database.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
