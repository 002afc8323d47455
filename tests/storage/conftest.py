"""Every test of the ports runs on every implementation listed in ``LEDGERS``."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Attachment, Channel, Report
from ivr.storage.ledger import Ledger


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 24, 2, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic_ns(self) -> int:
        return int(self.moment.timestamp() * 1e9)

    def forward(self, seconds: float) -> datetime:
        self.moment += timedelta(seconds=seconds)
        return self.moment


async def _sqlite(folder: Path, clock: HandClock) -> Ledger:
    return await Ledger.open(folder / "ledger.db", clock)


LEDGERS: dict[str, Callable[[Path, HandClock], Awaitable[Ledger]]] = {"sqlite": _sqlite}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=sorted(LEDGERS))
async def ledger(
    request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock
) -> AsyncIterator[Ledger]:
    async with await LEDGERS[request.param](tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def a_case() -> Callable[..., CaseSummary]:
    def build(case_id: str = "01KAS0000000000000000000A1", **changes: object) -> CaseSummary:
        values: dict[str, object] = {
            "case_id": case_id,
            "mode": Mode.ANSWER,
            "caller": "+84987654321",
            "opened_at": datetime(2026, 11, 24, 2, 12, 0, 123456, tzinfo=UTC),
            "duration_s": 61.25,
            "label": "scam",
            "score": 0.93,
            "is_complete": True,
            "seal_sha256": "5" * 64,
            "path": f"/var/lib/ivr/cases/{case_id}",
        }
        return CaseSummary(**{**values, **changes})  # type: ignore[arg-type]

    return build


@pytest.fixture
def a_report() -> Callable[..., Report]:
    def build(report_id: str = "a" * 64, **changes: object) -> Report:
        values: dict[str, object] = {
            "report_id": report_id,
            "case_id": "01KAS0000000000000000000A1",
            "channel": Channel.MAIL,
            "recipient_id": "congan",
            "address": "tiep-nhan@example.vn",
            "subject": "Báo cáo cuộc gọi có dấu hiệu lừa đảo",
            "body": "Kính gửi Công an tỉnh…",
            "attachments": (Attachment("call.wav", "audio/wav", "c" * 64),),
            "template_sha256": "e" * 64,
        }
        return Report(**{**values, **changes})  # type: ignore[arg-type]

    return build
