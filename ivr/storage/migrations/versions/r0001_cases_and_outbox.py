"""Cases, the outbox of reports, attempts and decisions.

Columns are spelled out here, not taken from ``schema.py``: a revision never changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.String(27)


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("caller", sa.Text),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("duration_s", sa.Float, nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("is_complete", sa.Boolean, nullable=False),
        sa.Column("seal_sha256", sa.String(64), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_cases"),
    )
    op.create_index("ix_cases_opened_at", "cases", ["opened_at"])
    op.create_index("ix_cases_label", "cases", ["label"])
    _create_reports()
    _create_attempts_and_decisions()


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("report_id", sa.String(64), nullable=False),
        sa.Column("case_id", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("recipient_id", sa.String(64), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attachments", sa.JSON, nullable=False),
        sa.Column("template_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("not_before_at", _MOMENT, nullable=False),
        sa.Column("lease_until_at", _MOMENT),
        sa.Column("provider_reference", sa.Text),
        sa.Column("last_error", sa.Text),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_reports"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_reports_case_id_cases"),
        sa.UniqueConstraint(
            "case_id", "recipient_id", "channel", name="uq_reports_case_id_recipient_id_channel"
        ),
    )
    op.create_index("ix_reports_state_not_before_at", "reports", ["state", "not_before_at"])


def _create_attempts_and_decisions() -> None:
    op.create_table(
        "attempts",
        sa.Column("report_id", sa.String(64), nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("is_repeatable", sa.Boolean, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("committed_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
        sa.Column("outcome", sa.String(16)),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("report_id", "n", name="pk_attempts"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_attempts_report_id_reports"
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Integer, nullable=False),
        sa.Column("report_id", sa.String(64), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_decisions_report_id_reports"
        ),
    )
    op.create_index("ix_decisions_report_id", "decisions", ["report_id"])
