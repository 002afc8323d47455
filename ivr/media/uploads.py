"""Recordings from a phone: any usual format to 16-bit samples at 8 kHz.

FFmpeg (inside PyAV's wheel) demultiplexes and decodes, soxr resamples. Only demultiplexers of
plain media files are allowed: a playlist or a concat script would make FFmpeg open other files.
"""

import hashlib
import io
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
import soxr

from ivr.errors import InputError
from ivr.media.g711 import Samples

RATE_HZ: Final = 8000
LONGEST_S: Final = 4 * 3600.0
"""Four hours of stereo are 460 MB in memory; no telephone call is longer."""

SLOWEST_HZ: Final = 2000
FASTEST_HZ: Final = 384_000
"""Outside of this no device records speech; the resampler would work for hours."""

TRUNCATED_S: Final = 0.5
"""A file that promises more than this beyond what it holds was cut off; less is padding."""

_ALLOWED: Final = (
    "wav,w64,aiff,au,caf,flac,ogg,mp3,aac,amr,amrnb,amrwb,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
)
_FORMATS: Final = "wav, mp3, m4a, amr, 3gp, ogg, opus or flac"

Floats = npt.NDArray[np.float32]
Progress = Callable[[float, float | None], None]
"""Called with (seconds decoded, seconds in all or None when the file does not say)."""


@dataclass(frozen=True, slots=True)
class UploadedAudio:
    """A decoded recording.

    Args:
        sha256: of the file as it came.
        rate_hz: always 8000.
        channels: one or two int16 arrays of equal length; two equal channels are one.
        source_format: ``container/codec`` as FFmpeg names them, e.g. ``wav/pcm_alaw``.
        source_rate_hz: before resampling.
        duration_s: of what was decoded.
        is_truncated: the file promises more than it holds; what is there was decoded.
        damaged_packets: packets that could not be decoded and were left out.
    """

    path: Path
    sha256: str
    rate_hz: int
    channels: tuple[Samples, ...]
    source_format: str
    source_rate_hz: int
    duration_s: float
    is_truncated: bool = False
    damaged_packets: int = 0


def open_recording(
    path: Path, *, longest_s: float = LONGEST_S, progress: Progress | None = None
) -> UploadedAudio:
    """Decode the recording at ``path``; its content counts, not its name. Blocking.

    Raises:
        InputError: it cannot be read, is no sound file, holds no sound, or is too long.
    """
    try:
        # a named pipe or a device would make us wait for ever
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(
                f"{path} is not a file.",
                why="it is a folder, a pipe or a device",
                remedy="Give the path of a recording.",
            )
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            if stream.tell() == 0:
                raise InputError(
                    f"{path} is empty.",
                    why="the file has 0 bytes",
                    remedy="Copy the recording again; the transfer may have failed.",
                )
            is_cut = _is_cut_riff(stream)
            stream.seek(0)
            audio = _Decoder(path, longest_s, progress).decode(stream, sha256)
            return replace(audio, is_truncated=audio.is_truncated or is_cut)
    except OSError as problem:
        # PyAV's errors are OSErrors too, but _Decoder has turned those into InputErrors
        raise InputError(
            f"{path} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Check the path and the rights of the file.",
        ) from problem


