"""Keys of a telephone that sends them as sound, because it agreed on no telephone events.

Where events are agreed (RFC 4733) the sound is not listened to: a gateway that leaves the tone in
beside the event would press every key twice, and a voice that happens to sing a key presses none.
"""

from collections.abc import Callable

from ivr.facts.audio import AudioFrame
from ivr.facts.call import Dtmf, MediaAgreed
from ivr.media.inband_dtmf import InbandDtmf

EVENTS = "telephone-event"


class SoundedKeys:
    """A sink for a door's ``tap``.

    Args:
        pressed: takes each key; its ``at_s`` is on the leg's clock. Must return at once.
    """

    def __init__(self, pressed: Callable[[Dtmf], None]) -> None:
        self._listen = InbandDtmf(lambda digit, at_s: pressed(Dtmf(digit, at_s, "inband")))
        self._is_wanted = False

    def agree(self, media: MediaAgreed) -> None:
        """Learn what was agreed, and agreed anew."""
        names = {name.lower() for name, _ in media.payload_types.values()}
        self._is_wanted = bool(names) and EVENTS not in names

    def __call__(self, frame: AudioFrame) -> None:
        if self._is_wanted:
            self._listen(frame)
