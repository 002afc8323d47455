"""Judging what already exists: a recording from a phone, or a transcript. Nothing is sealed."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ivr.errors import InputError
from ivr.facts.call import LegName
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.facts.speech import Utterance
from ivr.house import Mind
from ivr.journeys.closing import order
from ivr.journeys.second_pass import Findings, Judged, combine
from ivr.media.uploads import UploadedAudio
from ivr.ports import Judge
from ivr.recognition.client import Recognition
from ivr.spotting.spotter import Spotter
from ivr.spotting.tokens import utterances_from_turns

MOST_CHARACTERS = 5_000_000
_SPEAKERS = {
    "caller": LegName.CALLER,
    "người gọi": LegName.CALLER,
    "callee": LegName.CALLEE,
    "người nghe": LegName.CALLEE,
}
_TURN = re.compile(rf"\s*({'|'.join(_SPEAKERS)})\s*:\s*(.*)", re.IGNORECASE)

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Screened:
    """What was heard in a recording and how it was judged; ``seconds`` is the recogniser's.

    Args:
        findings: with a second pass: what each engine heard. ``utterances`` and ``hits`` are then
            of the transcript that the verdict rests on.
    """

    utterances: tuple[Utterance, ...]
    hits: tuple[PhraseHit, ...]
    verdict: Verdict
    seconds: float
    findings: Findings | None = None


def legs_of(audio: UploadedAudio) -> tuple[LegName, ...]:
    """A mono recording holds both voices; of a stereo one each channel is somebody."""
    if len(audio.channels) == 1:
        return (LegName.MIXED,)
    return (LegName.CHANNEL_1, LegName.CHANNEL_2)


async def screen_recording(
    audio: UploadedAudio,
    mind: Mind,
    filing_threshold: float,
    on_progress: Progress | None = None,
) -> Screened:
    """Recognise every channel, spot, judge; by both engines when the mind has a second one.

    Args:
        filing_threshold: score from which a verdict reaches the filing level.
        on_progress: gets the seconds of sound that are done, over all channels and engines.

    Raises:
        RecognitionError: a recogniser failed on this sound.
    """
    started = time.perf_counter()
    first = await _listen(audio, mind.recognition, mind, on_progress)
    if mind.second is None:
        seconds = time.perf_counter() - started
        return Screened(first.utterances, first.hits, first.verdict, seconds)
    heard_s = sum(len(samples) for samples in audio.channels) / audio.rate_hz

    def tell(seconds: float) -> None:
        if on_progress is not None:
            on_progress(heard_s + seconds)

    second = await _listen(audio, mind.second, mind, tell)
    found = combine(first, second, filing_threshold)
    seconds = time.perf_counter() - started
    return Screened(found.leading.utterances, found.leading.hits, found.verdict, seconds, found)


async def _listen(
    audio: UploadedAudio, recognition: Recognition, mind: Mind, on_progress: Progress | None
) -> Judged:
    heard: list[Utterance] = []
    done_s = 0.0
    for leg, samples in zip(legs_of(audio), audio.channels, strict=True):

        def tell(seconds: float, before: float = done_s) -> None:
            if on_progress is not None:
                on_progress(before + seconds)

        heard += await recognition.transcribe(samples, leg, on_progress=tell)
        done_s += len(samples) / audio.rate_hz
    utterances = order(heard)
    hits = mind.spotter.spot(utterances)
    verdict = mind.judge.judge(hits, utterances, audio.duration_s)
    return Judged(recognition.model_info, utterances, hits, verdict)


def assess_turns(turns: Sequence[tuple[LegName, str]], spotter: Spotter, judge: Judge) -> Screened:
    """Judge a transcript. The same text and rulebook give the same result, byte for byte."""
    utterances = utterances_from_turns(turns)
    hits = spotter.spot(utterances)
    duration_s = max((u.words[-1].end_s for u in utterances if u.words), default=0.0)
    return Screened(utterances, hits, judge.judge(hits, utterances, duration_s), 0.0)


def read_transcript(data: bytes, name: str) -> tuple[tuple[LegName, str], ...]:
    """Turns of a transcript: lines ``caller: …`` / ``callee: …`` (also ``người gọi:`` / ``người
    nghe:``), or JSON lines ``{"who", "text"}``. A line without a speaker goes on with the turn
    before; a text without any speaker is one voice that may be anybody's.

    Raises:
        InputError: empty, not text, too long, or a JSON line with other members.
    """
    text = _decoded(data, name)
    if not text.strip():
        raise InputError(
            f"{name} holds no words.",
            why="the transcript is empty",
            remedy="Write lines such as `caller: …` and `callee: …`.",
        )
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"{name} is too long for a call.",
            why=f"{len(text)} characters; the most is {MOST_CHARACTERS}",
            remedy="Give one call in each file.",
        )
    lines = [line for line in text.splitlines() if line.strip()]
    if lines[0].lstrip().startswith("{"):
        return tuple(_json_turn(line, n, name) for n, line in enumerate(lines, 1))
    return _spoken_turns(lines)


def _spoken_turns(lines: list[str]) -> tuple[tuple[LegName, str], ...]:
    turns: list[tuple[LegName, str]] = []
    for line in lines:
        spoken = _TURN.fullmatch(line)
        if spoken:
            turns.append((_SPEAKERS[spoken[1].lower()], spoken[2]))
        elif turns:
            leg, before = turns[-1]
            turns[-1] = (leg, f"{before} {line.strip()}")
        else:
            turns.append((LegName.MIXED, line.strip()))
    return tuple(turns)


def _json_turn(line: str, n: int, name: str) -> tuple[LegName, str]:
    try:
        turn = json.loads(line)
        return _SPEAKERS[turn["who"]], str(turn["text"])
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise InputError(
            f"Line {n} of {name} is no turn.",
            why=f"{type(problem).__name__}: {problem}",
            remedy='JSON lines look like {"who": "caller", "text": "…"}; who is caller or callee.',
        ) from problem


def _decoded(data: bytes, name: str) -> str:
    encodings = ["utf-16"] if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig"]
    for encoding in [*encodings, "cp1258"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(
        f"{name} is not a text.",
        why="it is neither UTF-8 nor windows-1258",
        remedy="Save the transcript as UTF-8; for a recording use `ivr screen`.",
    )
