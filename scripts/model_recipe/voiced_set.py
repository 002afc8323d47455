"""Written calls as sound: both speakers on their own channel of an 8 kHz stereo file.

`scripts/make_voiced_set` is the front.  All speech is synthetic (espeak-ng).
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from model_recipe.channel import Telephone, code
from model_recipe.corpus import read_labelled
from model_recipe.espeak import Espeak
from model_recipe.voiced_plan import (
    DIALECT_OF,
    GROUP_OF,
    ROLES,
    VOICES,
    CallPlan,
    LegPlan,
    balanced,
    plan_call,
    read_lines,
)
from model_recipe.voices import SAMPLE_RATE, VARIANTS, draw_speaker, speak

REPOSITORY = Path(__file__).resolve().parents[2]
CALLS, DIALOGUES = "calls.jsonl", "dialogues.jsonl"
_ATTEMPTS = 6  # libespeak-ng 1.51 crashes in about one hour of six
_LONGEST_S = 120.0  # for one call; a synthesiser that hangs is ended
_EDGE_S = 1.0  # before the first and after the last word
_PAUSE_S = (0.4, 1.2)
_FULL_SCALE = 32767
_PACKET = SAMPLE_RATE // 50  # 20 ms
_BURST = 2.0  # mean packets lost in a row
_OTHERS = 6


class KnownLine(Telephone):
    """A telephone line whose noise, codec and losses are chosen, not drawn."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self._others: list[np.ndarray] = []

    def add_others(self, espeak: Espeak, group: str, dialects: list[str]) -> None:
        """People of the same group who talk behind the speaker."""
        ordinary = [one.text for one in read_labelled(group) if one.kind == "ordinary"]
        for text in self._rng.sample(ordinary, _OTHERS):
            voice = f"{self._rng.choice(dialects)}+{self._rng.choice(VARIANTS[group])}"
            said, _ = speak(espeak, draw_speaker(self._rng, group, voice), text)
            said = _trimmed(said)
            self._others.append(said / _rms(said))

    def carry(self, voice: np.ndarray, leg: LegPlan, plan: CallPlan) -> np.ndarray:
        """One side of a call, silence included, after its line; int16."""
        out = self._band(self._room(voice))
        if leg.snr_db is not None:
            # speech alone counts: half of a leg is silence
            level = _rms(out[np.abs(voice) > 0]) * 10 ** (-leg.snr_db / 20)
            behind = self._voices if leg.noise == VOICES else self._background
            out = out + behind(len(out)) * level
        out = out / (np.abs(out).max() + 1e-9) * _FULL_SCALE * 10 ** (-leg.level_db / 20)
        out = code(np.clip(out, -_FULL_SCALE - 1, _FULL_SCALE), plan.codec)
        return np.round(self._drop(out, plan.loss)).astype(np.int16)

    def _voices(self, length: int) -> np.ndarray:
        """Two to four of the others, over and over, together of unit power."""
        mixed = np.zeros(length)
        for other in self._rng.sample(self._others, self._rng.randint(2, 4)):
            mixed += np.resize(np.roll(other, self._rng.randrange(len(other))), length)
        return mixed / _rms(mixed)

    def _drop(self, samples: np.ndarray, share: float) -> np.ndarray:
        """Packets lost in bursts (Gilbert, 1960), filled with zeros as the recorder does."""
        if not share:
            return samples
        out, is_lost = samples.copy(), False
        begin = share / (1 - share) / _BURST
        for start in range(0, len(out), _PACKET):
            is_lost = self._rng.random() < (1 - 1 / _BURST if is_lost else begin)
            if is_lost:
                out[start : start + _PACKET] = 0
        return out


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2))) + 1e-9 if len(samples) else 1e-9


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence that the synthesiser puts around a turn."""
    loud = np.flatnonzero(np.abs(samples) > 50)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def speak_call(plan: CallPlan, group: str) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Stereo int16 of shape (n, 2), caller first, and start and end of each turn in seconds."""
    rng = random.Random(plan.seed)
    espeak, line = Espeak(), KnownLine(rng)
    line.add_others(espeak, group, list(DIALECT_OF.values()))
    at = int(_EDGE_S * SAMPLE_RATE)
    spoken: list[tuple[str, int, np.ndarray]] = []
    times = []
    for who, text in plan.turns:
        said = _trimmed(speak(espeak, plan.legs[who].speaker, text)[0])
        spoken.append((who, at, said))
        end = at + len(said)
        times.append({"start_s": round(at / SAMPLE_RATE, 3), "end_s": round(end / SAMPLE_RATE, 3)})
        at = end + int(rng.uniform(*_PAUSE_S) * SAMPLE_RATE)
    length = at + int(_EDGE_S * SAMPLE_RATE)
    length += -length % _PACKET
    legs = []
    for role in ROLES:
        voice = np.zeros(length)
        for who, start, said in spoken:
            if who == role:
                voice[start : start + len(said)] = said
        legs.append(line.carry(voice, plan.legs[role], plan))
    return np.stack(legs, axis=1), times


