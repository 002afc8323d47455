"""Rows to facts and back."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.replies import is_message
from ivr.facts.reports import Attachment, Channel, Delivery, DeliveryState, Lease, Report


def case_values(summary: CaseSummary) -> dict[str, Any]:
    return {**asdict(summary), "mode": summary.mode.value}


def to_summary(row: sa.Row[Any]) -> CaseSummary:
    return CaseSummary(
        case_id=row.case_id,
        mode=Mode(row.mode),
        caller=row.caller,
        opened_at=row.opened_at,
        duration_s=row.duration_s,
        label=row.label,
        score=row.score,
        is_complete=row.is_complete,
        seal_sha256=row.seal_sha256,
        path=row.path,
        subscriber=row.subscriber,
        purged_at=row.purged_at,
    )


def report_values(report: Report, now: datetime, *, is_held: bool) -> dict[str, Any]:
    """A report as it is queued; ``is_held``: it waits for a person though it does not say so."""
    is_waiting = is_held or report.needs_release
    state = DeliveryState.HELD if is_waiting else DeliveryState.PENDING
    return {
        "report_id": report.report_id,
        "case_id": None if is_message(report.case_id) else report.case_id,
        "message_id": report.case_id if is_message(report.case_id) else None,
        "channel": report.channel.value,
        "recipient_id": report.recipient_id,
        "address": report.address,
        "subject": report.subject,
        "body": report.body,
        "attachments": [asdict(attachment) for attachment in report.attachments],
        "template_sha256": report.template_sha256,
        "state": state.value,
        "attempts": 0,
        "tries": 0,
        "not_before_at": now,
        "updated_at": now,
    }


def to_report(row: sa.Row[Any]) -> Report:
    return Report(
        report_id=row.report_id,
        case_id=row.case_id or row.message_id,
        channel=Channel(row.channel),
        recipient_id=row.recipient_id,
        address=row.address,
        subject=row.subject,
        body=row.body,
        attachments=tuple(Attachment(**values) for values in row.attachments),
        template_sha256=row.template_sha256,
    )


def to_delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        report_id=row.report_id,
        case_id=row.case_id or row.message_id,
        channel=Channel(row.channel),
        recipient_id=row.recipient_id,
        address=row.address,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        provider_reference=row.provider_reference,
        last_error=row.last_error,
        updated_at=row.updated_at,
    )


def to_lease(row: sa.Row[Any], holder: str, expires_at: datetime) -> Lease:
    """``row`` is the report, before the lease, joined with its case's ``path``; a message has none
    and its report reads no file."""
    return Lease(
        report=to_report(row),
        case_path=Path(row.path or ""),
        holder=holder,
        attempt=row.attempts + 1,
        tries=row.tries + 1,
        expires_at=expires_at,
    )
