"""What a campaign sends as the header of its template: a file or a place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was planned before has a text there, or nothing."""
    op.add_column("campaigns", sa.Column("header", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("campaigns", "header")
