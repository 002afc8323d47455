"""The sheet for VNeID: short plain fields, in order, nothing that the citizen alone can know."""

import html
import json
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.evidence.custody import read_custody
from ivr.facts.call import Caller
from ivr.facts.judgement import Label
from ivr.reporting.vneid_sheet import LIMITS, Sheet
from tests.fakes.evidence_site import AT_SITE, Site
from tests.fakes.judged_case import judged_case


def values(facts):
    return {field.key: field.value for field in Sheet(facts).fields}


def test_what_is_copied_of_a_scam_call(facts):
    found = values(facts())
    assert found["subject"] == "Cuộc gọi có dấu hiệu lừa đảo, 09:12 24/11/2026"
    assert found["time"] == "09:12 24/11/2026"
    assert found["numbers"] == "0987654321"
    assert found["narrative"] == (
        "Lúc 09:12 24/11/2026 số 0987654321 gọi đến thuê bao của tôi, cuộc gọi dài 1 phút 1 giây. "
        "Người gọi nói: xưng là công an; dọa thu hồi số thuê bao; đòi chuyển tiền. "
        "Cuộc gọi có ghi âm. Nhận định tự động: có dấu hiệu lừa đảo; "
        "tôi chưa xác minh được người gọi là ai."
    )
    assert found["files"] == "call.wav"
    assert found["loss"] == ""


def test_the_order_of_copying_is_counted_through(facts):
    sheet = Sheet(facts())
    assert [field.n for field in sheet.fields] == list(range(1, len(LIMITS) + 1))
    for shown in (sheet.as_text(), html.unescape(sheet.as_html())):
        places = [shown.index(f"{field.n}. {field.label}") for field in sheet.fields]
        assert places == sorted(places)


def test_vietnamese_stands_first_and_english_beside_it_only_when_asked(facts):
    plain, both = Sheet(facts()).as_text(), Sheet(facts(), has_english=True).as_text()
    assert "What happened" not in plain
    assert both.index("Nội dung") < both.index("What happened")
    assert unicodedata.is_normalized("NFC", both)


def test_each_box_of_the_page_is_taken_with_one_touch_and_nothing_is_loaded(facts):
    page = Sheet(facts()).as_html()
    boxes = re.findall(r'<div class="value">(.*?)</div>', page)
    assert [html.unescape(box) for box in boxes] == [
        each for each in values(facts()).values() if each
    ]
    assert "user-select: all" in page
    assert "@media print" in page
    assert not re.search(r"<script|<img|<link|src=|href=", page)


@pytest.mark.parametrize("number", [None, "+84912345678", "anonymous"])
def test_without_a_number_that_could_be_named_none_is(facts, number):
    found = values(facts(caller=Caller(number, None, None, 0.0, ())))
    assert found["numbers"] == "không hiển thị số"
    assert "không hiển thị số" in found["narrative"]
    assert "912345678" not in str(found)


def test_nobody_is_called_a_criminal(facts):
    assert "tội phạm" not in Sheet(facts(), has_english=True).as_text()


@given(st.lists(st.text(max_size=300), max_size=30), st.sampled_from(list(Label)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_field_is_one_short_plain_line(facts, meanings, label):
    base = facts()
    hits = tuple(
        replace(base.hits[n % 3], concept=f"c{n}", start_s=float(n)) for n in range(len(meanings))
    )
    named = {f"c{n}": (text, text) for n, text in enumerate(meanings)}
    changed = facts(hits=hits, meanings=named, verdict=replace(base.verdict, label=label))
    for key, value in values(changed).items():
        assert len(value) <= LIMITS[key]
        assert value == " ".join(value.split())


def test_markup_in_what_was_heard_is_text(facts):
    odd = facts(meanings={"cong_an": ("<b>xưng</b>", "x")})
    assert "<b>" not in Sheet(odd).as_html()


def test_the_command_writes_both_and_notes_the_look(tmp_path):
    site = Site(tmp_path)
    case = judged_case(site)
    arguments = ["--data", str(tmp_path), "reports", "sheet", case.name[:20], "--save", "--json"]
    done = CliRunner(env=AT_SITE).invoke(app, arguments)
    assert done.exit_code == 0, done.output
    shape = json.loads(done.output)
    assert {file.rpartition(".")[2] for file in shape["files"]} == {"txt", "html"}
    assert [field["key"] for field in shape["fields"]] == list(LIMITS)
    assert read_custody(case)[-1]["reason"] == "ivr reports sheet"
    assert datetime.fromisoformat(read_custody(case)[-1]["at"]).tzinfo == UTC
