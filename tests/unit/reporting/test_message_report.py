"""Reporting a junk or scam message: one part, the grammar of the short codes, nobody betrayed."""

import json
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import InputError
from ivr.facts.reports import Channel
from ivr.reporting.gsm import segments
from ivr.reporting.message_report import compose_message, draft, reported
from ivr.reporting.recipients import Recipient
from ivr.reporting.sms import KEYWORDS
from ivr.reporting.sms_parts import from_septets, sms_parts
from ivr.settings import ReportingSettings

AT = datetime(2026, 11, 24, 2, 12, tzinfo=UTC)
OWN = ("+84912345678",)
LURE = "Tài khoản của quý khách bị khóa, đăng nhập https://vn-bank.example/xac-thuc (mất phí) ngay"


def of(sender="0987 654 321", text=LURE, keyword="S"):
    return reported(keyword, sender, text, AT, "lan", OWN)


def body(form="A", **changes):
    return draft(of(**changes), ReportingSettings(sms_form=form), OWN).body


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("A", "S (0987654321) (Tai khoan cua quy khach bi khoa, {})"),
        ("B", "S [0987654321][Tai khoan cua quy khach bi khoa, {}]"),
        ("C", "S 0987654321 Tai khoan cua quy khach bi khoa, {}"),
    ],
)
def test_the_three_published_forms(form, expected):
    made = body(form, text="Tài khoản của quý khách bị khóa")
    assert made == expected.format("09:12 24/11/2026")


@pytest.mark.parametrize(
    ("sender", "written"),
    [
        ("+84 987.654.321", "0987654321"),
        ("0084987654321", "0987654321"),
        ("+1 415 555 2671", "+14155552671"),
        ("8098", "8098"),
        ("VIETCOMBANK", "VIETCOMBANK"),
        ("VIB Bank", "VIB Bank"),
        ("Co.opmart-1", "Co.opmart-1"),
    ],
)
@pytest.mark.parametrize("keyword", ["S", "LD"])
def test_numbers_are_national_and_names_stay_as_shown(sender, written, keyword):
    assert body(sender=sender, keyword=keyword).startswith(f"{keyword} ({written}) (Tai khoan")


def test_a_name_of_two_words_is_set_apart_where_the_form_would_not():
    assert body("C", sender="VIB Bank").startswith("S (VIB Bank) (Tai khoan")
    assert body("C", sender="VIB").startswith("S VIB Tai khoan")


@pytest.mark.parametrize(
    "sender", ["", "  ", "VIETCOMBANK-VN", "Ngân hàng", "a(b)", "[VCB]", "ВТБ", "+", "0912 345 678"]
)
def test_a_sender_that_cannot_be_reported_is_refused(sender):
    with pytest.raises(InputError):
        of(sender=sender)


@pytest.mark.parametrize("text", ["", " \n", "x" * 4001])
def test_a_message_without_words_or_with_too_many_is_refused(text):
    with pytest.raises(InputError):
        of(text=text)


@given(
    st.sampled_from(["S", "LD"]),
    st.sampled_from(["0987654321", "VIB Bank", "8098", "+14155552671"]),
    st.text(min_size=1, max_size=600) | st.sampled_from([*sorted(KEYWORDS), "s ms", "Hủy dnc"]),
    st.sampled_from(["A", "B", "C"]),
)
def test_whatever_it_says_the_report_keeps_its_grammar(keyword, sender, text, form):
    try:
        message = of(sender, text, keyword)
    except InputError:
        assert not text.strip()
        return
    made = draft(message, ReportingSettings(sms_form=form), OWN)
    assert (made.sent, made.sent.encoding, made.sent.parts) == (segments(made.body), "gsm7", 1)
    assert made.original == segments(message.text)
    if form == "C" and " " in sender:
        form = "A"
    named = re.escape(sender)
    pattern = {
        "A": rf"{keyword} \({named}\) \(([^()\[\]]+)\)",
        "B": rf"{keyword} \[{named}\]\[([^()\[\]]+)\]",
        "C": rf"{keyword} {named} ([^()\[\]]+)",
    }[form]
    found = re.fullmatch(pattern, made.body)
    assert found, made.body
    assert found[1].endswith("09:12 24/11/2026")
    assert re.match(r"\W*(\w*)", found[1])[1].upper() not in KEYWORDS


