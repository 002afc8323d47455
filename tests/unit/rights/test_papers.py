"""What the letters and forms say, in both languages and every form of file."""

import re
import tomllib
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest

from ivr.facts.papers import Fields, Heading, Paragraph, Signatures, Table, Title
from ivr.facts.rights import Breach, BreachField, BreachNote, RequestKind, RequestState
from ivr.rights import breach_papers, letters
from ivr.rights.letters import HeldCase, KeepReason
from ivr.rights.render import as_html, as_markdown, as_text
from ivr.settings import PROJECT_ROOT

AT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
NOW = AT + timedelta(hours=60)
FILES = ("rights.toml", "impact.toml", "grounds.toml", "basis.toml")
LANGUAGES = ("vi", "en")


def held(case_id="01KAS", reasons=(), **changes):
    values = {
        "case_id": case_id,
        "opened_at": AT,
        "role": "caller",
        "mode": "answer",
        "duration_s": 61.4,
        "label": "scam",
        "kept_until": "23/02/2027",
        "shared": ("cong-an-xa (mail): sent",),
        "reasons": tuple(reasons),
    }
    return HeldCase(**{**values, **changes})


def one_line(blocks):
    return " ".join(as_text(blocks).split())


@pytest.mark.parametrize("name", FILES)
def test_both_languages_say_the_same_things(name):
    texts = []
    for language in LANGUAGES:
        raw = (PROJECT_ROOT / "ivr/locale" / language / name).read_text(encoding="utf-8")
        assert unicodedata.is_normalized("NFC", raw)
        texts.append(tomllib.loads(raw))
    assert set(texts[0]) == set(texts[1])
    for key, text in texts[0].items():
        holes = [sorted(set(re.findall(r"{(\w+)}", each[key]))) for each in texts]
        assert holes[0] == holes[1], key
        assert text.count("|") == texts[1][key].count("|"), key


def test_an_acknowledgement_names_the_term_and_marks_the_article(law, a_request, office):
    request = a_request(kind=RequestKind.DELETE, has_third_party=True)
    said = one_line(letters.acknowledgement(request, law.terms(request), office()))
    assert "THÔNG BÁO TIẾP NHẬN YÊU CẦU VỀ DỮ LIỆU CÁ NHÂN" in said
    assert "Trả lời chậm nhất: hết ngày 15/12/2026" in said
    assert "NĐ 356/2025/NĐ-CP, điều 5 [CHƯA KIỂM CHỨNG]" in said
    assert "YC-2026-0001" in said
    assert "Phải hỏi bên thứ ba" in said
    assert "09:30 ngày 25/11/2026 (UTC+07:00)" in said


def test_a_letter_in_english_names_the_controller(law, a_request, office):
    request = a_request()
    told = office("en", controller="Trung tâm A", contact="so 1")
    said = one_line(letters.acknowledgement(request, law.terms(request), told))
    assert "Controller: Trung tâm A" in said
    assert "the end of 05/12/2026" in said
    assert "[NOT VERIFIED]" in said


def test_an_extension_says_why_and_until_when(law, a_request, office):
    request = a_request(extended_at=AT)
    said = one_line(letters.extension(request, law.terms(request), "nhiều hồ sơ", office()))
    assert "Lý do: nhiều hồ sơ" in said
    assert "Thời hạn mới: hết ngày 15/12/2026" in said


def test_a_refused_deletion_names_the_cases_the_reasons_and_article_14(law, a_request, office):
    request = a_request(
        kind=RequestKind.DELETE, state=RequestState.REFUSED, answer="Đang được điều tra."
    )
    kept = [held("01KASA", [KeepReason.REPORTED, KeepReason.SUSPECT])]
    said = one_line(letters.answer(request, law.terms(request), kept, office()))
    assert "Kết quả: từ chối" in said
    assert "Đang được điều tra." in said
    assert "01KASA" in said
    assert "đã báo cho cơ quan có thẩm quyền" in said
    assert "điều 14 khoản 2, điều 19 [CHƯA KIỂM CHỨNG]" in said


