"""Three voiced calls through the real recognition processes, and every table of them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from ivr.bench.hearing import Hearing, measure
from ivr.bench.hearing_tables import figures, render
from ivr.settings import PROJECT_ROOT, Settings

RATE_HZ = 8000
DEMO = PROJECT_ROOT / "ivr/demo/audio"
CLIPS = PROJECT_ROOT / "tests/assets/speech"


def demo_call(name: str, label: str) -> tuple[dict[str, Any], list[dict[str, float]], np.ndarray]:
    """One speaker, as the demonstration plays it; the other side is silent but for a click."""
    told = json.loads((DEMO / f"{name}.json").read_text(encoding="utf-8"))
    caller, _ = soundfile.read(DEMO / f"{name}.flac", dtype="int16")
    callee = np.zeros_like(caller)
    callee[100] = 1000
    dialogue = {
        "id": name,
        "label": label,
        "pretext": "drug_ring" if label == "scam" else None,
        "region": "north",
        "hard": label != "scam",
        "hard_kind": None if label == "scam" else "real_police_invitation",
        "turns": [{"who": "caller", "text": one["text"]} for one in told["sentences"]],
        "first_demand_turn": 7 if label == "scam" else None,
    }
    turns = [{"start_s": one["start"], "end_s": one["end"]} for one in told["sentences"]]
    return dialogue, turns, np.stack([caller, callee], axis=1)


def two_sided_call() -> tuple[dict[str, Any], list[dict[str, float]], np.ndarray]:
    """Caller and callee in turn, each on a channel of its own."""
    listed = json.loads((CLIPS / "index.json").read_text(encoding="utf-8"))["clips"]
    known = {clip["file"]: clip for clip in listed}
    chosen = ("an-com.flac", "chuyen-tien-bac.flac", "thu-hoi-cong-no.flac")
    at, legs, said, turns = 0, ([], []), [], []
    for n, file in enumerate(chosen):
        samples, _ = soundfile.read(CLIPS / file, dtype="int16")
        legs[n % 2].append(samples)
        legs[1 - n % 2].append(np.zeros_like(samples))
        said.append({"who": ("caller", "callee")[n % 2], "text": known[file]["text"]})
        # half a second of silence stands at both ends of a clip
        end_s = (at + len(samples)) / RATE_HZ - 0.5
        turns.append({"start_s": at / RATE_HZ + 0.5, "end_s": end_s})
        at += len(samples)
    dialogue = {"id": "two-sided", "label": "benign", "region": "south", "turns": said}
    return dialogue, turns, np.stack([np.concatenate(leg) for leg in legs], axis=1)


@pytest.fixture(scope="module")
def voiced_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voiced")
    dialogues, calls = [], []
    for dialogue, turns, samples in (
        demo_call("scam-vi", "scam"),
        demo_call("benign-vi", "benign"),
        two_sided_call(),
    ):
        name = dialogue["id"]
        soundfile.write(folder / f"{name}.flac", samples, RATE_HZ, subtype="PCM_16")
        dialogues.append(dialogue)
        leg = {"speaker": {"voice": "vi+m4"}, "noise": "none"}
        calls.append(
            {
                "id": name,
                "file": f"{name}.flac",
                "seconds": len(samples) / RATE_HZ,
                "speech": "synthetic (espeak-ng)",
                "codec": "none",
                "loss": 0.0,
                "legs": {"caller": leg, "callee": leg},
                "turns": turns,
            }
        )
    for name, entries in (("dialogues", dialogues), ("calls", calls)):
        lines = "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hearing(voiced_set: Path) -> Hearing:
    return await measure(voiced_set, Settings(_env_prefix="IVR_TEST_"))


@pytest.fixture(scope="module")
def shown(hearing: Hearing) -> dict[str, Any]:
    return dict(json.loads(json.dumps(figures(hearing))))


def test_the_world_and_the_model_are_named(shown: dict[str, Any]) -> None:
    assert shown["speech"] == ["synthetic (espeak-ng)"]
    assert shown["model"]["is_demonstration"] is True
    assert (shown["calls"], shown["calls_left_out"]) == (3, 0)


def test_demonstration_voices_are_mostly_understood(shown: dict[str, Any]) -> None:
    rows = {row["group"]: row for row in shown["syllable_errors"]}
    everything = rows["all"]
    assert everything["legs"] == 6
    assert 0 <= everything["error_without_tone"] <= everything["error"] < 0.4
    parts = [rows["region north"], rows["region south"]]
    assert sum(row["syllables"] for row in parts) == everything["syllables"]
    assert rows["speaker callee"]["syllables"] == 6  # the one clip on the second channel


def test_phrases_that_are_said_are_found(shown: dict[str, Any]) -> None:
    rows = {row["concept"]: row for row in shown["phrases"]}
    revoked = rows["thu_hoi_so_thue_bao"]
    assert revoked["found"] >= 1
    assert revoked["found"] <= revoked["said"]
    low, high = revoked["recall_interval"]
    assert low <= revoked["recall"] <= high
    ordinary_s = 3600 * revoked["ordinary_hours"]
    assert 15 < ordinary_s < 30  # what is spoken in the two ordinary calls


def test_the_scam_is_filed_and_nothing_else(shown: dict[str, Any]) -> None:
    everything = shown["verdict"][0]["audio"]
    assert (everything["filing"]["right"], everything["filing"]["wrong"]) == (1, 0)
    hard = shown["audio"]["hard_negatives"]
    assert (hard["calls"], hard["filed"]) == (1, 0)
    assert shown["audio"]["first_warning"]["warned"] == 1


def test_the_tables_are_printed_without_a_word_of_a_call(hearing: Hearing) -> None:
    printed = render(hearing)
    assert "World: synthetic (espeak-ng). 3 calls" in printed
    assert "the demonstration model" in printed
    for head in ("| group | legs |", "| concept | found |", "| group | scams |"):
        assert head in printed
    said = {text for heard in hearing.calls for _, text in heard.call.dialogue.turns}
    assert not any(text in printed for text in said)


def test_calls_without_time_are_said_to_be_left_out(hearing: Hearing) -> None:
    unfinished = replace(hearing, calls=(), skipped=3)
    assert figures(unfinished)["calls_left_out"] == 3
    assert "no time for 3 more" in render(unfinished)


def test_the_command_refuses_a_mono_recording(voiced_set: Path, tmp_path: Path) -> None:
    for name in ("calls.jsonl", "dialogues.jsonl"):
        (tmp_path / name).write_bytes((voiced_set / name).read_bytes())
    mono, rate_hz = soundfile.read(DEMO / "scam-vi.flac", dtype="int16")
    soundfile.write(tmp_path / "scam-vi.flac", mono, rate_hz)
    done = subprocess.run(
        [sys.executable, "-m", "ivr", "bench", "hearing", tmp_path, "--limit", "1", "--json"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 3
    assert "does not hold two speakers" in json.loads(done.stdout)["error"]["what"]
