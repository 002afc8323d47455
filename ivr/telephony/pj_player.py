"""A WAV played once into a call."""

import time
from collections import deque
from pathlib import Path
from typing import Any

import pjsua2 as pj

_TAIL_S = 0.06
"""From the last frame read to the last frame sent: three frames of 20 ms in the bridge."""
_OVERDUE_S = 30.0
"""A prompt that did not end so long after its time (a call on hold) is given up."""


class _Player(pj.AudioMediaPlayer):  # type: ignore[misc]  # pjsua2 carries no type stubs
    """``onEof2`` comes on pj's event thread: it only appends."""

    def __init__(self, ends: "deque[float]") -> None:
        super().__init__()
        self._ends = ends

    def onEof2(self) -> None:
        self._ends.append(time.monotonic())


class Prompt:
    """One playback. ``play`` is the pool's number of it; ``duration_s`` the WAV's length.

    Raises:
        pj.Error: the file cannot be opened.
    """

    def __init__(self, play: int, wav: Path, duration_s: float) -> None:
        self.play = play
        self.is_connected = False
        self._ends: deque[float] = deque(maxlen=4)
        self._deadline = time.monotonic() + duration_s + _OVERDUE_S
        self._player = _Player(self._ends)
        self._player.createPlayer(str(wav), pj.PJMEDIA_FILE_NO_LOOP)

    def start_into(self, media: Any) -> None:
        """Connect to a call's audio; again after each re-INVITE, whose slots are new."""
        self._player.startTransmit(media)
        self.is_connected = True

    @property
    def is_over(self) -> bool:
        now = time.monotonic()
        return now > self._deadline or (bool(self._ends) and now - self._ends[0] > _TAIL_S)
