"""Which verdict files what, to whom, and what it says."""

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.facts.call import Caller, LegName, Mode
from ivr.facts.judgement import Label, Level, PhraseHit, Stage
from ivr.facts.reports import CaseFile, Channel, Wish
from ivr.reporting.compose import compose
from ivr.reporting.recipients import Recipient
from ivr.settings import ReportingSettings

TODAY = date(2026, 11, 24)
SMS = Recipient("short-code-156", "short_code", "", "Đầu số 156", Channel.SMS, "156")
MAIL = Recipient(
    "cong-an",
    "office",
    "",
    "Công an tỉnh Đắk Lắk",
    Channel.MAIL,
    "x@example.vn",
    verified_on=date(2026, 11, 1),
    verified_by="Lan",
)
SETTINGS = ReportingSettings()


def filed(facts, recipients=(SMS, MAIL), settings=SETTINGS):
    return compose(facts, recipients, settings, TODAY)


def test_a_scam_is_filed_by_message_and_mail(facts):
    filing = filed(facts())
    assert filing.keyword == "LD"
    assert [report.channel for report in filing.reports] == [Channel.SMS, Channel.MAIL]
    assert filing.not_filed == ()
    assert filing.reports[0].body == (
        "LD (0987654321) (Mao danh cong an, doa thu hoi so thue bao, doi chuyen tien, "
        "09:12 24/11/2026, co ghi am)"
    )


def test_spam_is_filed_by_message_only(facts):
    spam = replace(facts().verdict, label=Label.SPAM, level=Level.NONE)
    advert = replace(facts().hits[0], concept="bat_dong_san", stage=Stage.ADVERT)
    filing = filed(facts(verdict=spam, hits=(advert,)))
    assert filing.keyword == "V"
    assert [report.body for report in filing.reports] == [
        "V (0987654321) (Goi quang cao bat dong san, 09:12 24/11/2026, co ghi am)"
    ]


@pytest.mark.parametrize(
    ("label", "level"),
    [
        (Label.SUSPICIOUS, Level.LIVE),
        (Label.CLEAN, Level.NONE),
        (Label.UNSURE, Level.NONE),
        (Label.SCAM, Level.LIVE),
    ],
)
def test_nothing_else_is_filed(facts, label, level):
    filing = filed(facts(verdict=replace(facts().verdict, label=label, level=level)))
    assert (filing.keyword, filing.reports, filing.not_filed) == (None, (), ())


def test_composing_again_gives_the_same_reports(facts):
    assert filed(facts()) == filed(facts())


def test_ids_differ_by_case_recipient_and_channel(facts):
    other = Recipient("short-code-156", "local", "", "x", Channel.MAIL, "a@localhost")
    ids = [r.report_id for r in filed(facts(), (SMS, MAIL, other)).reports]
    ids += [r.report_id for r in filed(facts(case_id="01KAS0000000000000000000B2")).reports]
    assert len(set(ids)) == 5


def test_without_a_number_only_mail_is_filed_and_the_reason_is_kept(facts):
    filing = filed(facts(caller=Caller(None, "anonymous", "From", 0.1, ("anonymous",))))
    assert [report.channel for report in filing.reports] == [Channel.MAIL]
    assert [(n.channel, n.why) for n in filing.not_filed] == [
        (Channel.SMS, "the call carried no number that could be named")
    ]
    assert "Số gọi đến: không hiển thị số" in filing.reports[0].body
    assert "số gọi bị ẩn" in filing.reports[0].body


def test_the_subscribers_own_number_is_never_shown_as_the_callers(facts):
    """The original caller was lost in a diversion and our own number stands in From."""
    filing = filed(facts(caller=Caller("0912345678", None, "From", 0.5, ())))
    assert [report.channel for report in filing.reports] == [Channel.MAIL]
    assert "Số gọi đến: không hiển thị số" in filing.reports[0].body


DIGITS = st.from_regex(r"9[0-4][0-9]{7}", fullmatch=True)


