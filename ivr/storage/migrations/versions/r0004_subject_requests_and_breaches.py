"""What people asked about their data, and breaches.

Columns are spelled out here, not taken from ``rights_tables.py``: a revision never changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None

_MOMENT = sa.String(27)


def upgrade() -> None:
    _create_requests()
    _create_breaches()


def _create_requests() -> None:
    op.create_table(
        "subject_requests",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("has_third_party", sa.Boolean, nullable=False),
        sa.Column("acknowledged_at", _MOMENT),
        sa.Column("extended_at", _MOMENT),
        sa.Column("closed_at", _MOMENT),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("erased_at", _MOMENT),
        sa.PrimaryKeyConstraint("reference", name="pk_subject_requests"),
    )
    op.create_index("ix_subject_requests_state", "subject_requests", ["state"])
    op.create_table(
        "request_steps",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reference", "n", name="pk_request_steps"),
        sa.ForeignKeyConstraint(
            ["reference"],
            ["subject_requests.reference"],
            name="fk_request_steps_reference_subject_requests",
        ),
    )


def _create_breaches() -> None:
    op.create_table(
        "breaches",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("detected_at", _MOMENT, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("notified_at", _MOMENT),
        sa.Column("closed_at", _MOMENT),
        sa.PrimaryKeyConstraint("reference", name="pk_breaches"),
    )
    op.create_table(
        "breach_notes",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("about", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reference", "n", name="pk_breach_notes"),
        sa.ForeignKeyConstraint(
            ["reference"], ["breaches.reference"], name="fk_breach_notes_reference_breaches"
        ),
    )
