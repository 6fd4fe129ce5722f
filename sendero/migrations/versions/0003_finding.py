"""Finding a contact by the business-scoped user id, which every message of somebody without a number carries."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_contacts_workspace_id_bsuid", "contacts", ["workspace_id", "bsuid"], unique=False)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_contacts_workspace_id_bsuid", table_name="contacts")