def _described(plan: CallPlan, samples: int, times: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "id": plan.name,
        "file": f"{plan.name}.flac",
        "seconds": round(samples / SAMPLE_RATE, 3),
        "speech": "synthetic (espeak-ng)",
        "drawn_from": _origin(plan),
        "codec": plan.codec,
        "loss": plan.loss,
        "legs": {role: asdict(leg) for role, leg in plan.legs.items()},
        "turns": times,
    }


def _origin(plan: CallPlan) -> str:
    """What the sound depends on: another seed or another wording makes another."""
    said = json.dumps(plan.turns, ensure_ascii=False).encode()
    return f"{plan.seed} {hashlib.sha256(said).hexdigest()[:12]}"


def write_call(folder: Path, plan: CallPlan, group: str) -> None:
    """Sound first, then the description that says it is complete."""
    audio, times = speak_call(plan, group)
    soundfile.write(folder / f"{plan.name}.flac", audio, SAMPLE_RATE, subtype="PCM_16")
    text = json.dumps(_described(plan, len(audio), times), ensure_ascii=False)
    partial = folder / f".{plan.name}.json"
    partial.write_text(text, encoding="utf-8")
    partial.rename(folder / f"{plan.name}.json")


def _in_own_process(work: Callable[[], None]) -> None:
    """The synthesiser keeps state between calls and may crash: each call gets a fresh one."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(_LONGEST_S)
    if process.is_alive():
        process.kill()
        process.join()


def make_call(folder: Path, dialogue: dict[str, Any], part: str, seed: int) -> dict[str, Any]:
    """One missing call; another manner of speaking when the synthesiser crashed."""
    plans = [plan_call(dialogue, part, seed, attempt) for attempt in range(_ATTEMPTS)]
    made = _read(folder / f"{dialogue['id']}.json")
    if made is not None and made["drawn_from"] in {_origin(plan) for plan in plans}:
        return made
    for plan in plans:
        _in_own_process(lambda plan=plan: write_call(folder, plan, GROUP_OF[part]))
        made = _read(folder / f"{plan.name}.json")
        if made is not None and made["drawn_from"] == _origin(plan):
            return made
    message = f"no sound for {dialogue['id']} after {_ATTEMPTS} attempts"
    raise RuntimeError(message)


def _read(description: Path) -> dict[str, Any] | None:
    if not description.exists():
        return None
    return dict(json.loads(description.read_text(encoding="utf-8")))


def make_part(args: argparse.Namespace, part: str) -> None:
    """All missing calls of one part, then the list of calls and of their dialogues."""
    folder = args.out / part
    folder.mkdir(parents=True, exist_ok=True)
    chosen = balanced(read_lines(args.dialogues / f"{part}.jsonl"), args.seed)[: args.limit]
    with ThreadPoolExecutor(args.workers) as pool:
        waiting = {pool.submit(make_call, folder, d, part, args.seed): d["id"] for d in chosen}
        made = {}
        for count, finished in enumerate(as_completed(waiting), start=1):
            made[waiting[finished]] = finished.result()
            if count % 10 == 0 or count == len(chosen):
                print(f"voiced: {part}: {count} of {len(chosen)} calls", flush=True)
    for name, entries in (
        (CALLS, [made[dialogue["id"]] for dialogue in chosen]),
        (DIALOGUES, chosen),
    ):
        lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    hours = sum(entry["seconds"] for entry in made.values()) / 3600
    print(f"voiced: {folder}: {len(chosen)} calls, {hours:.2f} h, synthetic speech", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make_voiced_set", description=__doc__)
    parser.add_argument("--part", choices=tuple(GROUP_OF), help="only this part")
    parser.add_argument("--limit", type=int, help="so many calls of each part, labels balanced")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "voiced")
    parser.add_argument("--dialogues", type=Path, default=REPOSITORY / "data" / "dialogues")
    args = parser.parse_args()
    os.nice(10)
    for part in (args.part,) if args.part else ("tuning", "test"):
        make_part(args, part)


if __name__ == "__main__":
    main()
