"""The outbox folder: whole files, once, for a person to hand over."""

import asyncio
import email
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from pathlib import Path

import pytest

from ivr.errors import DeliveryError
from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.folder import FolderCourier


async def commit():
    pass


@pytest.fixture
def courier(tmp_path):
    return FolderCourier(tmp_path / "outbox", "ivr@localhost", lambda: datetime.now(UTC))


async def test_a_message_becomes_a_card_and_a_link_for_the_citizens_own_telephone(
    courier, a_report, case_path, tmp_path
):
    report = a_report(channel=Channel.SMS)
    main = await courier.deliver(report, case_path, commit)
    stem = tmp_path / "outbox" / f"sms-{report.case_id}-{report.report_id[:16]}"
    assert main == f"{stem}.txt"
    text = stem.with_suffix(".txt").read_text()
    assert "Gửi tới: 156" in text
    assert report.body in text
    card = json.loads(stem.with_suffix(".json").read_text())
    assert (card["to"], card["body"], card["parts"]) == ("156", report.body, 1)
    assert card["uri"].startswith("sms:156?body=LD%20%280987654321%29%20")
    assert stem.with_suffix(".svg").read_text().startswith("<svg")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "outbox").iterdir()} == {0o600}


def test_mail_becomes_a_complete_message_file(courier, a_report, case_path):
    main = asyncio.run(courier.deliver(a_report(), case_path, commit))
    message = email.message_from_bytes(Path(main).read_bytes(), policy=policy.default)
    assert message["X-IVR-Report-Id"].strip() == a_report().report_id
    assert [part.get_filename() for part in message.iter_attachments()] == [
        "call.wav",
        "manifest.json",
    ]


async def test_delivering_again_changes_nothing(courier, a_report, case_path, tmp_path):
    first = await courier.deliver(a_report(), case_path, commit)
    before = {p.name: (p.stat().st_ino, p.read_bytes()) for p in (tmp_path / "outbox").iterdir()}
    assert await courier.deliver(a_report(), case_path, commit) == first
    after = {p.name: (p.stat().st_ino, p.read_bytes()) for p in (tmp_path / "outbox").iterdir()}
    assert after == before
    assert len(after) == 1


async def test_a_folder_that_cannot_be_written_is_tried_again(a_report, case_path, tmp_path):
    (tmp_path / "file").write_text("in the way")
    courier = FolderCourier(tmp_path / "file", "ivr@localhost", lambda: datetime.now(UTC))
    with pytest.raises(DeliveryError) as caught:
        await courier.deliver(a_report(channel=Channel.SMS), case_path, commit)
    assert caught.value.is_retryable


def test_it_says_that_a_person_has_to_carry_it_on(courier):
    assert courier.settles_as is DeliveryState.READY
    assert courier.is_repeatable


def test_a_webhook_without_a_secret_to_sign_it_is_laid_out_as_it_would_be_sent(
    courier, a_report, case_path
):
    report = replace(a_report(channel=Channel.SMS), channel=Channel.WEBHOOK, body='{"a":"ừ"}')
    main = asyncio.run(courier.deliver(report, case_path, commit))
    assert Path(main).name == f"webhook-{report.case_id}-{report.report_id[:16]}.json"
    assert Path(main).read_text(encoding="utf-8") == report.body
