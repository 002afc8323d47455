"""Reported messages, and what comes back about reports. A report is about a case or a message.

Columns are spelled out here, not taken from the tables: a revision never changes.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None

_MOMENT = sa.String(27)
_UNIQUE: Final = "uq_reports_message_id_recipient_id_channel"
_MESSAGE: Final = "fk_reports_message_id_messages"
_ABOUT_ONE: Final = "ck_reports_about_one"
_ONE: Final = "(case_id IS NULL) <> (message_id IS NULL)"


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.String(32), nullable=False),
        sa.Column("keyword", sa.String(2), nullable=False),
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("number", sa.String(32)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("entered_by", sa.Text, nullable=False),
        sa.Column("entered_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_messages"),
    )
    if op.get_context().dialect.name == "sqlite":
        _remake_reports()
    else:
        op.alter_column("reports", "case_id", nullable=True)
        op.add_column("reports", sa.Column("message_id", sa.String(32)))
        op.create_foreign_key(_MESSAGE, "reports", "messages", ["message_id"], ["message_id"])
        op.create_unique_constraint(_UNIQUE, "reports", ["message_id", "recipient_id", "channel"])
        op.create_check_constraint(op.f(_ABOUT_ONE), "reports", _ONE)
    _create_replies()


def _create_replies() -> None:
    op.create_table(
        "replies",
        sa.Column("reply_id", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("coding", sa.Integer),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("provider_key", sa.Text, nullable=False),
        sa.Column("report_prefix", sa.String(64), nullable=False),
        sa.Column("word", sa.String(32), nullable=False),
        sa.Column("bearing", sa.String(16), nullable=False),
        sa.Column("report_id", sa.String(64)),
        sa.Column("effect", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reply_id", name="pk_replies"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_replies_report_id_reports"
        ),
    )
    for column in ("received_at", "provider_key", "report_id"):
        op.create_index(f"ix_replies_{column}", "replies", [column])


_COLUMNS: Final = (
    "report_id, case_id, channel, recipient_id, address, subject, body, attachments, "
    "template_sha256, state, attempts, tries, not_before_at, lease_until_at, provider_reference, "
    "last_error, updated_at"
)
# SQLite cannot make a column nullable. The tables that refer to reports are remade first, so that
# none refers to it when it goes; the last renaming brings their references along.
_REMAKE: Final = f"""
CREATE TABLE reports_new (
    report_id VARCHAR(64) NOT NULL, case_id VARCHAR(64), message_id VARCHAR(32),
    channel VARCHAR(16) NOT NULL, recipient_id VARCHAR(64) NOT NULL, address TEXT NOT NULL,
    subject TEXT NOT NULL, body TEXT NOT NULL, attachments JSON NOT NULL,
    template_sha256 VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, attempts INTEGER NOT NULL,
    tries INTEGER NOT NULL, not_before_at VARCHAR(27) NOT NULL, lease_until_at VARCHAR(27),
    provider_reference TEXT, last_error TEXT, updated_at VARCHAR(27) NOT NULL,
    CONSTRAINT pk_reports PRIMARY KEY (report_id),
    CONSTRAINT fk_reports_case_id_cases FOREIGN KEY(case_id) REFERENCES cases (case_id),
    CONSTRAINT {_MESSAGE} FOREIGN KEY(message_id) REFERENCES messages (message_id),
    CONSTRAINT uq_reports_case_id_recipient_id_channel UNIQUE (case_id, recipient_id, channel),
    CONSTRAINT {_UNIQUE} UNIQUE (message_id, recipient_id, channel),
    CONSTRAINT {_ABOUT_ONE} CHECK ({_ONE})
);
INSERT INTO reports_new ({_COLUMNS}) SELECT {_COLUMNS} FROM reports;
CREATE TABLE attempts_new (
    report_id VARCHAR(64) NOT NULL, n INTEGER NOT NULL, holder VARCHAR(128) NOT NULL,
    is_repeatable BOOLEAN NOT NULL, started_at VARCHAR(27) NOT NULL, committed_at VARCHAR(27),
    ended_at VARCHAR(27), outcome VARCHAR(16), detail TEXT,
    CONSTRAINT pk_attempts PRIMARY KEY (report_id, n),
    CONSTRAINT fk_attempts_report_id_reports FOREIGN KEY(report_id)
        REFERENCES reports_new (report_id)
);
INSERT INTO attempts_new SELECT * FROM attempts;
CREATE TABLE decisions_new (
    decision_id INTEGER NOT NULL, report_id VARCHAR(64) NOT NULL, act VARCHAR(16) NOT NULL,
    why TEXT NOT NULL, decided_at VARCHAR(27) NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (decision_id),
    CONSTRAINT fk_decisions_report_id_reports FOREIGN KEY(report_id)
        REFERENCES reports_new (report_id)
);
INSERT INTO decisions_new SELECT * FROM decisions;
DROP TABLE attempts;
DROP TABLE decisions;
DROP TABLE reports;
ALTER TABLE reports_new RENAME TO reports;
ALTER TABLE attempts_new RENAME TO attempts;
ALTER TABLE decisions_new RENAME TO decisions;
CREATE INDEX ix_reports_state_not_before_at ON reports (state, not_before_at);
CREATE INDEX ix_decisions_report_id ON decisions (report_id);
"""  # noqa: S608 - made of this file's own names alone


def _remake_reports() -> None:
    for statement in _REMAKE.split(";"):
        if statement.strip():
            op.execute(statement)
