"""WAVs played once into calls.

pjsua2 tells the end of a file from an event thread of its own, and destroying the player while
that callback waits for Python's interpreter lock is a use after free: a segmentation fault every
few thousand prompts whose call ends in the wrong millisecond (pjproject #4526 is its kin). So a
player that is done is disconnected and rests for a second before it is destroyed.
"""

import time
from collections import deque
from pathlib import Path
from typing import Any

import pjsua2 as pj

_TAIL_S = 0.06
"""From the last frame read to the last frame sent: three frames of 20 ms in the bridge."""
_OVERDUE_S = 30.0
"""A prompt that did not end so long after its time (a call on hold) is given up."""
_REST_S = 1.0
_MAX_RESTING = 24
"""PJSUA_MAX_PLAYERS is 32 and four may play; beyond this the longest at rest goes early."""


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
        self._ends: deque[float] = deque(maxlen=4)
        self._deadline = time.monotonic() + duration_s + _OVERDUE_S
        self._sink: Any = None
        self._player = _Player(self._ends)
        self._player.createPlayer(str(wav), pj.PJMEDIA_FILE_NO_LOOP)

    def start_into(self, media: Any) -> None:
        """Connect to a call's audio; again after each re-INVITE, whose slots are new."""
        self._player.startTransmit(media)
        self._sink = media

    def stop(self) -> None:
        """Disconnect; nothing is heard of it any more."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                self._player.stopTransmit(sink)
            except pj.Error:  # the call took its bridge port along
                return

    @property
    def is_connected(self) -> bool:
        return self._sink is not None

    @property
    def is_over(self) -> bool:
        now = time.monotonic()
        return now > self._deadline or (bool(self._ends) and now - self._ends[0] > _TAIL_S)


class RestingPlace:
    """Where prompts wait until no thread can still hold them; swept by the pj thread."""

    def __init__(self) -> None:
        self._resting: deque[tuple[float, Prompt]] = deque()

    def lay(self, prompt: Prompt) -> None:
        prompt.stop()
        self._resting.append((time.monotonic(), prompt))

    def sweep(self) -> None:
        """Destroy those that rested long enough."""
        latest = time.monotonic() - _REST_S
        while self._resting:
            if self._resting[0][0] > latest and len(self._resting) <= _MAX_RESTING:
                return
            self._resting.popleft()

    def clear(self) -> None:
        """Before the library goes, everything goes."""
        self._resting.clear()
