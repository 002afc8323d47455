"""Whose call a case was, so that nobody is read another's.

Cases that were entered before have none; the voice menu does not know them.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("subscriber", sa.String(32)))
    op.create_index("ix_cases_subscriber", "cases", ["subscriber"])
