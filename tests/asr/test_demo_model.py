"""The committed demonstration model recognises the committed synthetic clips."""

import json
from pathlib import Path

import pytest
import soundfile

from ivr.recognition.model import digest

vosk = pytest.importorskip("vosk")

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "asr_models" / "vosk-model-vi-ivr-demo-0.1"
SPEECH = ROOT / "tests" / "assets" / "speech"
KEY_PHRASES = ("công an", "thu hồi số thuê bao", "chuyển tiền")
LOANS = ("ô", "tê", "pê", "da", "lô", "vê", "en", "ai", "đi")
CLIPS = json.loads((SPEECH / "index.json").read_text(encoding="utf-8"))["clips"]


@pytest.fixture(scope="module")
def model() -> object:
    vosk.SetLogLevel(-1)
    return vosk.Model(str(MODEL))


def words_of(model: object, file: str, grammar: str | None = None) -> list[dict]:
    samples, rate = soundfile.read(SPEECH / file, dtype="int16")
    assert rate == 8000
    arguments = (model, rate) if grammar is None else (model, rate, grammar)
    recogniser = vosk.KaldiRecognizer(*arguments)
    recogniser.SetWords(True)
    pcm = samples.tobytes()
    words: list[dict] = []
    for start in range(0, len(pcm), 1600):
        if recogniser.AcceptWaveform(pcm[start : start + 1600]):
            words += json.loads(recogniser.Result()).get("result", [])
    return words + json.loads(recogniser.FinalResult()).get("result", [])


def text_of(words: list[dict]) -> str:
    return " ".join(word["word"] for word in words)


@pytest.mark.parametrize(
    "clip", [c for c in CLIPS if c["kind"] == "phrase"], ids=lambda c: c["file"]
)
def test_phrase_is_heard(model: object, clip: dict) -> None:
    said = [phrase for phrase in KEY_PHRASES if phrase in clip["text"]]
    assert said
    heard = text_of(words_of(model, clip["file"]))
    assert all(phrase in heard for phrase in said), heard


@pytest.mark.parametrize(
    "clip", [c for c in CLIPS if c["kind"] != "phrase"], ids=lambda c: c["file"]
)
def test_no_phrase_is_heard_in_harmless_speech(model: object, clip: dict) -> None:
    heard = text_of(words_of(model, clip["file"]))
    assert heard
    assert not any(phrase in heard for phrase in KEY_PHRASES), heard


@pytest.mark.parametrize("clip", CLIPS, ids=lambda c: c["file"])
def test_word_times_lie_in_the_clip_and_in_order(model: object, clip: dict) -> None:
    words = words_of(model, clip["file"])
    last = 0.0
    for word in words:
        assert last <= word["start"] < word["end"] <= clip["seconds"]
        assert 0 <= word["conf"] <= 1
        last = word["start"]
    # half a second of silence stands before and after the speech
    assert words[0]["start"] >= 0.2
    assert words[-1]["end"] <= clip["seconds"] - 0.2


def test_grammar_list_with_filler(model: object) -> None:
    grammar = json.dumps([*KEY_PHRASES, "[unk]"], ensure_ascii=False)
    assert "thu hồi số thuê bao" in text_of(words_of(model, "thu-hoi.flac", grammar))
    heard = text_of(words_of(model, "an-com.flac", grammar))
    assert not any(phrase in heard for phrase in KEY_PHRASES), heard


def test_vocabulary_has_the_loans_and_the_filler() -> None:
    lines = (MODEL / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    words = {line.rsplit(" ", 1)[0] for line in lines}
    assert {"[unk]", *LOANS} <= words
    ids = [line.rsplit(" ", 1)[1] for line in lines]
    assert len(set(ids)) == len(ids)


def test_digest_is_the_one_in_the_card() -> None:
    assert digest(MODEL) in (MODEL / "README.md").read_text(encoding="utf-8")


def test_size_and_layout() -> None:
    needed = (
        "am/final.mdl",
        "conf/mfcc.conf",
        "conf/model.conf",
        "graph/HCLr.fst",
        "graph/Gr.fst",
        "graph/words.txt",
        "graph/phones/word_boundary.int",
        "graph/disambig_tid.int",
        "README.md",
        "evaluation.json",
    )
    assert all((MODEL / name).is_file() for name in needed)
    assert sum(p.stat().st_size for p in MODEL.rglob("*") if p.is_file()) < 25_000_000


def test_clips_are_small_and_listed() -> None:
    listed = {clip["file"] for clip in CLIPS}
    assert {path.name for path in SPEECH.glob("*.flac")} >= listed
    assert sum((SPEECH / name).stat().st_size for name in listed) <= 500_000