@given(st.lists(st.sampled_from(["vay", "https://a.example/x?y=1", "0909123456", "500.000d"])))
def test_words_links_and_numbers_are_whole_or_left_out(words):
    made = body(text="Chao ban " + " ".join(words))
    content = made.split("(", 2)[2].removesuffix("09:12 24/11/2026)").rstrip(", ")
    assert (
        content in {"Chao ban", "Chao"} or content.split()[2:] == words[: len(content.split()) - 2]
    )


def test_a_link_longer_than_a_message_is_not_cut_into_another_one():
    made = body(text="https://a.example/" + "x" * 300)
    assert made == "S (0987654321) (Tin nhan rac, 09:12 24/11/2026)"


@pytest.mark.parametrize("own", ["0912345678", "+84 912 345 678", "0084.912.345.678"])
def test_the_citizens_own_number_is_taken_out(own):
    made = body(text=f"Chuc mung thue bao {own} trung thuong, goi 0909123456")
    assert "345" not in made.split("(", 2)[2].replace("0909123456", "")
    assert "0909123456" in made


@pytest.mark.parametrize("text", ["Mã OTP là 123456", "OTP của bạn: 4321", "mã xác thực 99887766"])
def test_a_code_that_may_still_work_is_taken_out(text):
    assert not re.search(r"\d{4}", body(text=text).split("(", 2)[2].replace("24/11/2026", ""))


def test_letters_in_disguise_and_invisible_ones_are_read():
    assert "vay tien nhanh" in body(text="𝚟𝚊𝚢 ti\u200bền ｎｈａｎｈ")


def test_the_same_message_has_the_same_id_and_another_time_another():
    assert of() == of()
    assert of(sender="+84987654321").message_id == of().message_id
    later = reported("S", "0987654321", LURE, AT.replace(hour=3), "lan", OWN)
    assert later.message_id != of().message_id


def test_a_report_goes_to_the_short_code_in_use_alone():
    codes = [
        Recipient(f"code-{each}", "short_code", "r", each, Channel.SMS, each)
        for each in ("156", "5656")
    ]
    settings = ReportingSettings(sms_short_code="5656")
    filing = compose_message(of(), codes, settings, OWN, date(2026, 11, 25))
    (report,) = filing.reports
    assert (report.address, report.case_id) == ("5656", of().message_id)


@given(st.text(alphabet=st.sampled_from("@£$¥aZ9 {}[]~\\^|€")))
def test_septets_are_read_back(text):
    assert "".join(
        from_septets(p.data[6 if p.has_header else 0 :]) for p in sms_parts(text, 1)
    ) == (text)


def ivr(tmp_path, *arguments, text=""):
    done = CliRunner().invoke(app, ["--data", str(tmp_path), "reports", *arguments], input=text)
    return done.exit_code, done.output


def test_a_message_is_drafted_filed_once_and_listed(tmp_path):
    told = json.dumps({"sender": "VIB Bank", "text": LURE, "received_at": "2026-11-24T09:12"})
    code, drafted = ivr(tmp_path, "sms", "-", "--draft", "--json", text=told)
    assert code == 0
    assert not (tmp_path / "ledger.sqlite3").exists()
    shape = json.loads(drafted)
    assert (shape["parts"], shape["original"]["encoding"], shape["reports"]) == (1, "ucs2", [])
    code, filed = ivr(tmp_path, "sms", "-", "--json", text=told)
    assert (code, len(json.loads(filed)["reports"])) == (0, 1)
    assert json.loads(filed)["body"] == shape["body"]
    code, again = ivr(tmp_path, "sms", "-", text=told)
    assert "reported before" in again
    code, listed = ivr(tmp_path, "list", "--case", shape["message_id"], "--json")
    assert json.loads(listed)["state"] == "pending"
    code, dead = ivr(tmp_path, "list", "--dead")
    assert "No reports." in dead
    code, back = ivr(tmp_path, "replies")
    assert "Nothing has come back." in back
    code, _ = ivr(tmp_path, "sms", "-", text="vay tiền")
    assert code != 0
