"""The arguments of a verdict in words, Vietnamese first."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Final

from ivr.facts.judgement import PhraseHit, Reason
from ivr.verdict.features import AGAINST, Evidence, Feature
from ivr.verdict.scorer import Deeds
from ivr.verdict.scoring import may_file

TEXTS: Final = MappingProxyType(
    {
        Feature.CLAIM: (
            "Người gọi xưng là công an hoặc cơ quan tố tụng.",
            "The caller claims to be the police or a judicial authority.",
        ),
        Feature.OFFICE: (
            "Người gọi xưng là cơ quan hoặc doanh nghiệp.",
            "The caller claims to call from an office or company.",
        ),
        Feature.PRETEXT: (
            "Người gọi đưa ra cớ thường gặp trong các vụ lừa đảo.",
            "The caller uses a pretext known from fraud cases.",
        ),
        Feature.ACCUSATION: (
            "Người gọi cho rằng người nghe liên quan đến tội phạm.",
            "The caller ties the callee to a crime.",
        ),
        Feature.THREAT: ("Người gọi đe dọa.", "The caller threatens."),
        Feature.PRESSURE: ("Người gọi thúc ép.", "The caller presses for action at once."),
        Feature.ISOLATION: (
            "Người gọi bắt giữ bí mật, giữ máy hoặc ngăn kiểm chứng.",
            "The caller demands secrecy, keeps the line open or hinders verification.",
        ),
        Feature.INSTRUCTION: (
            "Người gọi hướng dẫn thao tác trên máy hoặc kênh khác.",
            "The caller leads through steps on the phone or another channel.",
        ),
        Feature.CONTROL: (
            "Người gọi đòi cài ứng dụng, bấm đường dẫn hoặc đọc mã chuyển hướng.",
            "The caller wants an app installed, a link opened or a forwarding code dialled.",
        ),
        Feature.MONEY: (
            "Người gọi đòi chuyển hoặc nộp tiền.",
            "The caller demands a transfer or payment.",
        ),
        Feature.SECRET: (
            "Người gọi đòi mã xác thực hoặc mật khẩu.",
            "The caller asks for a one-time code or password.",
        ),
        Feature.DATA: (
            "Người gọi đòi giấy tờ, khuôn mặt hoặc thông tin tài khoản.",
            "The caller asks for papers, a face scan or account data.",
        ),
        Feature.ADVERT: ("Nội dung chào hàng, quảng cáo.", "It is a sales pitch."),
        Feature.ADVICE: (
            "Có lời khuyên hoặc cảnh báo phòng lừa đảo.",
            "It gives advice or a warning against fraud.",
        ),
        Feature.RETELLING: (
            "Chuyện được kể lại, hoặc nghe từ ti vi, báo đài.",
            "It retells what happened, or comes from the media.",
        ),
        Feature.REPORT: (
            "Người dân trình báo, hoặc cán bộ hỏi người bị hại.",
            "A citizen reports, or an officer interviews a victim.",
        ),
        Feature.FAMILY: ("Người thân nói chuyện với nhau.", "Family or friends are talking."),
        Feature.IN_PERSON: (
            "Mời đến trực tiếp, bằng giấy tờ hoặc kênh chính thức.",
            "It invites in person, by paper or over an official channel.",
        ),
        Feature.EVERYDAY: ("Việc thường ngày.", "It is everyday business."),
        Feature.DENIAL: (
            "Đòi hỏi hoặc đe dọa bị phủ định, hoặc là lời của người khác.",
            "A demand or threat is denied, or is told of somebody else.",
        ),
    }
)
SHOWN: Final = 0.15  # weaker strengths are not argued with


def reasons(
    evidence: Evidence, hits: Sequence[PhraseHit], deeds: Deeds | None = None
) -> Iterator[Reason]:
    """For and against, in the order of the groups; each names the hits it rests on."""
    for feature, (text_vi, text_en) in TEXTS.items():
        indexes = evidence.indexes(feature)
        if not indexes or evidence.strength(feature) < SHOWN:
            continue
        stage = hits[indexes[0]].stage.value
        code = feature.value if stage == feature.value else f"{stage}.{feature.value}"
        if feature is Feature.DENIAL:
            code = feature.value
        yield Reason(code, text_vi, text_en, indexes, is_against=feature in AGAINST)
    if evidence.groups() and not may_file(evidence, deeds):
        yield Reason(
            "gate.incomplete",
            "Chưa đủ: cần có thẩm quyền hoặc cớ, rồi đòi hỏi hoặc đe dọa.",
            "Not complete: it takes a claimed authority or pretext, then a demand or threat.",
            (),
            is_against=True,
        )


TOO_LITTLE: Final = Reason(
    "unsure.too_little_heard",
    "Nghe được quá ít để kết luận.",
    "Too little was heard to judge.",
    (),
    is_against=True,
)
NO_VIETNAMESE: Final = Reason(
    "unsure.no_vietnamese",
    "Không nhận ra tiếng Việt có dấu trong cuộc gọi.",
    "No Vietnamese was recognised in the call.",
    (),
    is_against=True,
)
CALLEE_SUSPECTED: Final = Reason(
    "suspect.callee",
    "Bên đáng ngờ là người được gọi: các lời nêu dưới đây là của bên ấy. Báo cáo chỉ nêu số người "
    "gọi, nên cuộc gọi này không được tự gửi đi.",
    "The suspect is who was called: what follows is said by that side. A report names the caller's "
    "number, so none is filed of this call.",
    (),
)
