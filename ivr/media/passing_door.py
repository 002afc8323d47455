"""A door that records nothing: for calls that a subscriber wants joined unheard.

Packets are judged as in any call (strangers stay outside, pjsua2 never learns where anybody
listens) and passed on; no wire log exists, so nothing can be kept by mistake.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ivr.facts.audio import WireLog
from ivr.facts.call import LegName, MediaAgreed
from ivr.media.journal import Journal
from ivr.media.side import Side
from ivr.media.wire_door import WireDoor
from ivr.media.wire_writer import Trouble
from ivr.settings import MediaSettings


class _Nowhere:
    """Takes blocks and keeps none: no file, no thread, no queue."""

    @property
    def trouble(self) -> Trouble | None:
        return None

    def append(self, block: bytes, packet_at_ns: int | None = None) -> bool:  # noqa: ARG002 - kept nowhere
        return True

    def note(self, name: str, members: Mapping[str, Any]) -> bool:  # noqa: ARG002 - kept nowhere
        return True

    def close(self) -> WireLog:
        return WireLog(Path(), Path(), "", 0, "", None)


class PassingDoor(WireDoor):
    """Two sides and no wire log. Made by ``open``; ends with ``close``."""

    @classmethod
    def open(cls, settings: MediaSettings) -> Self:
        return cls(Journal(_Nowhere()), settings)

    def add_side(self, remote_leg: LegName, own_leg: LegName) -> Side:
        """See ``CallDoor.add_side``."""
        return self._open_side(remote_leg, own_leg)

    def agree(self, remote_leg: LegName, media: MediaAgreed) -> None:
        """See ``Side.agree``.

        Raises:
            MediaError: an address is not numeric.
        """
        self._sides[remote_leg].agree(media)
