"""A sealed upload with all that a judged call leaves: two engines heard it, the ledger has it."""

import asyncio
from dataclasses import replace
from pathlib import Path

from ivr import casefile
from ivr.casefile import FIRST, SECOND, RecognitionRecord
from ivr.evidence.manifest import SealMaterials
from ivr.facts.call import LegName
from ivr.facts.judgement import Label, Passage, PhraseHit, Reason, SecondOpinion, Stage
from ivr.facts.speech import Utterance, Word
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import CLOSED, VERDICT, Site

SAID = (
    "tôi là thiếu tá công an tỉnh đắk lắk",
    "số thuê bao của chị liên quan đến đường dây ma túy và sẽ bị thu hồi",
    "chị chuyển tiền vào tài khoản tạm giữ ngay để phục vụ điều tra",
)
JSON = "application/json"


def spoken(text: str, n: int) -> Utterance:
    """One sentence, four words a second, ten seconds after the one before."""
    words = tuple(
        Word(word, n * 10 + at / 4, n * 10 + at / 4 + 0.2, 0.9)
        for at, word in enumerate(text.split())
    )
    return Utterance(LegName.CALLER, n, True, words, "a" * 64)


def hit(concept: str, stage: Stage, heard: str, start_s: float) -> PhraseHit:
    return PhraseHit(
        f"{concept}.1", concept, stage, "sim_revoked", heard, LegName.CALLER, start_s,
        start_s + 1.5, 0.95, False, True, "b" * 64,
    )  # fmt: skip


HITS = (
    hit("cong_an", Stage.AUTHORITY, "công an", 0.75),
    hit("thu_hoi", Stage.THREAT, "sẽ bị thu hồi", 13.0),
    hit("chuyen_tien", Stage.DEMAND, "chuyển tiền", 20.25),
)
JUDGED = replace(
    VERDICT,
    rulebook_sha256="b" * 64,
    reasons=(
        Reason("claims", "Tự xưng công an rồi đòi chuyển tiền", "Police who want money", (0, 2)),
        Reason(
            "wording", "Lời lẽ giống các cuộc gọi lừa đảo", "Worded like scams", (),
            passages=(Passage(LegName.CALLER, 10.0, 14.0, SAID[1], ("thu hồi",)),),
        ),
        Reason("brief", "Cuộc gọi ngắn", "A short call", (), is_against=True),
    ),
)  # fmt: skip
OPINION = SecondOpinion("viet-asr", "viet-8k", "d" * 64, False, JUDGED, is_leading=True)


def judged_case(
    site: Site, call_id: str = "01JDHZ0000000000000JUDGED", said: tuple[str, ...] = SAID
) -> Path:
    """Seal one and enter it into the site's ledger; returns its folder."""
    folder = site.open_case(call_id)
    sound = site.root / "phone.m4a"
    sound.write_bytes(b"sound" * 999)
    upload = folder.keep_upload(sound)
    record = RecognitionRecord("vosk-demo", "a" * 64, True, 1.5, second=OPINION)
    spoken_words = casefile.UTTERANCES_FORM.dump_json(
        tuple(spoken(text, n) for n, text in enumerate(said))
    )
    contents = {
        casefile.RECOGNITION: casefile.RECOGNITION_FORM.dump_json(record),
        FIRST.transcript: casefile.UTTERANCES_FORM.dump_json((spoken("tôi là công an", 0),)),
        SECOND.transcript: spoken_words,
        FIRST.hits: casefile.HITS_FORM.dump_json(HITS[:1]),
        SECOND.hits: casefile.HITS_FORM.dump_json(HITS),
        FIRST.verdict: casefile.VERDICT_FORM.dump_json(replace(JUDGED, label=Label.SUSPICIOUS)),
        SECOND.verdict: casefile.VERDICT_FORM.dump_json(JUDGED),
        casefile.VERDICT: casefile.VERDICT_FORM.dump_json(JUDGED),
    }
    for name, content in contents.items():
        folder.write_derived(name, content, (upload,), JSON, "ivr")
    materials = SealMaterials(None, CLOSED, (), JUDGED, "a" * 64, "b" * 64, "c" * 64)
    path = site.seal(folder, materials).path
    asyncio.run(_enter(site.root, path))
    return path


async def _enter(root: Path, path: Path) -> None:
    async with await Ledger.open(root / "ledger.sqlite3") as ledger:
        await ledger.record_sealed_case(casefile.read_case(path).summary, ())
