"""``ivr reports receipt``: what the citizen is told, with the message that they can send."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import typer

from ivr.cli import context
from ivr.cli.holding import note
from ivr.cli.outbox_files import lay_out
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.facts.reports import CaseFacts
from ivr.reporting.receipt_page import Receipt, message_to_send
from ivr.reporting.sms_link import sms_uri
from ivr.settings import Settings, resolve

Language = Literal["vi", "en"]


def receipt(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    is_english: bool = typer.Option(False, "--english", help="In English instead of Vietnamese."),
    is_saved: bool = typer.Option(
        False, "--save", help="Write it as text and HTML into the outbox folder."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """The citizen's receipt: what the call was, what to do now, and the message to 156 or 5656 as a
    link and QR code for their own telephone."""
    settings = context.of(ctx).settings
    language: Language = "en" if is_english else "vi"
    found, path = run(_receipt(settings, case_id, language))
    note(settings, path, "viewed", "ivr reports receipt")
    saved = _save(found, settings) if is_saved else []
    if as_json:
        message = found.message
        print_json(
            {
                "case_id": found.facts.case_id,
                "text": found.as_text(with_code=False),
                "message": message and message.body,
                "to": message and message.address,
                "uri": message and sms_uri(message.address, message.body),
                "files": [str(file) for file in saved],
            }
        )
        return
    console.print(found.as_text(with_code=not saved), markup=False)
    for file in saved:
        console.print(str(file), markup=False)


async def _receipt(settings: Settings, case_id: str, language: Language) -> tuple[Receipt, Path]:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        case = await ledger.case(case_id)
        filed = await ledger.reports(case_id=case.case_id)
        reports = [await ledger.report(delivery.report_id) for delivery in filed]
    facts = described(settings, Path(case.path))
    return Receipt(facts, language, filed, message_to_send(reports)), Path(case.path)


def described(settings: Settings, path: Path) -> CaseFacts:
    """What may be said of a case, with the rulebook's words for it."""
    from ivr.casefile import read_case
    from ivr.casework.unlocking import unlocked
    from ivr.spotting.rulebook import Rulebook

    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    with unlocked(path, settings) as clear:
        sealed = read_case(clear)
    return replace(
        sealed.facts,
        meanings={c.name: (c.meaning_vi, c.meaning_en) for c in rulebook.concepts},
        pretext_names=rulebook.pretexts,
    )


def _save(found: Receipt, settings: Settings) -> list[Path]:
    """An older receipt of the case is replaced, for it tells how its reports stand."""
    from ivr.app import outbox_path

    contents = {".txt": found.as_text(with_code=True), ".html": found.as_html()}
    return lay_out(outbox_path(settings), f"receipt-{found.facts.case_id}", contents)
