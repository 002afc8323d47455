"""The RTP door of one call: logged first, then passed on; strangers stay outside."""

from pathlib import Path
from typing import Self

from ivr.facts.call import LegName, MediaAgreed
from ivr.media.datagrams import Address
from ivr.media.side import Endpoint, Side
from ivr.media.wire_door import WireDoor
from ivr.settings import MediaSettings


class CallDoor(WireDoor):
    """Implements ``ivr.ports.Door`` for a call that pjsua2 answers. Made by ``open``.

    A side has two pairs of sockets: the public one talks to the other side, the inside one
    (loopback) to the RTP port of pjsua2. Every packet is queued for the wire log before it is
    passed on. A bridge has a second side, for the person who was called.
    """

    _first: Side

    @classmethod
    async def open(
        cls,
        folder: Path,
        settings: MediaSettings,
        *,
        call_id: str,
        remote_leg: LegName = LegName.CALLER,
    ) -> Self:
        """Bind the ports and begin ``wire.pcapng`` and ``wire.chain.jsonl`` in ``folder``.

        Args:
            folder: exists and holds no wire log yet.
            remote_leg: ``caller``, or ``mixed`` when the other side is a conference.

        Raises:
            EnvironmentProblem: no ports are free.
            MediaError: the wire log cannot be created.
        """
        door = cls(await cls._begin(folder, settings, call_id), settings)
        try:
            door._first = door._open_side(remote_leg, LegName.AGENT)
        except BaseException:  # tidied up, then raised again
            await door.close()
            raise
        return door

    def add_side(self, remote_leg: LegName, own_leg: LegName) -> Side:
        """A second public and inside pair in the same wire log, with a gate, a payload map and
        legs of its own. What never agrees leaves no leg in the recordings.

        Args:
            remote_leg: e.g. ``callee``.
            own_leg: what we send there, e.g. ``agent_to_callee``.

        Raises:
            EnvironmentProblem: no ports are free.
            MediaError: the disk is so full that the side cannot be logged.
            ValueError: one of the legs is there already; or the door is closed.
        """
        return self._open_side(remote_leg, own_leg)

    def remove_side(self, remote_leg: LegName) -> None:
        """Close the sockets of an added side, e.g. when the callee hung up; its legs stay, and
        ``add_side`` with the same names goes on with them.

        Raises:
            KeyError: no such side is open.
        """
        self._close_side(self._sides[remote_leg])

    @property
    def endpoint(self) -> Endpoint:
        return self._first.endpoint

    @property
    def inside(self) -> Address:
        """Where pjsua2's packets are taken (loopback)."""
        return self._first.inside

    def agree(self, media: MediaAgreed) -> None:
        """As ``Side.agree``, for the side that called us."""
        self._first.agree(media)
