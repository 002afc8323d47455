"""Spotting by sound: what must be found, what must not, across utterances, marks and noise."""

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit, Stage
from ivr.facts.speech import Utterance, Word
from ivr.spotting.spotter import Spotter
from ivr.spotting.syllable import fold
from ivr.spotting.tokens import utterances_from_turns

KEYS = ("cong_an", "thu_hoi_so_thue_bao", "chuyen_tien")


def _concepts(hits: tuple[PhraseHit, ...]) -> set[str]:
    return {hit.concept for hit in hits}


def _said(
    text: str,
    *,
    index: int = 0,
    start_s: float = 0.0,
    leg: LegName = LegName.CALLER,
    is_final: bool = True,
    confidence: float = 1.0,
) -> Utterance:
    words = tuple(
        Word(word, start_s + 0.25 * n, start_s + 0.25 * (n + 1), confidence)
        for n, word in enumerate(text.split())
    )
    return Utterance(leg, index, is_final, words, "model")


def _only(hits: tuple[PhraseHit, ...], concept: str) -> PhraseHit:
    found = [hit for hit in hits if hit.concept == concept]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("concept", "heard"),
    [
        ("cong_an", "tôi là công an tỉnh"),
        ("cong_an", "tôi là công ang tỉnh"),
        ("cong_an", "bên công anh phường"),
        ("chuyen_tien", "chị truyển tiềng ngay"),
        ("chuyen_tien", "chị chiển tiền vào tài khoản"),
        ("chuyen_tien", "chuyễn tiền đi"),
        ("chuyen_tien", "chuyện tiền vào tài khoản này"),
        ("thu_hoi_so_thue_bao", "sẽ tu hồi xố thê bao của anh"),
        ("thu_hoi_so_thue_bao", "thu hôi số thuê bao"),
        ("thu_hoi_so_thue_bao", "thuê bao của chị sẽ bị thu hồi"),
        ("vien_kiem_sat", "viện kiểm xác gọi"),
        ("rua_tien", "đường dây dửa tiền"),
        ("lenh_bat", "lệnh bắc tạm dam"),
        ("doc_ma", "đọc mã o tê pê cho tôi"),
        ("doc_ma", "đọc mã OTP cho tôi"),
        ("ket_ban_zalo", "kết bạn gia lô với tôi"),
        ("vneid", "cập nhật vi nét ai đi"),
        ("ma_chuyen_huong", "chị bấm **21*0912345678# giùm em"),
    ],
)
def test_mishearings_are_found(spotter: Spotter, concept: str, heard: str) -> None:
    assert concept in _concepts(spotter.spot_text(heard))


@pytest.mark.parametrize(
    "text",
    [
        "công ăn việc làm dạo này ổn không",
        "thu hồi công nợ cuối năm",
        "chuyện tiền bạc để sau hãy nói",
        "di chuyển tiện hơn",
        "cổng an ninh ở tầng một",
        "công ty an toàn lao động hẹn gặp anh",
        "con ăn cơm chưa con",
        "chị chuyển tiếp tin nhắn giúp em",
        "chuyến tiếp theo lúc mấy giờ",
        "họ thu hồi số hàng bị lỗi rồi",
        "em thuê bao nhiêu tiền một tháng",
        "cộng ăn uống hết hai trăm",
        "thuê bao quý khách vừa gọi tạm thời không liên lạc được",
        "trông an toàn lắm",
        "câu chuyện tiền nong phiền quá",
    ],
)
def test_sound_alikes_are_not_found(spotter: Spotter, text: str) -> None:
    assert _concepts(spotter.spot_text(text)).isdisjoint(KEYS)


def test_a_hit_carries_words_times_and_the_rulebook(spotter: Spotter) -> None:
    hit = _only(spotter.spot([_said("dạ tôi gọi từ công an tỉnh", start_s=3.0)]), "cong_an")
    assert (hit.heard, hit.start_s, hit.end_s) == ("công an", 4.0, 4.5)
    assert hit.stage is Stage.AUTHORITY
    assert hit.rulebook_sha256 == spotter.rulebook.sha256
    assert hit.score == 1.0


