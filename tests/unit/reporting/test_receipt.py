"""The receipt: plain sentences, and no claim that something was sent when it was not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ivr.facts.judgement import Label
from ivr.facts.reports import Channel, Delivery, DeliveryState
from ivr.reporting.receipt import citizen_summary


def delivery(state, channel=Channel.SMS, address="156"):
    return Delivery("a" * 64, "C", channel, "r", address, state, 1, None, None, datetime.now(UTC))


def test_after_a_scam_the_citizen_learns_what_was_said_and_what_to_do(facts):
    text = citizen_summary(facts(), "vi")
    for needed in (
        "Cuộc gọi từ +84987654321 lúc 09:12 24/11/2026 có dấu hiệu lừa đảo.",
        "xưng là công an; dọa thu hồi số thuê bao; đòi chuyển tiền",
        "không yêu cầu chuyển tiền",
        "công an xã/phường nơi gần nhất",
        "tổng đài của ngân hàng",
        "mã vụ 01KAS0000000000000000000A1",
        "Hệ thống chưa gửi báo cáo nào.",
    ):
        assert needed in text, needed


def test_only_what_was_sent_is_called_sent(facts):
    states = [
        delivery(DeliveryState.SENT, Channel.MAIL, "ca@example.vn"),
        delivery(DeliveryState.READY),
        delivery(DeliveryState.WITHDRAWN, Channel.MAIL, "other@example.vn"),
    ]
    text = citizen_summary(facts(), "vi", states)
    assert "Đã gửi báo cáo: MAIL ca@example.vn. Đã soạn, chưa gửi: SMS 156." in text
    assert "other@example.vn" not in text
    english = citizen_summary(facts(), "en", states[1:])
    assert "Reported: none. Composed, not sent yet: SMS 156." in english


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("label", list(Label))
def test_every_label_has_its_receipt_in_both_languages(facts, label, language):
    case = facts(verdict=replace(facts().verdict, label=label), meanings={})
    text = citizen_summary(case, language)
    assert "01KAS0000000000000000000A1" in text
    assert "$" not in text
    if label is not Label.SCAM:
        assert {"vi": "có dấu hiệu lừa đảo", "en": "signs of fraud"}[language] not in text
