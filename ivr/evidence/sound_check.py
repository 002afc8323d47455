#!/usr/bin/env python3
"""Make the recordings of a case again from its packets, and compare every sample.

    python sound_check.py CASE

Needs Python 3.11 and nothing else. Decoded are G.711 (PCMA, PCMU) and comfort noise; a leg with
another codec is named and left to `ivr verify`. Exit 0: what could be made again is the same, 1:
something differs or the packets cannot be read, 2: called wrongly. Written from docs/rtp-door.md
and docs/codecs.md ("rule" means those of the time line); shares no code with the rest of ivr.
"""

import json
import socket
import struct
import sys
import wave
from array import array
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RATE, SECOND, LONGEST = 8000, 1_000_000_000, 24 * 3600 * 8000  # Hz, ns, samples
OUR_VOICE = ("agent", "agent_to_callee")
STATIC = {0: ("PCMU", 8000), 3: ("GSM", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000)}
STATIC |= {13: ("CN", 8000)}
TAKE_TIME = {("PCMA", 8000), ("PCMU", 8000), ("CN", 8000), ("CN", 16000), ("GSM", 8000)}
TAKE_TIME |= {("ILBC", 8000), ("G722", 8000), ("G722", 16000), ("SPEEX", 8000), ("SPEEX", 16000)}
# a packet that takes time on its leg; ``at`` its arrival in ns, ``extended`` its number with wraps
Sound = namedtuple("Sound", "run extended at name clock sequence timestamp ssrc payload")
INTERFACE, PACKET, JOURNAL = 1, 6, 9  # blocks of pcapng; all others are passed over


def expand(law: str, code: int) -> int:
    """One byte of ITU-T G.711 as 16 bits."""
    code ^= 0x55 if law == "PCMA" else 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    if law == "PCMU":
        size = ((mantissa << 3) + 0x84 << exponent) - 0x84
        return -size if code & 0x80 else size
    size = (mantissa << 4) + 8 if not exponent else (mantissa << 4) + 0x108 << exponent - 1
    return size if code & 0x80 else -size


LAWS = {law: [expand(law, code) for code in range(256)] for law in ("PCMA", "PCMU", "CN")}


