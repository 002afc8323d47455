"""A copy for other eyes: numbers silent on every leg and masked, the case as it was."""

import asyncio
import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ivr import casefile
from ivr.casefile import FIRST, RecognitionRecord, read_case
from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.evidence.custody import read_custody
from ivr.evidence.manifest import SealMaterials
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from ivr.media.recordings import write_recordings
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import AT_SITE, CLOSED, VERDICT, Site
from tests.fakes.rtp_sender import on_time, packets, tone
from tests.fakes.virtual_call import run_call

CASE = "01JDHZ00000000000000REDACT"
SAID = "đọc số tài khoản không chín một hai ba bốn năm cho tôi"
"""Four words a second: the digits from 1.0 to 2.7 s on the caller's clock."""
JSON = "application/json"


def words(text: str) -> tuple[Utterance, ...]:
    heard = tuple(Word(w, n / 4, n / 4 + 0.2, 0.9) for n, w in enumerate(text.split()))
    return (Utterance(LegName.CALLER, 0, True, heard, "a" * 64),)


async def enter(root: Path, case: Path) -> None:
    async with await Ledger.open(root / "ledger.sqlite3") as ledger:
        await ledger.record_sealed_case(read_case(case).summary, ())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One sealed call of five seconds; the agent begins one second after the caller."""
    site = Site(tmp_path_factory.mktemp("site"))
    folder = site.open_case(CASE)
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
    asyncio.run(
        enter(
            site.root,
            site.seal(folder, SealMaterials(wire, CLOSED, recordings, VERDICT, *hashes)).path,
        )
    )
    return site


def redacted(site: Site, target: Path, *more: str):
    given = ["--data", str(site.root), "redact", CASE, "--to", str(target)]
    return CliRunner(env=AT_SITE).invoke(app, [*given, "--who", "An", "--why", "7/2026", *more])


def sound(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return samples.reshape(-1, file.getnchannels())


def silent_s(path: Path) -> tuple[float, float]:
    """First and last second of the stretch in which all channels are silent."""
    quiet = np.flatnonzero(
        np.convolve(np.abs(sound(path)).sum(axis=1) == 0, np.ones(400), "valid") == 400
    )
    return quiet[0] / 8000, (quiet[-1] + 400) / 8000


def test_a_number_is_silent_on_every_leg_masked_and_the_case_stays_as_it_was(site, tmp_path):
    case, target = site.vault / CASE, tmp_path / "copy"
    before = {file: file.read_bytes() for file in (case / "derived").iterdir()}
    done = redacted(site, target, "--json")
    assert done.exit_code == 0, done.output
    (span,) = json.loads(done.stdout)["spans"]
    assert (span["start_s"], span["end_s"], span["leg"]) == (0.7, 3.0, "caller")

    assert silent_s(target / "caller.wav") == pytest.approx((0.7, 3.0), abs=0.01)
    assert silent_s(target / "call.wav") == pytest.approx((0.7, 3.0), abs=0.01)
    assert silent_s(target / "agent.wav") == pytest.approx((0.0, 2.0), abs=0.05)
    kept = sound(target / "caller.wav")[:5600]
    assert np.array_equal(kept, sound(case / "derived/caller.wav")[:5600])
    (heard,) = json.loads((target / FIRST.transcript).read_bytes())
    shown = " ".join(word["text"] for word in heard["words"])
    assert shown == "đọc số tài ███ ███ ███ ███ ███ ███ ███ ███ ███ tôi"

    listed = json.loads((target / "redaction.json").read_bytes())
    for file in listed["files"]:
        assert file["sha256"] == hashlib.sha256((target / file["path"]).read_bytes()).hexdigest()
        assert file["parent_sha256"] == hashlib.sha256(before[case / file["parent"]]).hexdigest()
    assert {file["path"] for file in listed["files"]} == {
        "caller.wav", "agent.wav", "call.wav", FIRST.transcript,
    }  # fmt: skip
    assert before == {file: file.read_bytes() for file in (case / "derived").iterdir()}
    entry = read_custody(case)[-1]
    digest = hashlib.sha256((target / "redaction.json").read_bytes()).hexdigest()
    assert entry["facts"] == {"format": "redacted", "list_sha256": digest}
    assert [s.name for s in prove_files(case, site.public_key, site.log_path) if not s.ok] == []


def test_a_span_by_hand_is_on_the_clock_of_its_leg(site, tmp_path):
    done = redacted(site, tmp_path / "copy", "--no-numbers", "--span", "agent:1.5-2.5")
    assert done.exit_code == 0, done.output
    assert silent_s(tmp_path / "copy/agent.wav") == pytest.approx((1.5, 2.5), abs=0.01)
    assert silent_s(tmp_path / "copy/caller.wav") == pytest.approx((2.5, 3.5), abs=0.05)


@pytest.mark.parametrize("span", ["agent", "agent:3-2", "nobody:1-2", "agent:-1-2"])
def test_a_span_that_is_none_is_refused(site, tmp_path, span):
    assert redacted(site, tmp_path / "copy", "--span", span).exit_code == 2
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("more", [["--no-numbers"], ["--span", "callee:1-2"]])
def test_nothing_to_silence_or_a_leg_that_was_not_there_leaves_no_copy(site, tmp_path, more):
    done = redacted(site, tmp_path / "copy", *more)
    assert type(done.exception).__name__ == "UsageError"
    assert list(tmp_path.iterdir()) == []