def test_a_mishearing_and_a_doubtful_word_score_lower(spotter: Spotter) -> None:
    exact = _only(spotter.spot([_said("chuyển tiền vào")]), "chuyen_tien").score
    misheard = _only(spotter.spot([_said("truyển tiềng vào")]), "chuyen_tien").score
    doubtful = _only(spotter.spot([_said("chuyển tiền vào", confidence=0.3)]), "chuyen_tien").score
    assert exact > misheard > 0.5
    assert exact > doubtful > 0.3


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("chị đừng chuyển tiền", True),
        ("công an không bao giờ gọi điện yêu cầu người dân chuyển tiền", True),
        ("chớ có chuyển tiền cho nó", True),
        ("tôi chưa chuyển tiền", True),
        ("nếu không chuyển tiền thì bị bắt", False),
        ("chuyển tiền đi đúng không", False),
        ("anh nghe rõ không, chuyển tiền ngay", False),
        ("chuyển tiền để không bị thu hồi số thuê bao", False),
    ],
)
def test_guard_words(spotter: Spotter, text: str, negated: bool) -> None:
    assert _only(spotter.spot_text(text), "chuyen_tien").negated is negated


def test_to_pay_so_as_not_to_lose_the_number_is_still_a_threat(spotter: Spotter) -> None:
    hits = spotter.spot_text("nộp tiền để không bị thu hồi số thuê bao")
    assert not _only(hits, "thu_hoi_so_thue_bao").negated


@pytest.mark.parametrize(
    ("text", "concept", "negated"),
    [
        ("tuyệt đối không được nói với ai anh phải chuyển tiền", "chuyen_tien", False),
        (
            "đăng ký không đúng quy định số thuê bao của anh sẽ bị thu hồi",
            "thu_hoi_so_thue_bao",
            False,
        ),
        ("chị đừng lo cứ nghe tôi chị cần chuyển tiền", "chuyen_tien", False),
        ("không có chuyện chị phải chuyển tiền", "chuyen_tien", True),
        ("không bao giờ anh phải chuyển tiền", "chuyen_tien", True),
        ("không cơ quan nào bắt chị phải chuyển tiền", "chuyen_tien", True),
        ("không phải chuyển tiền", "chuyen_tien", True),
    ],
)
def test_without_commas_a_denial_ends_where_the_next_clause_begins(
    spotter: Spotter, text: str, concept: str, negated: bool
) -> None:
    hits = [hit for hit in spotter.spot_text(text) if hit.concept == concept]
    assert hits
    assert all(hit.negated is negated for hit in hits)


@pytest.mark.parametrize(
    ("first", "second", "negated"),
    [
        ("không được nói với ai", "chuyển tiền ngay", False),
        ("anh có nghe rõ không", "chuyển tiền ngay", False),
        ("anh nhớ đừng", "chuyển tiền cho nó", True),
        ("công an không bao giờ", "chuyển tiền", True),
    ],
)
def test_a_denial_crosses_a_pause_only_while_its_verb_is_missing(
    spotter: Spotter, first: str, second: str, negated: bool
) -> None:
    session = spotter.listen()
    session.hear(_said(first, index=0))
    start = 0.25 * len(first.split()) + 0.6
    session.hear(_said(second, index=1, start_s=start))
    assert _only(session.hits, "chuyen_tien").negated is negated


DEMO = (
    "số điện thoại của anh đăng kí không đúng quy định",
    "số thuê bao của anh sẽ bị thu hồi trong vòng hai giờ",
    "để không bị thu hồi số thuê bao anh giữ máy gặp công an tỉnh",
    "tuyệt đối không được nói với ai kể cả người thân",
    "anh phải chuyển tiền vào tài khoản tạm giữ ngay bây giờ",
    "nếu không hợp tác chúng tôi sẽ ra lệnh bắt",
)


