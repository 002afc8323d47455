"""A sealed call with sound that was sent as RTP, words and a verdict; the ledger has it."""

import asyncio
from pathlib import Path

from ivr import casefile
from ivr.casefile import FIRST, RecognitionRecord, read_case
from ivr.evidence.manifest import SealMaterials
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.media.recordings import write_recordings
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import CLOSED, VERDICT, Site
from tests.fakes.rtp_sender import on_time, packets, tone
from tests.fakes.virtual_call import run_call

SAID = "đọc số tài khoản không chín một hai ba bốn năm cho tôi"
"""Four words a second: the digits from 1.0 to 2.7 s on the caller's clock."""
JSON = "application/json"


def words(text: str) -> tuple[Utterance, ...]:
    heard = tuple(Word(w, n / 4, n / 4 + 0.2, 0.9) for n, w in enumerate(text.split()))
    return (Utterance(LegName.CALLER, 0, True, heard, "a" * 64),)


def spoken_case(site: Site, case_id: str) -> Path:
    """A call of five seconds; the agent begins one second after the caller."""
    folder = site.open_case(case_id)
    sides = {
        LegName.CALLER: on_time(packets(tone(440.0, 5.0))),
        LegName.AGENT: on_time(packets(tone(700.0, 4.0)), 1.0),
    }
    wire = run_call(folder.path / "original", sides, {8: ("PCMA", 8000)}, keep_frames=False).wire
    recordings = write_recordings(wire, folder.derived_path("call.wav").parent)
    for name in ("caller.wav", "agent.wav", "call.wav"):
        folder.register_derived(name, wire.sha256, "audio/wav", "ivr")
    contents = {
        casefile.RECOGNITION: casefile.RECOGNITION_FORM.dump_json(
            RecognitionRecord("vosk-demo", "a" * 64, True, 0.0)
        ),
        FIRST.transcript: casefile.UTTERANCES_FORM.dump_json(words(SAID)),
        FIRST.hits: b"[]",
        casefile.VERDICT: casefile.VERDICT_FORM.dump_json(VERDICT),
    }
    for name, content in contents.items():
        folder.write_derived(name, content, (wire.sha256,), JSON, "ivr")
    hashes = ("a" * 64, "b" * 64, "c" * 64)
    path = site.seal(folder, SealMaterials(wire, CLOSED, recordings, VERDICT, *hashes)).path
    asyncio.run(_enter(site.root, path))
    return path


async def _enter(root: Path, case: Path) -> None:
    async with await Ledger.open(root / "ledger.sqlite3") as ledger:
        await ledger.record_sealed_case(read_case(case).summary, ())
