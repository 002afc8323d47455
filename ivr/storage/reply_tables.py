"""Tables of reported messages and of what comes back about reports. Both hold numbers and words:
those of a case's reports go with the case, reported messages by their age."""

import sqlalchemy as sa

from ivr.storage.schema import UtcMoment, metadata

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("reply_id", sa.String(64), primary_key=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("received_at", UtcMoment, nullable=False, index=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("coding", sa.Integer),
    sa.Column("provider_id", sa.Text, nullable=False),
    sa.Column("provider_key", sa.Text, nullable=False, index=True),  # `replies.same_id`
    sa.Column("report_prefix", sa.String(64), nullable=False),
    sa.Column("word", sa.String(32), nullable=False),
    sa.Column("bearing", sa.String(16), nullable=False),
    sa.Column("report_id", sa.ForeignKey("reports.report_id"), index=True),
    sa.Column("effect", sa.Text, nullable=False),
)