@pytest.mark.parametrize("pause_s", [0.0, 0.4, 1.2, 3.0])
def test_in_a_recognised_scam_no_threat_and_no_demand_is_taken_for_denied(
    spotter: Spotter, pause_s: float
) -> None:
    session = spotter.listen()
    start_s = 0.0
    for index, text in enumerate(DEMO):
        utterance = _said(text, index=index, start_s=start_s)
        session.hear(utterance)
        start_s = utterance.words[-1].end_s + pause_s
    earnest = [hit for hit in session.hits if hit.stage in (Stage.THREAT, Stage.DEMAND)]
    assert {"thu_hoi_so_thue_bao", "chuyen_tien", "tai_khoan_an_toan", "lenh_bat"} <= _concepts(
        tuple(earnest)
    )
    assert [hit.heard for hit in earnest if hit.negated] == []


def test_the_same_words_in_one_breath_deny_nothing_either(spotter: Spotter) -> None:
    hits = spotter.spot([_said(" ".join(DEMO))])
    assert not _only(hits, "tai_khoan_an_toan").negated
    assert all(not hit.negated for hit in hits if hit.concept == "thu_hoi_so_thue_bao")


def test_an_uncertain_guard_lowers_the_score_and_does_not_deny(spotter: Spotter) -> None:
    plain = _only(spotter.spot_text("bây giờ chuyển tiền"), "chuyen_tien")
    unsure = _only(spotter.spot_text("đựng chuyển tiền"), "chuyen_tien")
    assert unsure.score <= plain.score


@given(st.sampled_from(["không", "khôn", "khồng", "đừng", "đựng", "chưa", "khỏi", "công", "bông"]))
@settings(deadline=None)
def test_no_word_before_a_phrase_ever_raises_its_score(spotter: Spotter, word: str) -> None:
    plain = _only(spotter.spot_text("ạ chuyển tiền"), "chuyen_tien")
    after = _only(spotter.spot_text(f"{word} chuyển tiền"), "chuyen_tien")
    assert after.score <= plain.score


def test_a_guard_word_is_never_taken_for_another_word(spotter: Spotter) -> None:
    assert "giu_bi_mat" in _concepts(spotter.spot_text("không được nói với ai"))
    assert "giu_bi_mat" not in _concepts(spotter.spot_text("công được nói với ai"))


def test_what_is_told_of_others_is_marked_quoted(spotter: Spotter) -> None:
    hits = spotter.spot_text("hôm qua có thằng xưng là công an bảo mẹ chuyển tiền")
    assert _only(hits, "chuyen_tien").quoted
    assert not _only(spotter.spot_text("tôi là công an chị chuyển tiền"), "chuyen_tien").quoted


def test_a_phrase_runs_across_a_short_pause(spotter: Spotter) -> None:
    session = spotter.listen()
    session.hear(_said("anh sẽ bị thu hồi số", index=0))
    new = session.hear(_said("thuê bao ngay", index=1, start_s=2.0))
    assert _only(session.hits, "thu_hoi_so_thue_bao").heard.endswith("thu hồi số thuê bao")
    assert "thu_hoi_so_thue_bao" in _concepts(new)


def test_a_phrase_does_not_run_across_a_long_pause(spotter: Spotter) -> None:
    session = spotter.listen()
    session.hear(_said("tôi nói chuyển", index=0))
    session.hear(_said("tiền", index=1, start_s=9.0))
    assert "chuyen_tien" not in _concepts(session.hits)


def test_a_phrase_does_not_run_from_one_leg_to_the_other(spotter: Spotter) -> None:
    session = spotter.listen()
    session.hear(_said("tôi nói chuyển", index=0))
    session.hear(_said("tiền", index=0, start_s=0.8, leg=LegName.CALLEE))
    assert "chuyen_tien" not in _concepts(session.hits)


