"""``python -m ivr.recognition.bench``: what live recognition costs and how late it is.

In one run, on the same recordings and with the same model:

- lanes per core: seconds of sound worked off in a second of processor time, by our lane, and by a
  plain streaming server (one recogniser a leg fed all sound in 100 ms messages, a result or a
  partial for each, as the servers published with Vosk do);
- delay: from the end of a word (as timed in its final) to the first partial or final that holds
  the final's words up to it: sound that had to come plus the computing of that block.

The legs are made from the given recordings: turns of five seconds with silence between them, so
that speech has the share that one side of a conversation has.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ivr.errors import IvrError, UsageError
from ivr.recognition import engines
from ivr.recognition.engine import Engine
from ivr.recognition.gate import FRAME_S, Gate
from ivr.recognition.lane import Heard, Lane, LaneSettings
from ivr.settings import PROJECT_ROOT, RecognitionSettings, resolve

RATE_HZ = 8000
PLAIN_MESSAGE_S = 0.1
LINE_NOISE_DBFS = -65.0
TURN_S, BREATH_S = 5.0, 0.2
"""How long a person speaks before it is the other's turn, and between two phrases of a turn."""
REPEATS = 3
"""Best of three: neighbours on the machine make a run slower, never faster."""

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Lanes per core is the inverse of the real-time factor in processor time."""

    leg_s: float
    speech_share: float
    gated_share: float
    lanes_per_core: float
    plain_lanes_per_core: float
    ratio: float
    delay_median_s: float
    delay_p95_s: float
    words: int


def make_leg(clips: list[Samples], share: float, seconds: float) -> Samples:
    """A leg of ``seconds`` in which turns of about `TURN_S` take ``share`` of the time."""
    spoken = [clip[_speech(clip)] for clip in clips]
    breath = np.zeros(round(BREATH_S * RATE_HZ), dtype=np.int16)
    pieces: list[Samples] = []
    length = number = 0
    while length < seconds * RATE_HZ:
        turn: list[Samples] = []
        while sum(map(len, turn)) < TURN_S * RATE_HZ:
            turn += [spoken[number % len(spoken)], breath]
            number += 1
        said = sum(map(len, turn))
        pause = np.zeros(round(said * (1 - share) / share), dtype=np.int16)
        pieces += [pause, *turn]
        length += len(pause) + said
    leg = np.concatenate(pieces).astype(np.float64)
    scale = 32768 * 10 ** (LINE_NOISE_DBFS / 20)
    leg += np.random.default_rng(1).normal(0, scale, len(leg))
    return np.clip(leg, -32768, 32767).astype(np.int16)


def _speech(clip: Samples) -> slice:
    loud = np.nonzero(np.abs(clip.astype(np.int32)) > 1000)[0]
    return slice(int(loud[0]), int(loud[-1]) + 1) if len(loud) else slice(0, len(clip))


def run_plain(engine: Engine, leg: Samples) -> float:
    """Processor seconds of the plain streaming server's work."""
    recogniser = engine.recogniser()
    step = round(PLAIN_MESSAGE_S * RATE_HZ)
    start = time.process_time()
    for at in range(0, len(leg), step):
        if recogniser.accept(leg[at : at + step].tobytes()):
            recogniser.result()
        else:
            recogniser.partial()
    recogniser.final()
    return time.process_time() - start


def run_lane(
    engine: Engine, leg: Samples, settings: LaneSettings
) -> tuple[float, list[tuple[float, Heard]]]:
    """Processor seconds, and what was heard with the time it came: sound so far plus computing."""
    lane = Lane(engine, RATE_HZ, settings)
    step = round(FRAME_S * RATE_HZ)
    heard: list[tuple[float, Heard]] = []
    start = time.process_time()
    for at in range(0, len(leg), step):
        begin = time.perf_counter()
        out = list(lane.hear(at, leg[at : at + step].tobytes()))
        moment = (at + step) / RATE_HZ + time.perf_counter() - begin
        heard += [(moment, one) for one in out]
    heard += [(len(leg) / RATE_HZ, one) for one in lane.finish()]
    return time.process_time() - start, heard


