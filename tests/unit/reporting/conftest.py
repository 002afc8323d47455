"""A scam call as the journey would hand it to the composer."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ivr.facts.call import Caller, LegName, Mode
from ivr.facts.judgement import Label, Level, PhraseHit, Reason, Stage, Verdict
from ivr.facts.reports import CaseFacts, CaseFile


def hit(
    concept: str,
    stage: Stage,
    heard: str,
    start_s: float,
    leg: LegName = LegName.CALLER,
    *,
    negated: bool = False,
) -> PhraseHit:
    return PhraseHit(
        phrase_id=f"{concept}.1",
        concept=concept,
        stage=stage,
        pretext="sim_revoked",
        heard=heard,
        leg=leg,
        start_s=start_s,
        end_s=start_s + 1.5,
        score=0.9,
        negated=negated,
        is_final=True,
        rulebook_sha256="b" * 64,
    )


HITS = (
    hit("cong_an", Stage.AUTHORITY, "tôi là công an tỉnh", 3.2),
    hit("thu_hoi_so_thue_bao", Stage.THREAT, "thu hồi số thuê bao", 9.0),
    hit("chuyen_tien", Stage.DEMAND, "chuyển tiền vào tài khoản này", 20.5),
)


def verdict(label: Label = Label.SCAM, level: Level = Level.FILING) -> Verdict:
    return Verdict(
        label=label,
        level=level,
        score=0.93,
        pretexts=("sim_revoked",),
        stages=(Stage.AUTHORITY, Stage.THREAT, Stage.DEMAND),
        reasons=(Reason("threat_then_demand", "Dọa rồi đòi tiền", "Threat, then demand", (1, 2)),),
        live_at_s=9.0,
        filing_at_s=21.0,
        rulebook_sha256="b" * 64,
    )


@pytest.fixture
def facts() -> Callable[..., CaseFacts]:
    def build(**changes: object) -> CaseFacts:
        values: dict[str, object] = {
            "case_id": "01KAS0000000000000000000A1",
            "mode": Mode.ANSWER,
            "site": "ivr Đắk Lắk",
            "caller": Caller("+84987654321", None, "P-Asserted-Identity", 0.9, ()),
            "subscriber": "+84912345678",
            "opened_at": datetime(2026, 11, 24, 2, 12, 0, tzinfo=UTC),
            "duration_s": 61.25,
            "verdict": verdict(),
            "hits": HITS,
            "utterances": (),
            "files": (
                CaseFile("original/wire.pcapng", 900_000, "1" * 64, "application/x-pcapng"),
                CaseFile("derived/call.wav", 1_900_000, "2" * 64, "audio/wav"),
                CaseFile("derived/caller.wav", 980_000, "3" * 64, "audio/wav"),
                CaseFile("derived/verdict.json", 4_000, "4" * 64, "application/json"),
            ),
            "seal_sha256": "5" * 64,
            "model_name": "vosk-model-vi-ivr-demo-0.1",
            "is_demonstration_model": True,
            "is_complete": True,
            "meanings": {
                "cong_an": ("xưng là công an", "claims to be the police"),
                "thu_hoi_so_thue_bao": (
                    "dọa thu hồi số thuê bao",
                    "threatens to revoke the number",
                ),
                "chuyen_tien": ("đòi chuyển tiền", "demands a money transfer"),
            },
            "pretext_names": {"sim_revoked": ("thu hồi SIM", "SIM to be revoked")},
        }
        return CaseFacts(**{**values, **changes})  # type: ignore[arg-type]

    return build
