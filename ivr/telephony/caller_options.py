"""Arguments of the test caller."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ivr.errors import TelephonyError, UsageError
from ivr.telephony.wav import read_prompt

_DIGITS = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What the caller does.

    Args:
        uri: whom to call, ``sip:user@host:port``.
        number: user part of From.
        headers: extra headers of the INVITE.
        wav: 8 kHz mono WAV played once, or None.
        start_after_s: seconds from the answer to the sound.
        record: WAV file for what is heard, or None.
        dtmf: (digit, seconds after the answer).
        linger_s: hang up so long after the sound (after the answer without one); None waits for
            the other side's BYE.
        ring_s: give up when nobody answers so long.
        max_s: end of everything.
    """

    uri: str
    number: str
    display: str
    bind: str
    headers: dict[str, str]
    wav: Path | None
    wav_s: float
    start_after_s: float
    record: Path | None
    dtmf: tuple[tuple[str, float], ...]
    linger_s: float | None
    ring_s: float
    max_s: float
    bye_patience_s: float = 2.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(
            "The test caller was called wrongly.",
            why=message,
            remedy="See `python -m ivr.telephony.caller --help`.",
        )


def parse_arguments(arguments: Sequence[str]) -> CallPlan:
    """Read the command line.

    Raises:
        UsageError: an argument makes no sense.
        TelephonyError: the WAV is missing or has the wrong form.
    """
    values = _parser().parse_args(arguments)
    path, seconds = read_prompt(values.wav) if values.wav else (None, 0.0)
    if values.record is not None and not values.record.parent.is_dir():
        raise TelephonyError(
            "The recording cannot be written.",
            why=f"{values.record.parent} is no folder",
            remedy="Create it, or give another --record.",
        )
    return CallPlan(
        uri=values.uri,
        number=values.number,
        display=values.display,
        bind=values.bind,
        headers=dict(values.header),
        wav=path,
        wav_s=seconds,
        start_after_s=values.start_after,
        record=values.record,
        dtmf=tuple(values.dtmf),
        linger_s=values.linger,
        ring_s=values.ring,
        max_s=values.max,
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ivr.telephony.caller", description=__doc__)
    add = parser.add_argument
    add("uri", help="whom to call: sip:USER@HOST:PORT[;transport=tcp]")
    add("--from", dest="number", default="0900000000", help="number shown in From")
    add("--display", default="", help="display name in From")
    add("--bind", default="127.0.0.1", help="own address")
    add("--header", action="append", default=[], type=_header, help='"Name: value", repeatable')
    add("--wav", type=Path, help="8 kHz mono 16-bit WAV, played once")
    add("--start-after", type=_seconds, default=0.0, help="seconds from the answer to the sound")
    add("--record", type=Path, help="WAV file for what is heard")
    add("--dtmf", action="append", default=[], type=_key, help="KEY@SECONDS after the answer")
    add(
        "--linger",
        type=_seconds,
        help="hang up so many seconds after the sound; without it wait for the other side's BYE",
    )
    add("--ring", type=_seconds, default=30.0, help="give up when not answered so long")
    add("--max", type=_seconds, default=600.0, help="longest time for everything")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise argparse.ArgumentTypeError(f'{text!r} is not "Name: value"')
    return name.strip(), value.strip()


def _key(text: str) -> tuple[str, float]:
    digit, at, seconds = text.partition("@")
    if not at or digit.upper() not in _DIGITS or len(digit) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY@SECONDS")
    return digit.upper(), _seconds(seconds)
