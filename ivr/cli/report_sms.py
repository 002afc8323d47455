"""``ivr reports sms``: report a junk or scam short message that somebody got."""

import getpass
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.clock import VIETNAM
from ivr.errors import InputError
from ivr.facts.replies import ReportedMessage
from ivr.reporting.compose import Filing
from ivr.reporting.message_report import Draft, compose_message, draft, reported
from ivr.reporting.recipients import load
from ivr.settings import Settings, resolve

_MOST_BYTES = 5_000_000


def sms(
    ctx: typer.Context,
    file: str = typer.Argument(
        help="The message's text (UTF-8), or JSON objects {sender, text, received_at}, one a line; "
        "- for standard input."
    ),
    sender: str | None = typer.Option(None, "--from", help="Who sent it, as the telephone shows."),
    received_at: str | None = typer.Option(
        None, "--at", help="When it came, 2026-11-24T09:12+07:00; without a zone: in Vietnam."
    ),
    is_scam: bool = typer.Option(False, "--scam", help="It tries to defraud: LD instead of S."),
    is_draft: bool = typer.Option(False, "--draft", help="Only show what would be sent."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Report a junk message (S) or a scam message (LD) to 156 or 5656."""
    settings = context.of(ctx).settings
    given = {"sender": sender, "received_at": received_at}
    messages = [_message(each, settings, is_scam) for each in _read(file, given)]
    drafts = [draft(each, settings.reporting, settings.never_reported) for each in messages]
    if is_draft:
        for message, made in zip(messages, drafts, strict=True):
            _show(message, made, None, (), as_json)
        return
    filed = run(_file(settings, messages))
    for message, made, (filing, queued) in zip(messages, drafts, filed, strict=True):
        _show(message, made, filing, queued, as_json)
    raise typer.Exit(0 if all(filing.reports for filing, _ in filed) else 1)


def _read(file: str, given: dict[str, str | None]) -> list[dict[str, Any]]:
    try:
        raw = sys.stdin.buffer.read(_MOST_BYTES) if file == "-" else Path(file).read_bytes()
        text = raw[:_MOST_BYTES].decode("utf-8-sig")
        if not text.lstrip().startswith("{"):
            return [{**given, "text": text}]
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{file} cannot be read.",
            why=str(problem),
            remedy="Give the message's text in UTF-8, or one JSON object a line.",
        ) from problem
    options = {name: value for name, value in given.items() if value is not None}
    return [{**line, **options} for line in lines]


def _message(told: dict[str, Any], settings: Settings, is_scam: bool) -> ReportedMessage:
    sender, text, at = (told.get(name) for name in ("sender", "text", "received_at"))
    if not isinstance(sender, str) or not isinstance(text, str):
        raise InputError(
            "It is not known who sent the message, or what it says.",
            why=f"sender {sender!r}, text {type(text).__name__}",
            remedy="Name the sender with --from, or as sender in the JSON object.",
        )
    return reported(
        "LD" if is_scam else "S",
        sender,
        text,
        _moment(at),
        getpass.getuser(),
        settings.never_reported,
    )


def _moment(told: object) -> datetime:
    """Without a time it came now, to the minute: the same message read again stays the same."""
    if told is None:
        return datetime.now(VIETNAM).replace(second=0, microsecond=0)
    try:
        found = datetime.fromisoformat(str(told))
    except ValueError as problem:
        raise InputError(
            f"{told!r} is no time.",
            why=str(problem),
            remedy="Write it as 2026-11-24T09:12+07:00.",
        ) from problem
    return found if found.tzinfo is not None else found.replace(tzinfo=VIETNAM)


async def _file(
    settings: Settings, messages: list[ReportedMessage]
) -> list[tuple[Filing, tuple[str, ...]]]:
    from ivr.app import open_ledger

    chosen, today = settings.reporting, datetime.now(VIETNAM).date()
    recipients = [each for each in load(resolve(chosen.recipients)) if each.is_enabled]
    done = []
    async with await open_ledger(settings) as ledger:
        for message in messages:
            filing = compose_message(message, recipients, chosen, settings.never_reported, today)
            queued: tuple[str, ...] = ()
            if filing.reports:
                is_held = not chosen.file_automatically
                queued = await ledger.messages.enter(message, filing.reports, is_held=is_held)
            done.append((filing, queued))
    return done


def _show(
    message: ReportedMessage,
    made: Draft,
    filing: Filing | None,
    queued: tuple[str, ...],
    as_json: bool,
) -> None:
    refused = [f"{each.recipient_id}: {each.why}" for each in filing.not_filed] if filing else []
    if as_json:
        print_json(
            {
                "message_id": message.message_id,
                "body": made.body,
                "encoding": made.sent.encoding,
                "units": made.sent.units,
                "parts": made.sent.parts,
                "original": {"encoding": made.original.encoding, "parts": made.original.parts},
                "reports": list(queued),
                "not_filed": refused,
            }
        )
        return
    console.print(made.body, markup=False)
    sent, got = made.sent, made.original
    console.print(
        f"{sent.parts} tin ({sent.encoding}, {sent.units}/160); nguyên văn: {got.parts} tin "
        f"({got.encoding})",
        markup=False,
    )
    for each in queued:
        console.print(f"queued: {each[:12]}", markup=False)
    for each in refused:
        console.print(f"NOT SENT: {each}", markup=False)
    if filing is not None and filing.reports and not queued:
        console.print("It was reported before; nothing is sent again.")
    if filing is not None and not filing.reports and not refused:
        console.print("NOT SENT: no short code is enabled among the recipients.")
