"""What `ivr doctor` looks at about people's data: terms that are over, grounds that lack."""

import asyncio

from ivr.app import data_root, open_ledger
from ivr.casework.duties import Duties, duties, grounds_now, read_law
from ivr.checks import Check, Level
from ivr.clock import SystemClock
from ivr.rights.deadlines import Law
from ivr.settings import Settings


def personal_data(settings: Settings) -> Check:
    """Terms that are over or nearly so, and what lacks of the ground that calls are recorded on."""
    law, now = read_law(settings), SystemClock().now()
    found = asyncio.run(_duties(settings, law)) if _has_ledger(settings) else Duties()
    if found.is_alarming:
        detail = (
            f"{found.late_requests} requests late, {found.late_breaches} breaches not told in "
            f"time, {found.urgent_breaches} nearly so"
        )
        remedy = "`ivr rights request list` and `ivr rights breach list`: answer now."
        return Check("personal data", Level.WARNING, detail, remedy)
    lacking = grounds_now(settings, law, now, "en").missing
    detail = f"{found.open_requests} requests and {found.open_breaches} breaches open, none late"
    if lacking:
        detail += "; lacking: " + ", ".join(each.code for each in lacking)
        remedy = "`ivr rights basis --english` says what each is."
        return Check("personal data", Level.WARNING, detail, remedy)
    return Check("personal data", Level.OK, detail)


async def _duties(settings: Settings, law: Law) -> Duties:
    async with await open_ledger(settings) as ledger:
        return await duties(ledger, law, settings, SystemClock().now())


def _has_ledger(settings: Settings) -> bool:
    return bool(settings.storage.ledger_url) or (data_root(settings) / "ledger.sqlite3").exists()
