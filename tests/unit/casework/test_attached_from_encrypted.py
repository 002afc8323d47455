"""A report whose files lie in a case that is encrypted by now still goes out whole."""

import hashlib
from functools import partial

import pytest

from ivr.casefile import read_case
from ivr.casework.keeping import Keeper
from ivr.casework.unlocking import unlocked
from ivr.evidence.locked import is_locked
from ivr.facts.reports import Attachment, Channel, DeliveryState, Report
from ivr.reporting.couriers.folder import FolderCourier
from ivr.reporting.dispatcher import Dispatcher
from ivr.settings import ReportingSettings
from tests.fakes.kept_site import KeptSite

TRANSCRIPT = "derived/transcript-2.json"


@pytest.fixture
def site(quick_disk) -> KeptSite:
    return KeptSite.encrypting(quick_disk / "ivr-data")


def deliver(site: KeptSite, path):
    """Withdrawn, so that the case is encrypted; then a person sends it after all."""
    content = (path / TRANSCRIPT).read_bytes()
    file = Attachment(TRANSCRIPT, "application/json", hashlib.sha256(content).hexdigest())
    report = Report(
        "a" * 64, path.name, Channel.MAIL, "congan", "tiep-nhan@example.vn", "Báo cáo", "…",
        (file,), "e" * 64,
    )  # fmt: skip

    async def work(keeper: Keeper):
        ledger = keeper.ledger
        await ledger.record_sealed_case(read_case(path).summary, [report])
        await ledger.desk.withdraw(report.report_id, "chờ")
        assert await keeper.lock() == (path.name,)
        await ledger.desk.retry(report.report_id)
        courier = FolderCourier(site.root / "outbox", "ivr@localhost", site.clock.now)
        dispatcher = Dispatcher(
            ledger.outbox,
            {Channel.MAIL: courier},
            ReportingSettings(),
            site.clock,
            open_case=partial(unlocked, settings=site.settings),
        )
        return await dispatcher.run_until_idle()

    return content, site.run(work)


def test_the_attachment_is_in_the_mail_and_the_case_stays_encrypted(site):
    path = site.case()
    content, (delivery,) = deliver(site, path)
    assert delivery.state is DeliveryState.READY, delivery.last_error
    (mail,) = (site.root / "outbox").glob("*.eml")
    assert len(mail.read_bytes()) > len(content)
    assert is_locked(path)
    assert list((site.root.parent / "work").iterdir()) == []


def test_without_the_identity_the_report_waits_and_says_why(site):
    path = site.case()
    blind = KeptSite.encrypting(site.root, identity_file=None)
    site.settings = blind.settings
    _, (delivery,) = deliver(site, path)
    assert delivery.state is DeliveryState.RETRY
    assert "encrypted" in delivery.last_error
