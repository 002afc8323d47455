"""A site whose cases are in the ledger with reports, as `ivr serve` leaves them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

from pyrage import x25519

from ivr.casefile import read_case
from ivr.casework.keeping import Keeper
from ivr.facts.reports import Attachment, Channel, DeliveryState, Lease, Report
from ivr.reporting.couriers.folder import FolderCourier
from ivr.settings import Settings
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import Site
from tests.fakes.judged_case import judged_case

T = TypeVar("T")

WORDS = ("ma túy", "tạm giữ ngay", "thiếu tá")
NUMBERS = ("912345678", "987654321")  # caller and subscriber of the fake call, in any spelling


class KeptSite(Site):
    """`Site` with a ledger and what keeps the cases. Settings may be changed by tests."""

    def __init__(self, root: Path, **settings: Any) -> None:
        super().__init__(root)
        self.settings = Settings(storage={"root": root}, evidence={"site": "dak-lak"}, **settings)

    @classmethod
    def encrypting(cls, root: Path, **settings: Any) -> Self:
        """One that encrypts, with its identity at hand and the case keys beside the data folder."""
        identity = root.parent / "identity.txt"
        if not identity.exists():
            key = x25519.Identity.generate()
            identity.touch(mode=0o600)
            identity.write_text(f"# created by a test\n{key}\n")
            (root.parent / "recipients.txt").write_text(f"{key.to_public()}\n")
        encryption = {
            "recipients_file": root.parent / "recipients.txt",
            "identity_file": identity,
            "case_keys_dir": root.parent / "case-keys",
            "work_dir": root.parent / "work",
        }
        return cls(root, encryption={**encryption, **settings})

    def case(self, call_id: str = "01JDHZ0000000000000JUDGED") -> Path:
        """A sealed case, entered, without reports."""
        return judged_case(self, call_id)

    def run(self, work: Callable[[Keeper], Awaitable[T]]) -> T:
        """Something with a keeper over the open ledger."""

        async def opened() -> T:
            async with await Ledger.open(self.root / "ledger.sqlite3", self.clock) as ledger:
                return await work(Keeper(self.settings, ledger, self.custodian))

        return asyncio.run(opened())

    def file(self, path: Path, *channels: Channel, state: DeliveryState | None = None) -> None:
        """Reports of a case in ``state``; None: delivered into the outbox folder and confirmed."""

        async def deliver(keeper: Keeper) -> None:
            ledger, now = keeper.ledger, self.clock.now
            reports = [_report(path.name, channel) for channel in channels]
            await ledger.record_sealed_case(
                read_case(path).summary, reports, is_held=state is DeliveryState.HELD
            )
            if state is not None:
                return
            courier = FolderCourier(self.root / "outbox", "ivr@localhost", now)
            for _ in channels:
                lease = await ledger.outbox.lease("me", now(), 600, channels, frozenset())
                assert lease is not None

                async def commit(lease: Lease = lease) -> None:
                    assert await ledger.outbox.commit(lease, now())

                reference = await courier.deliver(lease.report, lease.case_path, commit)
                await ledger.outbox.settle_sent(lease, now(), reference, courier.settles_as)
                await ledger.desk.confirm(lease.report.report_id, "handed over, 0912345678")

        self.run(deliver)

    def remains(self, marks: Iterable[str] = (*NUMBERS, *WORDS)) -> list[str]:
        """Where anything of the call still stands, in a name or a byte of the data folder."""
        found = []
        for path in self.root.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            name = str(path.relative_to(self.root))
            found += [f"{m} in {name}" for m in marks if m.encode() in content or m in name]
        return found


def _report(case_id: str, channel: Channel) -> Report:
    body = f"LD (0912345678) ({WORDS[0]}, {WORDS[1]})"
    files = (Attachment("derived/transcript-2.json", "application/json", "0" * 64),)
    return Report(
        report_id=f"{channel.value}{case_id}".encode().hex().ljust(64, "0")[:64],
        case_id=case_id,
        channel=channel,
        recipient_id="congan",
        address="156",
        subject="0912345678",
        body=body,
        attachments=files if channel is Channel.WEBHOOK else (),
        template_sha256="e" * 64,
    )
