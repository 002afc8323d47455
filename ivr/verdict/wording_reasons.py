"""What the wording argues, in words: the sentences that count most, and what they do."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Final

from ivr.facts.judgement import Passage, Reason
from ivr.verdict.scorer import WINDOW, Share, Side, share, sides_of
from ivr.verdict.trial import Trial
from ivr.verdict.wording import Piece

TEXTS: Final = MappingProxyType(
    {
        "authority": (
            "xưng là cơ quan, doanh nghiệp hoặc người có quyền",
            "to claim an authority, a company or power",
        ),
        "pretext": ("dựng chuyện, nêu sự cố hoặc quyền lợi", "to tell a pretext"),
        "accusation": ("quy cho người nghe dính vào vụ việc", "to accuse the callee"),
        "threat": ("đe dọa hậu quả", "to threaten consequences"),
        "pressure": ("thúc ép làm ngay", "to press for action at once"),
        "isolation": (
            "bắt giữ bí mật, giữ máy hoặc ngăn kiểm chứng",
            "to isolate the callee or hinder verification",
        ),
        "instruction": ("hướng dẫn thao tác", "to lead through steps"),
        "control": (
            "đòi cài ứng dụng, chia sẻ màn hình hoặc bấm mã",
            "to ask for an app, the screen or a dialled code",
        ),
        "money": ("đòi chuyển hoặc nộp tiền", "to ask for money"),
        "secret": ("đòi mã, mật khẩu hoặc số thẻ", "to ask for a code, password or card number"),
        "data": ("đòi giấy tờ hoặc thông tin cá nhân", "to ask for personal data or documents"),
        "advice": ("khuyên hoặc cảnh báo phòng lừa đảo", "to advise or warn against fraud"),
        "retelling": ("kể lại chuyện của người khác", "to retell what others did"),
        "report": ("trình báo", "to report a crime"),
        "family": ("chuyện người thân, bạn bè", "family or friends' talk"),
        "in_person": ("mời đến tận nơi hoặc bằng giấy tờ", "to invite in person or by paper"),
        "everyday": ("công việc thường ngày", "everyday business"),
    }
)
AGAINST: Final = frozenset(("advice", "retelling", "report", "family", "in_person", "everyday"))
SENTENCES: Final = 3  # shown for each side of the argument
SHOWN_SHARE: Final = 0.05  # a sentence that moves the log-odds by less is not shown
SHOWN_WORDING: Final = 0.3
LIKELY: Final = 0.0  # log-odds from which an act is named: as likely as not
LIKELY_AGAINST: Final = 1.0  # a harmless act must be surer, for scams are full of small talk


def wording_reasons(trial: Trial, pieces: Sequence[Piece]) -> Iterator[Reason]:
    """For and against; each names the sentences it rests on. None without a scorer."""
    if trial.scorer is None or trial.window is None or trial.deeds is None or not pieces:
        return
    shares = _shares(trial, pieces)
    total = trial.window.log_odds
    if total >= SHOWN_WORDING:
        yield _wording(
            "wording.scam",
            "Cách nói giống các cuộc gọi lừa đảo.",
            "The wording is like that of scam calls.",
            sorted(shares, key=lambda one: -one.weight),
            is_against=False,
        )
    elif total <= -SHOWN_WORDING:
        yield _wording(
            "wording.ordinary",
            "Cách nói giống các cuộc gọi bình thường.",
            "The wording is like that of ordinary calls.",
            sorted(shares, key=lambda one: one.weight),
            is_against=True,
        )
    for act, (text_vi, text_en) in TEXTS.items():
        if trial.deeds.value(act) >= (LIKELY_AGAINST if act in AGAINST else LIKELY):
            _, piece = trial.deeds.best[act]
            yield Reason(
                f"wording.{act}",
                f"Có lời giống lời {text_vi}.",
                f"A sentence seems {text_en}.",
                (),
                is_against=act in AGAINST,
                passages=(_passage(piece, ()),),
            )


def _shares(trial: Trial, pieces: Sequence[Piece]) -> list[Share]:
    assert trial.scorer is not None
    spoken = dict.fromkeys(Side, 0)
    for piece in pieces:
        for side in sides_of(piece.leg, trial.suspect):
            spoken[side] += piece.syllables
    return [
        share(trial.scorer, piece, sides, min(max(spoken[side] for side in sides), WINDOW))
        for piece in pieces
        for sides in (sides_of(piece.leg, trial.suspect),)
    ]


def _wording(
    code: str, text_vi: str, text_en: str, shares: Sequence[Share], *, is_against: bool
) -> Reason:
    sign = -1 if is_against else 1
    told = [one for one in shares[:SENTENCES] if one.weight * sign >= SHOWN_SHARE]
    told.sort(key=lambda one: one.piece.start_s)
    passages = tuple(_passage(one.piece, one.terms) for one in told)
    return Reason(code, text_vi, text_en, (), is_against=is_against, passages=passages)


def _passage(piece: Piece, terms: tuple[str, ...]) -> Passage:
    return Passage(piece.leg, piece.start_s, piece.end_s, piece.text, terms)