def delays(heard: list[tuple[float, Heard]]) -> list[float]:
    """Seconds from each final word's end to the first message that holds the words up to it."""
    found: list[float] = []
    for _, final in heard:
        if not final.is_final:
            continue
        texts = [word.text for word in final.words]
        candidates = [
            (moment, [word.text for word in one.words])
            for moment, one in heard
            if one.index == final.index
        ]
        for at, word in enumerate(final.words):
            first = next(m for m, said in candidates if said[: at + 1] == texts[: at + 1])
            found.append(first - word.end_s)
    return found


def measure(engine: Engine, leg: Samples, share: float, settings: LaneSettings) -> Figures:
    """Plain and ours on the same leg."""
    run_lane(engine, leg[: 20 * RATE_HZ], settings)  # warm caches for both
    plain_s, ours_s = math.inf, math.inf
    heard: list[tuple[float, Heard]] = []
    for _ in range(REPEATS):
        plain_s = min(plain_s, run_plain(engine, leg))
        seconds, heard = run_lane(engine, leg, settings)
        ours_s = min(ours_s, seconds)
    leg_s = len(leg) / RATE_HZ
    late = delays(heard)
    return Figures(
        leg_s=round(leg_s, 1),
        speech_share=share,
        gated_share=round(_gated_s(leg, settings) / leg_s, 3),
        lanes_per_core=round(leg_s / ours_s, 1),
        plain_lanes_per_core=round(leg_s / plain_s, 1),
        ratio=round(plain_s / ours_s, 2),
        delay_median_s=round(float(np.median(late)), 3) if late else float("nan"),
        delay_p95_s=round(float(np.percentile(late, 95)), 3) if late else float("nan"),
        words=len(late),
    )


def _gated_s(leg: Samples, settings: LaneSettings) -> float:
    gate = Gate(
        RATE_HZ,
        vad_mode=settings.vad_mode,
        preroll_s=settings.preroll_s,
        hangover_s=settings.hangover_s,
    )
    step = gate.frame_samples
    stretches = (
        gate.hear(at, leg[at : at + step].tobytes()) for at in range(0, len(leg) - step, step)
    )
    return sum(len(s.pcm) / 2 for s in stretches if s is not None) / RATE_HZ


def read_clips(paths: list[Path]) -> list[Samples]:
    """Recordings, 8 kHz mono.

    Raises:
        UsageError: none was given, or one has another rate or more channels.
    """
    clips = []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="int16")
        if rate_hz != RATE_HZ or samples.ndim != 1:
            raise UsageError(
                f"{path} cannot be used to measure.",
                why=f"it has {rate_hz} Hz or several channels",
                remedy="Give 8 kHz mono recordings.",
            )
        clips.append(samples)
    if not clips:
        raise UsageError(
            "There is nothing to measure with.",
            why="no recording was given or found",
            remedy="Give 8 kHz mono recordings of speech.",
        )
    return clips


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ivr.recognition.bench")
    parser.add_argument("recordings", nargs="*", type=Path, help="8 kHz mono speech")
    parser.add_argument("--engine", choices=(engines.VOSK, engines.VIET_ASR), default=engines.VOSK)
    parser.add_argument("--model", type=Path, default=RecognitionSettings().model)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the leg")
    parser.add_argument(
        "--share", type=float, action="append", help="share of speech in a leg; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args(arguments)
    defaults = RecognitionSettings()
    settings = LaneSettings(
        defaults.vad_mode, defaults.preroll_s, defaults.hangover_s, defaults.partial_every_s
    )
    folder = PROJECT_ROOT / "tests/assets/speech-recognition"
    try:
        clips = read_clips(given.recordings or sorted(folder.glob("*.flac")))
        engine = engines.load(given.engine, resolve(given.model))
    except IvrError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    for share in given.share or [0.2, 0.45, 0.9]:
        figures = measure(engine, make_leg(clips, share, given.seconds), share, settings)
        row = {
            "model": engines.describe(given.engine, resolve(given.model)).name,
            **asdict(figures),
        }
        if given.json:
            sys.stdout.write(json.dumps(row) + "\n")
        else:
            sys.stdout.write("  ".join(f"{name}={value}" for name, value in row.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