class _Decoder:
    """One pass over one file."""

    def __init__(self, path: Path, longest_s: float, progress: Progress | None) -> None:
        self._path = path
        self._longest_s = longest_s
        self._progress = progress
        self._damaged = 0

    def decode(self, stream: BinaryIO, sha256: str) -> UploadedAudio:
        try:
            options = {"format_whitelist": _ALLOWED}
            container = av.open(stream, mode="r", container_options=options)
        except (av.error.FFmpegError, ValueError) as problem:
            raise self._not_sound(problem) from problem
        with container:
            sound = container.streams.best("audio")
            if sound is None:
                raise InputError(
                    f"{self._path} has no sound.",
                    why=f"there are {len(container.streams)} streams, none of them audio",
                    remedy="Record the call's sound, not only the screen, and send that file.",
                )
            return self._decode_stream(container, sound, sha256)

    def _decode_stream(self, container: Any, sound: Any, sha256: str) -> UploadedAudio:
        promised_s = _promised_s(container, sound)
        if promised_s is not None and promised_s > self._longest_s:
            raise self._too_long(promised_s)
        source_rate_hz = int(sound.rate or 0)
        if not SLOWEST_HZ <= source_rate_hz <= FASTEST_HZ:
            raise self._not_sound(ValueError(f"it states {source_rate_hz} samples a second"))
        # FFmpeg guesses a codec without parameters from file to file: take two channels at most
        width = min(int(sound.channels), 2)
        pieces = list(self._resampled(container, sound, source_rate_hz, width, promised_s))
        line = np.concatenate(pieces) if pieces else np.zeros((0, width), dtype=np.int16)
        if not len(line):
            raise InputError(
                f"{self._path} has no sound.",
                why=f"its audio stream holds no samples ({self._damaged} damaged packets)",
                remedy="Play the file on the phone; if it is silent there, the recording failed.",
            )
        channels = tuple(np.ascontiguousarray(line[:, n]) for n in range(width))
        if width == 2 and np.array_equal(channels[0], channels[1]):
            channels = channels[:1]
        duration_s = len(line) / RATE_HZ
        container_name = "mp4" if "mp4" in container.format.name else container.format.name
        return UploadedAudio(
            path=self._path,
            sha256=sha256,
            rate_hz=RATE_HZ,
            channels=channels,
            source_format=f"{container_name}/{sound.codec_context.name}",
            source_rate_hz=source_rate_hz,
            duration_s=duration_s,
            is_truncated=promised_s is not None and promised_s - duration_s > TRUNCATED_S,
            damaged_packets=self._damaged,
        )

    def _resampled(
        self, container: Any, sound: Any, rate_hz: int, width: int, promised_s: float | None
    ) -> Iterator[Samples]:
        """int16 pieces of shape (n, width) at 8 kHz."""
        # float in between and rounding at the end: soxr dithers when it makes integers itself
        resampler = soxr.ResampleStream(rate_hz, RATE_HZ, width, dtype="float32")
        done = 0
        for block in self._floats(container, sound, rate_hz, width):
            done += len(block)
            if done > self._longest_s * rate_hz:
                raise self._too_long(done / rate_hz)
            if self._progress is not None:
                self._progress(done / rate_hz, promised_s)
            yield _to_int16(block if rate_hz == RATE_HZ else resampler.resample_chunk(block))
        if rate_hz != RATE_HZ and done:
            rest = np.zeros((0, width), dtype=np.float32)
            yield _to_int16(resampler.resample_chunk(rest, last=True))

    def _floats(self, container: Any, sound: Any, rate_hz: int, width: int) -> Iterator[Floats]:
        """Decoded blocks of shape (n, width), full scale 1.0, whatever the codec gives."""
        layout = "mono" if width == 1 else "stereo"
        converter = av.AudioResampler(format="flt", layout=layout, rate=rate_hz)
        for frame in self._frames(container, sound):
            yield from _blocks(converter.resample(frame), width)
        yield from _blocks(converter.resample(None), width)

    def _frames(self, container: Any, sound: Any) -> Iterator[Any]:
        packets = container.demux(sound)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:  # the container ends in the middle of a packet
                self._damaged += 1
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:  # one bad packet; the next may be good
                self._damaged += 1

    def _not_sound(self, problem: Exception) -> InputError:
        return InputError(
            f"{self._path} is not a sound recording, or was cut off before its index.",
            why=getattr(problem, "strerror", None) or str(problem),
            remedy=f"Send the original file from the phone: {_FORMATS}.",
        )

    def _too_long(self, seconds: float) -> InputError:
        return InputError(
            f"{self._path} is too long.",
            why=f"at least {seconds / 3600:.1f} h, the limit is {self._longest_s / 3600:.1f} h",
            remedy="Cut out the call and send that part.",
        )


def _blocks(frames: Any, width: int) -> Iterator[Floats]:
    for frame in frames:
        yield np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1, width)


def _is_cut_riff(stream: BinaryIO) -> bool:
    """FFmpeg believes the file's length, not the header; a WAV that was cut off tells only here.
    0 and FFFFFFFF are what recorders write before they know the length."""
    stream.seek(0)
    head = stream.read(8)
    promised = int.from_bytes(head[4:], "little")
    if head[:4] != b"RIFF" or promised in (0, 0xFFFFFFFF):
        return False
    return promised + 8 > stream.seek(0, io.SEEK_END)


def _promised_s(container: Any, sound: Any) -> float | None:
    """Duration by the stream's or container's own word; None when there is none."""
    if sound.duration is not None and sound.time_base is not None:
        return float(sound.duration * sound.time_base)
    return None if container.duration is None else container.duration / av.time_base


def _to_int16(block: Floats) -> Samples:
    scaled: Floats = np.nan_to_num(block) * np.float32(32768.0)
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