class Leg:
    """One direction: what takes time on it, in order of arrival (rules 1 and 2)."""

    def __init__(self) -> None:
        self.runs: list[Any] = []  # of sequence numbers that go on, each of one source
        self.sounds: list[Sound] = []

    def take(self, data: bytes, at: int, types: dict[int, tuple[str, int]]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        start, end = 12 + 4 * (data[0] & 15), len(data)
        if data[0] & 0x10:  # a header extension (RFC 3550, 5.3.1)
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
        if data[0] & 0x20:
            end -= data[-1] or len(data)
        if start > end:
            return
        kind, sequence, timestamp, ssrc = struct.unpack_from("!xBHII", data)
        run, extended = self.place(ssrc, sequence, at)
        run.last = at
        if extended in run.seen:
            return
        run.seen.add(extended)
        run.highest = max(run.highest, extended)
        name, clock = types.get(kind & 127, ("", 0))
        payload = b"" if name.upper() == "CN" else data[start:end]  # comfort noise is silence here
        if (name.upper(), clock) in TAKE_TIME and (payload or name.upper() == "CN"):
            clock = 8000 if name.upper() == "G722" else clock  # RFC 3551, 4.5.2
            place = (run.index, extended, at, name.upper(), clock)
            self.sounds.append(Sound(*place, sequence, timestamp, ssrc, payload))

    def place(self, ssrc: int, sequence: int, at: int) -> tuple[Any, int]:
        for run in self.runs[:-9:-1]:
            distance = (sequence - run.highest + 0x8000) % 0x10000 - 0x8000
            is_open = run is self.runs[-1] or at - run.last <= SECOND
            if run.ssrc == ssrc and is_open and abs(distance) <= 3000:
                return run, run.highest + distance
        first = sequence + 0x10000  # so that one from before a wrap stays positive
        run = SimpleNamespace(index=len(self.runs), ssrc=ssrc, highest=first, seen=set())
        self.runs.append(run)
        return run, first


def blocks(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Type and body of each pcapng block, up to the first that is not whole."""
    while len(data) >= 12:
        kind, length = struct.unpack_from("<II", data)
        if length % 4 or length < 12 or data[length - 4 : length] != data[4:8]:
            return
        yield kind, data[8 : length - 4]
        data = data[length:]


class Log:
    """A wire log, read from the beginning to the end."""

    def __init__(self, data: bytes) -> None:
        self.sides: dict[str, Any] = {}  # of the call, by interface
        self.legs: dict[str, Leg] = {}
        self.first = self.closed = 0
        if data and data[:4] + data[8:12] != b"\n\r\r\n\x4d\x3c\x2b\x1a":  # may be cut off at once
            raise ValueError("it does not begin as a little-endian pcapng file")
        names: list[str] = []
        for kind, body in blocks(memoryview(data)):
            if kind == INTERFACE:
                names.append(self.declare(body))
            elif kind == PACKET:
                number, high, low, size = struct.unpack_from("<IIII", body)
                self.packet(names[number], high << 32 | low, bytes(body[20 : 20 + size]))
            elif kind == JOURNAL:
                for line in bytes(body).rstrip(b"\0").decode().split("\n"):
                    if line.startswith("IVR_FACT="):
                        self.fact(json.loads(line[9:]))

    def declare(self, body: memoryview) -> str:
        """Our voice and strangers belong to the other side that stands before them."""
        name, at = "", 8
        while at + 4 <= len(body):
            code, size = struct.unpack_from("<HH", body, at)
            name = bytes(body[at + 4 : at + 4 + size]).decode() if code == 2 else name
            at += 4 + size + -size % 4
        is_of_before = name in OUR_VOICE or name.partition(":")[0] == "foreign"
        new = SimpleNamespace(remote=name, types={**STATIC}, pending=[], is_agreed=False, closed=0)
        self.sides[name] = [*self.sides.values()][-1] if is_of_before else new
        return name

    def packet(self, name: str, at: int, ip: bytes) -> None:
        self.first = self.first or at
        is_v4, side = ip[0] >> 4 == 4, self.sides[name]
        start = 4 * (ip[0] & 15) if is_v4 else 40
        data = ip[start + 8 :]
        is_rtcp = len(data) >= 2 and data[0] >> 6 == 2 and 192 <= data[1] <= 223
        if name.partition(":")[0] == "foreign" or is_rtcp:
            return
        if name == side.remote and not side.is_agreed:
            host = (socket.AF_INET, ip[12:16]) if is_v4 else (socket.AF_INET6, ip[8:24])
            source = [socket.inet_ntop(*host), int.from_bytes(ip[start : start + 2])]
            side.pending.append((source, data, at))
        else:
            self.legs.setdefault(name, Leg()).take(data, at, side.types)

    def fact(self, fact: dict[str, Any]) -> None:
        side: Any = self.sides.get(fact.get("leg") or next(iter(self.sides), ""))
        what = fact["fact"]
        if what == "closed":
            self.closed = int(fact["at_ns"])
        elif what == "media_agreed":
            side.types |= {int(n): (kind[0], kind[1]) for n, kind in fact["payload_types"].items()}
        elif what == "pending_judged":
            side.is_agreed, ours = True, fact["source"]
            ours = ours and [ours[0].partition("%")[0], ours[1]]
            for source, data, at in side.pending:
                leg = self.legs.setdefault(side.remote, Leg())
                if source == ours:
                    leg.take(data, at, side.types)
            side.pending = []
        elif what == "side_opened":
            side.is_agreed, side.closed = False, 0
        elif what == "side_closed":
            side.pending, side.closed = [], int(fact["at_ns"])


def offset_of(sound: Sound, last: Sound, offset: int, end: int, first: int) -> int:
    """Rule 3: where a packet stands; ``offset`` is that of ``last``, 0 that of ``first`` (ns)."""
    elapsed, total, found = (sound.at - last.at) / 1e9, (sound.at - first) / 1e9, None
    if sound.ssrc == last.ssrc and sound.clock != last.clock:
        is_next = sound.run == last.run and (sound.sequence - last.sequence) % 0x10000 == 1
        is_pause = elapsed - len(last.payload) / RATE > 0.1
        found = offset + len(last.payload) if is_next and not is_pause else None
    elif sound.ssrc == last.ssrc:
        step = (sound.timestamp - last.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        agrees = abs(step / sound.clock - elapsed) <= 1.0
        is_same = step > 0 and (agrees or step / sound.clock <= 10.0)
        if is_same if sound.run == last.run else agrees:
            found = offset + step * RATE // sound.clock
    if found is None or abs(found / RATE - total) > 10.0 + 0.01 * max(total, 0.0):
        found = max(end, offset + round(elapsed * RATE))
    if not 0 <= found <= LONGEST:
        raise ValueError(f"a packet would stand at second {found // RATE}")
    return found


class Line:
    """A leg as it sounds (rules 3 to 5); ``lead``: samples that the log is older."""

    def __init__(self, leg: Leg, origin: int, closed: int) -> None:
        self.samples, taken, offset = array("h"), bytearray(), 0
        begin = leg.sounds[0].at if leg.sounds else origin
        self.lead = round(round((begin - origin) / 1e9, 6) * RATE)
        last = latest = None
        for sound in (ordered := sorted(leg.sounds, key=lambda each: (each.run, each.extended))):
            offset = offset_of(sound, last, offset, len(taken), ordered[0].at) if last else 0
            heard = array("h", map(LAWS[sound.name].__getitem__, sound.payload))
            end = offset + len(heard)
            more = bytes(max(end - len(taken), 0))
            self.samples.frombytes(more + more)
            taken += more
            if any(taken[offset:end]):  # what was laid out before stays
                was = zip(heard, self.samples[offset:end], taken[offset:end], strict=True)
                heard = array("h", [old if is_taken else new for new, old, is_taken in was])
            self.samples[offset:end] = heard
            taken[offset:end] = b"\1" * len(heard)
            last, latest = sound, sound if latest is None or sound.at > latest.at else latest
        self.said = len(self.samples)
        if latest and closed - latest.at > SECOND:  # it was stalled until the closing
            stalled = round((closed - latest.at) * RATE / 1e9) - len(latest.payload)
            self.samples.frombytes(bytes(2 * max(stalled, 0)))
        self.on_log_time = array("h", bytes(2 * self.lead)) + self.samples


def both_channels(lines: dict[str, Any]) -> "array[int]":
    """Rule 6: call.wav."""
    first, *others = [line for name, line in lines.items() if name not in OUR_VOICE] or [None]
    left = first.on_log_time if first else array("h")
    right = lines["agent"].on_log_time if "agent" in lines else array("h")
    if others:  # where they are heard themselves, they are not heard as our echo
        heard = [line.on_log_time[: line.lead + line.said] for line in others]
        total = [*right] + [0] * max(max(map(len, heard)) - len(right), 0)
        for line, samples in zip(others, heard, strict=True):
            total[line.lead : len(samples)] = bytes(line.said)
        for samples in heard:
            total[: len(samples)] = map(int.__add__, total, samples)
        right = array("h", [max(-32768, min(32767, each)) for each in total])
    both = array("h", bytes(4 * max(len(left), len(right))))
    both[: 2 * len(left) : 2], both[1 : 2 * len(right) : 2] = left, right
    return both


def difference(path: Path, channels: int, expected: "array[int]") -> str:
    """What a recording has otherwise; empty when every sample is the same."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            found = array("h", file.readframes(file.getnframes()))  # of a little-endian machine
    except (EOFError, ValueError, wave.Error) as problem:
        return f"is no such WAV: {type(problem).__name__} {problem}"
    if shape != (channels, 2, RATE):
        return f"has (channels, bytes, Hz) {shape}"
    wrong = [n for n, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]]
    if wrong:
        return f"{len(wrong)} samples differ, the first at second {wrong[0] // channels / RATE}"
    return "" if found == expected else f"has {len(found)} samples, not {len(expected)}"


def check(case: Path) -> list[tuple[str, str]]:
    """For each recording ``ok``, ``FAIL`` or ``not remade here``, and what there is to say."""
    if not (wire := case / "original/wire.pcapng").exists():
        return [("not remade here", "there are no packets: an upload, or a call without media")]
    log = Log(wire.read_bytes())
    legs = {name: log.legs[name] for name in log.sides if name in log.legs}
    coded = {n: " ".join({s.name for s in leg.sounds} - {*LAWS}) for n, leg in legs.items()}
    origin = min([log.first, *(leg.sounds[0].at for leg in legs.values() if leg.sounds)])
    closed = {name: log.sides[name].closed or log.closed for name in legs}
    lines = {n: Line(leg, origin, closed[n]) for n, leg in legs.items() if not coded[n]}
    made = {f"{name}.wav": (1, line.samples) for name, line in lines.items()}
    if len(lines) == len(legs):
        made["call.wav"] = (2, both_channels(lines))
    found = []
    for path in sorted(case.glob("derived/*.wav")):
        other = " ".join(coded.values()).strip() if path.stem == "call" else coded.get(path.stem)
        if other:
            found.append(("not remade here", f"{path.name} has {other}: `ivr verify` does"))
        elif path.name not in made:
            found.append(("FAIL", f"{path.name}: the packets have no such leg"))
        else:
            why = difference(path, *made[path.name])
            same = f"{len(made[path.name][1])} samples, every one as decoded from the packets"
            found.append(("FAIL" if why else "ok", f"{path.name} {why or same}"))
    return found or [("not remade here", "there are no recordings")]


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.stderr.write("usage: sound_check.py CASE    (the folder of one case)\n")
        return 2
    try:
        found = check(Path(sys.argv[1]))
    except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
        found = [("FAIL", f"the packets cannot be read: {type(problem).__name__} {problem}")]
    for word, said in found:
        sys.stdout.write(f"{word}: {ascii(said)[1:-1]}\n")
    count = [sum(word == each for word, _ in found) for each in ("ok", "FAIL", "not remade here")]
    sys.stdout.write("RESULT: {} as the packets, {} NOT so, {} not remade here.\n".format(*count))
    return 1 if count[1] else 0


if __name__ == "__main__":
    sys.exit(main())
