"""Tables of what people asked about their data, and of breaches. Not of cases: a request is kept
on its own term, and a number in it does not go with the case it concerns."""

import sqlalchemy as sa

from ivr.storage.schema import UtcMoment, metadata

subject_requests = sa.Table(
    "subject_requests",
    metadata,
    sa.Column("reference", sa.String(16), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("received_at", UtcMoment, nullable=False),
    sa.Column("number", sa.String(32), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("contact", sa.Text, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("has_third_party", sa.Boolean, nullable=False),
    sa.Column("acknowledged_at", UtcMoment),
    sa.Column("extended_at", UtcMoment),
    sa.Column("closed_at", UtcMoment),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("erased_at", UtcMoment),
)

request_steps = sa.Table(
    "request_steps",
    metadata,
    sa.Column("reference", sa.ForeignKey("subject_requests.reference"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("act", sa.String(16), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)

breaches = sa.Table(
    "breaches",
    metadata,
    sa.Column("reference", sa.String(16), primary_key=True),
    sa.Column("detected_at", UtcMoment, nullable=False),
    sa.Column("opened_at", UtcMoment, nullable=False),
    sa.Column("notified_at", UtcMoment),
    sa.Column("closed_at", UtcMoment),
)

breach_notes = sa.Table(
    "breach_notes",
    metadata,
    sa.Column("reference", sa.ForeignKey("breaches.reference"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("about", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