@given(DIGITS, DIGITS, st.sampled_from(["{}", "so_{}", "chuyen {} di", "+84 {}"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_message_ever_holds_the_subscribers_number(facts, caller, own, hiding_place):
    hidden = hiding_place.format(own)
    hits = tuple(replace(hit, heard=hidden, concept=hidden) for hit in facts().hits)
    case = facts(
        caller=Caller(f"+84{caller}", hidden, "From", 0.5, ()), subscriber=f"+84{own}", hits=hits
    )
    for report in filed(case).reports:
        if report.channel is Channel.SMS:
            assert own not in re.sub(r"\D", "", report.body.replace(caller, ""))


def test_negated_words_and_our_own_voice_accuse_nobody(facts):
    first, threat, demand = facts().hits
    ours = replace(first, leg=LegName.AGENT)
    advice = replace(demand, negated=True)
    filing = filed(facts(hits=(ours, threat, advice)))
    assert "cong an" not in filing.reports[0].body
    assert "chuyen tien" not in filing.reports[0].body


def test_the_mail_says_what_an_officer_needs(facts):
    mail = filed(facts(caller=Caller("+84987654321", None, "From", 0.4, ("double_zero",)))).reports[
        1
    ]
    for needed in (
        "Kính gửi: Công an tỉnh Đắk Lắk",
        "09:12 24/11/2026 (giờ Việt Nam, UTC+07:00)",
        "Số gọi đến: +84987654321",
        "tiêu đề SIP From, độ tin cậy 40 %",
        "thừa số 0 sau mã quốc gia",
        "Số thuê bao được gọi: +84912345678",
        "Kết luận: có dấu hiệu lừa đảo (điểm 0,93 trên 1,00)",
        "- Dọa rồi đòi tiền\n  [00:09.0–00:10.5, người gọi] “thu hồi số thuê bao”",
        "[00:20.5–00:22.0, người gọi] “chuyển tiền vào tài khoản này”",
        "đòi chuyển tiền",
        "bản nhận dạng tự động, có thể sai",
        "mô hình nhận dạng minh họa",
        "derived/call.wav  1900000 byte\n  SHA-256 " + "2" * 64,
        "Mã niêm phong (SHA-256 của manifest.json): " + "5" * 64,
        "sha256sum",
        "ENGLISH SUMMARY",
        "Demands: demands a money transfer",
    ):
        assert needed in mail.body, needed
    assert mail.subject == (
        "Báo cáo cuộc gọi có dấu hiệu lừa đảo, 09:12 24/11/2026, mã vụ 01KAS0000000000000000000A1"
    )


def test_no_text_calls_a_person_a_criminal(facts):
    for report in filed(facts()).reports:
        for word in ("tội phạm", "kẻ lừa đảo", "thủ phạm", "toi pham", "criminal"):
            assert word not in (report.subject + report.body).lower()


def test_the_recording_and_its_proofs_are_attached(facts):
    mail = filed(facts()).reports[1]
    assert [(a.path, a.sha256) for a in mail.attachments] == [
        ("derived/call.wav", "2" * 64),
        ("derived/verdict.json", "4" * 64),
        ("manifest.json", "5" * 64),
    ]


def test_without_a_whole_call_file_every_sound_file_is_attached(facts):
    files = tuple(f for f in facts().files if "call.wav" not in f.path)
    files += (CaseFile("original/upload.mp3", 5, "7" * 64, "audio/mpeg"),)
    mail = filed(facts(files=files)).reports[1]
    assert [a.path for a in mail.attachments][:2] == ["derived/caller.wav", "original/upload.mp3"]


def test_a_recording_too_large_for_mail_is_linked_instead(facts):
    mail = filed(facts(), settings=ReportingSettings(attachments_max_mb=1.0)).reports[1]
    (linked,) = (each for each in mail.attachments if each.is_linked)
    assert (linked.path, linked.size) == ("derived/call.wav", 1_900_000)
    assert "derived/call.wav  1900000 byte (quá lớn, không đính kèm" in mail.body


def test_an_unverified_or_stale_recipient_gets_nothing(facts):
    unverified = replace(MAIL, verified_on=None)
    stale = replace(MAIL, id="stale", verified_on=date(2026, 1, 1))
    moved = replace(MAIL, id="moved", valid_to=date(2025, 3, 1), superseded_by="cong-an")
    filing = filed(facts(), (unverified, stale, moved))
    assert filing.reports == ()
    assert [n.why for n in filing.not_filed] == [
        "nobody has verified its address",
        "its address was last verified on 2026-01-01",
        "it was valid until 2025-03-01; see cong-an",
    ]


def test_a_local_recipient_needs_no_verification_and_a_disabled_one_is_passed_over(facts):
    local = Recipient("demo", "local", "", "Thử", Channel.MAIL, "demo@localhost")
    off = replace(MAIL, is_enabled=False)
    assert [r.recipient_id for r in filed(facts(), (local, off)).reports] == ["demo"]


def test_only_the_chosen_short_code_is_written_to(facts):
    other = replace(SMS, id="short-code-5656", address="5656")
    chosen = filed(facts(), (SMS, other), ReportingSettings(sms_short_code="5656")).reports
    assert [report.address for report in chosen] == ["5656"]


def test_english_can_be_left_out_and_sound_nobody_recognised_is_admitted(facts):
    mail = filed(facts(unheard_s=4.0), settings=ReportingSettings(english_summary=False)).reports[1]
    assert "ENGLISH" not in mail.body
    assert "Chưa nhận dạng: 4.0 s" in mail.body


def test_a_long_call_keeps_the_mail_readable(facts):
    many: list[PhraseHit] = [replace(facts().hits[0], start_s=float(n)) for n in range(100)]
    body = filed(facts(hits=tuple(many))).reports[1].body
    assert "… và 40 câu khác" in body


def test_what_the_subscriber_reports_is_filed_with_the_verdict_as_it_stands(facts):
    doubtful = replace(facts().verdict, label=Label.SUSPICIOUS, level=Level.LIVE, score=0.6)
    assert filed(facts(verdict=doubtful)).reports == ()
    filing = filed(facts(verdict=doubtful, wish=Wish.REPORT, mode=Mode.BRIDGE))
    assert filing.keyword == "LD"
    mail = filing.reports[1]
    assert "do người được gọi báo cáo" in mail.subject
    assert "đáng ngờ, chưa đủ căn cứ" in mail.body
    assert "0,60" in mail.body
    assert "reported by the person called" in mail.body


def test_what_the_subscriber_calls_no_scam_is_not_filed(facts):
    assert filed(facts(wish=Wish.WITHDRAW)).keyword is None


def test_a_scam_that_the_subscriber_reports_too_is_called_a_scam(facts):
    assert filed(facts(wish=Wish.REPORT)).reports[1].body == filed(facts()).reports[1].body


def test_a_recipient_may_want_each_report_looked_at_by_a_person_first(facts):
    filing = filed(facts(), (SMS, replace(MAIL, filing="confirm")))
    assert [report.needs_release for report in filing.reports] == [False, True]
