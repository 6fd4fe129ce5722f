"""Two-step sign-in: what the app on a phone shares with us, and the codes for whoever has lost it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; until now nobody could have it."""
    op.create_table(
        "second_steps",
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("last_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_steps_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_steps")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )


def downgrade() -> None:
    """Drop the tables: whoever had it signs in with the password alone again."""
    op.drop_table("recovery_codes")
    op.drop_table("second_steps")
    op.execute(sa.text("UPDATE users SET mfa_enabled = false"))
