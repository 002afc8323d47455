"""The receipt's next step: a link and a code that another program reads back exactly."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import segno
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.reports import Channel, Delivery, DeliveryState
from ivr.reporting.compose import compose
from ivr.reporting.receipt_page import Receipt, message_to_send
from ivr.reporting.recipients import Recipient
from ivr.reporting.sms_link import qr_svg, qr_terminal, sms_uri
from ivr.settings import ReportingSettings

SHORT_CODE = Recipient("sc", "short_code", "r", "156", Channel.SMS, "156")
_STROKE = re.compile(r"M(\d+) ([\d.]+)|h(\d+)|m(-?\d+) (-?[\d.]+)")


def drawn(svg: str) -> np.ndarray:
    """The code as a telephone's camera would see it: what the path draws, 5 pixels a module."""
    root = ElementTree.fromstring(svg)
    size = int(root.get("width"))
    assert root.get("height") == str(size)
    modules = np.full((size // 5, size // 5), 255, np.uint8)
    path = [
        each.get("d") for each in root.iter() if each.get("d") and each.get("class") == "qrline"
    ]
    x, y = 0, 0.0
    for absolute_x, absolute_y, length, dx, dy in _STROKE.findall(path[0]):
        if absolute_x:
            x, y = int(absolute_x), float(absolute_y)
        elif length:
            modules[int(y), x : x + int(length)] = 0
            x += int(length)
        else:
            x, y = x + int(dx), y + float(dy)
    return np.kron(modules, np.ones((5, 5), np.uint8))


def read(image: np.ndarray) -> str:
    (code,) = zxingcpp.read_barcodes(image)
    return code.text


@pytest.fixture
def message(facts):
    (report,) = compose(facts(), [SHORT_CODE], ReportingSettings(), date(2026, 11, 24)).reports
    return report


def delivery(report, state):
    return Delivery(
        *(report.report_id, report.case_id, report.channel, report.recipient_id, report.address),
        *(state, 1, None, None, datetime.now(UTC)),
    )


def test_the_code_in_the_page_opens_the_composed_message(facts, message):
    page = Receipt(facts(), "vi", [delivery(message, DeliveryState.READY)], message).as_html()
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    uri = read(drawn(svg))
    assert uri == sms_uri("156", message.body)
    assert urlsplit(uri).path == "156"
    assert parse_qs(urlsplit(uri).query) == {"body": [message.body]}


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=160))
def test_any_text_comes_back_from_the_link(text):
    uri = sms_uri("156", text)
    assert uri.isascii()
    query = urlsplit(uri).query
    assert parse_qs(query, keep_blank_values=True, strict_parsing=True)["body"] == [text]


def test_the_code_on_the_terminal_has_every_module(message):
    uri = sms_uri("156", message.body)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", qr_terminal(uri)).rstrip("\n").split("\n")
    modules = segno.make(uri, error="m", micro=False).symbol_size(border=2)[0]
    assert len(lines) == (modules + 1) // 2
    assert {len(line) for line in lines} == {modules}


def test_the_page_tells_what_to_do_and_loads_nothing(facts, message):
    page = Receipt(facts(), "vi", (), message).as_html()
    for needed in (
        "có dấu hiệu lừa đảo",
        "Không chuyển tiền",
        "tổng đài của ngân hàng",
        "công an xã/phường",
        "Mở tin nhắn soạn sẵn",
        'lang="vi"',
    ):
        assert needed in page, needed
    assert "tội phạm" not in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(each.startswith("sms:") for each in linked)


def test_nothing_that_a_caller_put_in_is_markup(facts, message):
    odd = replace(facts().caller, number="<script>alert(1)</script>")
    bad = replace(message, body='<img src=x onerror=y> & "quoted"')
    page = Receipt(facts(caller=odd), "vi", (), bad).as_html()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_call_without_a_message_has_a_receipt_all_the_same(facts, language):
    found = Receipt(facts(), language, (), None)
    assert "sms:" not in found.as_text(with_code=True) + found.as_html()
    assert "01KAS0000000000000000000A1" in found.as_text(with_code=False)


def test_the_text_names_message_and_link_in_both_languages(facts, message):
    for language, free in (("vi", "miễn phí"), ("en", "free of charge")):
        text = Receipt(facts(), language, (), message).as_text(with_code=False)
        assert free in text
        assert message.body in text
        assert sms_uri("156", message.body) in text


@pytest.mark.parametrize("state", list(DeliveryState))
def test_only_what_nobody_sends_is_handed_to_the_citizen(message, state):
    handed = message_to_send([(message, delivery(message, state))])
    is_theirs = state in {DeliveryState.READY, DeliveryState.FAILED}
    assert handed == (message if is_theirs else None)
    mail = replace(message, channel=Channel.MAIL)
    assert message_to_send([(mail, delivery(mail, state))]) is None


def test_the_code_is_dark_on_white_whatever_the_page(message):
    assert "#fff" in qr_svg(sms_uri("156", message.body))