def test_partials_give_provisional_hits_that_the_final_replaces(spotter: Spotter) -> None:
    session = spotter.listen()
    first = session.hear(_said("tôi là công an", is_final=False, confidence=0.5))
    assert "cong_an" in _concepts(first)
    assert all(not hit.is_final for hit in first)
    again = session.hear(_said("tôi là công an tỉnh", is_final=False, confidence=0.5))
    assert "cong_an" not in _concepts(again)
    final = session.hear(_said("tôi là cô an"))
    assert "cong_an" not in _concepts(final)
    assert "cong_an" not in _concepts(session.hits)


def test_a_partial_that_is_withdrawn_gives_back_what_it_hid(spotter: Spotter) -> None:
    session = spotter.listen()
    session.hear(_said("họ thu hồi sim", index=0))
    before = session.hits
    session.hear(_said("thu hồi số thuê bao", index=1, start_s=1.0, is_final=False))
    session.hear(_said("ạ", index=1, start_s=1.0))
    assert session.hits == before


def test_of_overlapping_wordings_of_one_concept_the_fullest_stands(spotter: Spotter) -> None:
    hits = spotter.spot_text("thuê bao của anh sẽ bị thu hồi số thuê bao này")
    spans = [(h.start_s, h.end_s) for h in hits if h.concept == "thu_hoi_so_thue_bao"]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


TEXT = "Tôi là công an tỉnh, thuê bao của anh sẽ bị thu hồi, anh chuyển tiền ngay"


@pytest.mark.parametrize(
    "text",
    [
        unicodedata.normalize("NFD", TEXT),
        unicodedata.normalize("NFKD", TEXT),
        # windows-1258: letters composed, tone marks apart
        "".join(
            unicodedata.normalize("NFC", c[:-1]) + c[-1] if len(c) > 1 else c
            for c in (unicodedata.normalize("NFD", letter) for letter in TEXT)
        ),
        TEXT.upper(),
        TEXT.replace(" ", " 😀 ", 3),
        TEXT.replace(" ", "\u200b \u00a0"),
        TEXT.replace("công an", "cơ quan công an") + " !!! ???",
    ],
    ids=["nfd", "nfkd", "windows-1258", "capitals", "emoji", "odd-spaces", "marks"],
)
def test_any_form_of_the_text_serves(spotter: Spotter, text: str) -> None:
    assert set(KEYS) <= _concepts(spotter.spot_text(text))


def test_text_without_diacritics_is_matched_at_a_lower_score(spotter: Spotter) -> None:
    full, bare = spotter.spot_text(TEXT), spotter.spot_text(fold(TEXT))
    assert set(KEYS) <= _concepts(bare)
    assert _only(bare, "cong_an").score < _only(full, "cong_an").score


@pytest.mark.parametrize(
    "text", ["", "ạ", "😀", "...", "12345", "hello, how are you today my friend"]
)
def test_nothing_to_find(spotter: Spotter, text: str) -> None:
    assert spotter.spot_text(text) == ()


def test_digits_are_read(spotter: Spotter) -> None:
    hits = spotter.spot_text("đóng phí 22.000đ, chuyển 50tr qua số này")
    assert {"so_tien", "chuyen_tien"} <= _concepts(hits)


@given(st.text(max_size=120))
@settings(deadline=None, max_examples=60)
def test_any_text_is_survived(spotter: Spotter, text: str) -> None:
    for hit in spotter.spot_text(text):
        assert 0.0 <= hit.score <= 1.0
        assert hit.start_s <= hit.end_s


def test_a_hundred_thousand_words(spotter: Spotter) -> None:
    hits = spotter.spot_text(" ".join(["hôm nay trời đẹp quá mà"] * 16_667 + ["chuyển tiền"]))
    assert _only(hits, "chuyen_tien").score == 1.0


def test_the_same_text_gives_the_same_hits(spotter: Spotter) -> None:
    again = Spotter(spotter.rulebook)
    turns = [(LegName.CALLER, TEXT), (LegName.CALLEE, "dạ"), (LegName.CALLER, "đọc mã OTP")]
    assert spotter.spot(utterances_from_turns(turns)) == again.spot(utterances_from_turns(turns))