def test_a_deletion_that_was_done_names_no_case(law, a_request, office):
    request = a_request(kind=RequestKind.DELETE, state=RequestState.DONE, answer="Đã xóa.")
    said = one_line(letters.answer(request, law.terms(request), [], office()))
    assert "đã thực hiện" in said
    assert "điều 14 khoản 2" not in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_of_data_has_each_case_with_its_term_and_who_got_it(a_request, office, language):
    request = a_request(kind=RequestKind.COPY)
    said = one_line(letters.data_list(request, [held("01KASA")], AT, office(language)))
    for part in ("01KASA", "61 s", "23/02/2027", "cong-an-xa (mail): sent"):
        assert part in said
    assert ("che lời của bên kia" if language == "vi" else "other side silenced") in said


def test_a_number_without_cases_is_told_so(a_request, office):
    said = one_line(letters.data_list(a_request(), [], AT, office()))
    assert "không lưu cuộc gọi nào" in said


def note(about, text, hours=1):
    return BreachNote(AT + timedelta(hours=hours), "Hiền", about, text)


NOTES = (
    note(BreachField.WHAT, "mất ổ đĩa sao lưu"),
    note(BreachField.PEOPLE, "12 người", 2),
    note(BreachField.PEOPLE, "sửa lại: 14 người", 3),
)


def test_the_form_of_a_breach_has_what_was_noted_and_dots_for_the_rest(law, office):
    breach = Breach("SC-2026-0001", AT, AT)
    paper = breach_papers.notification(breach, NOTES, law.breach_by(breach), NOW, office())
    said = one_line(paper)
    assert "Phát hiện lúc: 09:30 ngày 25/11/2026 (UTC+07:00)" in said
    assert "Phải thông báo trước: 09:30 ngày 28/11/2026 (UTC+07:00), còn 12 h 00 min" in said
    assert "Diễn biến, tính chất vi phạm: mất ổ đĩa sao lưu" in said
    assert "Số người bị ảnh hưởng: 12 người; sửa lại: 14 người" in said
    assert re.search(r"Nguyên nhân: …{10}", said)
    assert "Mẫu số 08" in said
    assert "chép sang mẫu chính thức" in said
    assert "[CHƯA KIỂM CHỨNG]" in said
    lacking = breach_papers.lacking(NOTES)
    assert BreachField.CAUSE in lacking
    assert not {BreachField.WHAT, BreachField.PEOPLE, BreachField.OTHER} & set(lacking)


def test_the_clock_stands_still_once_the_authority_was_told(law, office):
    told = Breach("SC-2026-0001", AT, AT, notified_at=AT + timedelta(hours=70))
    late = Breach("SC-2026-0002", AT, AT, notified_at=AT + timedelta(hours=73))
    much_later = AT + timedelta(days=9)
    by = law.breach_by(told)
    assert "còn 2 h 00 min" in breach_papers.clock_shown(told, by, much_later, office())
    assert "quá hạn 1 h 00 min" in breach_papers.clock_shown(late, by, much_later, office())
    exactly = Breach("SC-2026-0003", AT, AT, notified_at=by)
    assert "quá hạn 0 h 00 min" in breach_papers.clock_shown(exactly, by, much_later, office())


def test_the_record_has_every_note_and_three_places_to_sign(office):
    paper = breach_papers.record(Breach("SC-2026-0001", AT, AT), NOTES, office())
    said = one_line(paper)
    assert "BIÊN BẢN XÁC NHẬN VI PHẠM" in said
    assert "12:30 ngày 25/11/2026 (UTC+07:00); Người ghi: Hiền; Về: người bị ảnh hưởng" in said
    assert next(each for each in paper if isinstance(each, Signatures)).names[2]


HOSTILE = "<script>alert(1)</script> | `x` *y*\nhai"
BLOCKS = (
    Title(HOSTILE, is_paper=True),
    Heading(HOSTILE),
    Paragraph(HOSTILE),
    Fields(((HOSTILE, HOSTILE),)),
    Table(("a", "b"), (80, 90), ((HOSTILE, HOSTILE),)),
    Signatures(("", HOSTILE)),
)


def test_what_somebody_wrote_is_never_markup():
    page = as_html(BLOCKS, "vi")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 9  # the title of the page, too
    text = as_markdown(BLOCKS)
    assert "<script" not in text.replace("\\<", "")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 3
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in table)


def test_a_page_loads_nothing(law, a_request, office):
    request = a_request()
    page = as_html(letters.acknowledgement(request, law.terms(request), office()), "vi")
    assert not re.search(r"src=|href=|@import|<link|<script", page)
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in page
