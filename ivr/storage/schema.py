"""The ledger's tables, in SQL that SQLite and PostgreSQL both speak.

``cases`` one row a sealed case; ``messages`` one row a short message that somebody reported;
``reports`` the outbox, one row a report to one recipient; ``attempts`` one row
each time a courier took a report; ``decisions`` one row each time a person changed a report's
course. Evidence itself never enters the database: a case row holds the folder and its seal.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from ivr.clock import to_iso


class UtcMoment(TypeDecorator[datetime]):
    """A moment in UTC as RFC 3339 text of fixed width: sorts as time on every database."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else to_iso(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.String(64), primary_key=True),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("caller", sa.Text),
    sa.Column("opened_at", UtcMoment, nullable=False, index=True),
    sa.Column("duration_s", sa.Float, nullable=False),
    sa.Column("label", sa.String(16), nullable=False, index=True),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("is_complete", sa.Boolean, nullable=False),
    sa.Column("seal_sha256", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("subscriber", sa.String(32), index=True),
    sa.Column("purged_at", UtcMoment),  # deleted, or going: the numbers are erased
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("message_id", sa.String(32), primary_key=True),
    sa.Column("keyword", sa.String(2), nullable=False),
    sa.Column("sender", sa.String(64), nullable=False),
    sa.Column("number", sa.String(32)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("received_at", UtcMoment, nullable=False),
    sa.Column("entered_by", sa.Text, nullable=False),
    sa.Column("entered_at", UtcMoment, nullable=False),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("report_id", sa.String(64), primary_key=True),
    # What it is about: a sealed case, or a message that somebody reported.
    sa.Column("case_id", sa.ForeignKey("cases.case_id")),
    sa.Column("message_id", sa.ForeignKey("messages.message_id")),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("recipient_id", sa.String(64), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("attachments", sa.JSON, nullable=False),
    sa.Column("template_sha256", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # over the report's whole life
    sa.Column("tries", sa.Integer, nullable=False),  # since a person last sent it on its way
    sa.Column("not_before_at", UtcMoment, nullable=False),
    sa.Column("lease_until_at", UtcMoment),
    sa.Column("provider_reference", sa.Text),
    sa.Column("last_error", sa.Text),
    sa.Column("updated_at", UtcMoment, nullable=False),
    # One message a recipient, channel and case, whatever a later template would say.
    sa.UniqueConstraint("case_id", "recipient_id", "channel"),
    sa.UniqueConstraint("message_id", "recipient_id", "channel"),
    sa.CheckConstraint("(case_id IS NULL) <> (message_id IS NULL)", name="ck_reports_about_one"),
    sa.Index("ix_reports_state_not_before_at", "state", "not_before_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("report_id", sa.ForeignKey("reports.report_id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("holder", sa.String(128), nullable=False),
    sa.Column("is_repeatable", sa.Boolean, nullable=False),
    sa.Column("started_at", UtcMoment, nullable=False),
    sa.Column("committed_at", UtcMoment),
    sa.Column("ended_at", UtcMoment),
    sa.Column("outcome", sa.String(16)),
    sa.Column("detail", sa.Text),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", sa.Integer, primary_key=True),
    sa.Column("report_id", sa.ForeignKey("reports.report_id"), nullable=False, index=True),
    sa.Column("act", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("decided_at", UtcMoment, nullable=False),
)
