"""One side of a call at the door: its sockets, its legs, and the rules between them."""

from dataclasses import dataclass, field

from ivr.facts.call import MediaAgreed
from ivr.media.datagrams import Address
from ivr.media.journal import Journal, SideInterfaces
from ivr.media.live import LiveLeg
from ivr.media.relay import Relay
from ivr.media.rtcp import ReceiverReports
from ivr.media.sockets import PortPair


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What our SDP names."""

    host: str
    port: int


@dataclass(slots=True)
class SideLegs:
    """What stays of a side when its sockets close and open again: the legs go on.

    Args:
        own: None when nobody of ours answers there.
    """

    interfaces: SideInterfaces
    remote: LiveLeg
    own: LiveLeg | None

    @property
    def all(self) -> tuple[LiveLeg, ...]:
        return (self.remote,) if self.own is None else (self.remote, self.own)


@dataclass(slots=True)
class Side:
    """A public pair of sockets for one other side and, unless nobody of ours is behind it, an
    inside pair (loopback) for the RTP port of pjsua2. Made by a door, closed with it."""

    endpoint: Endpoint
    public: PortPair
    behind: PortPair | None
    legs: SideLegs
    journal: Journal
    reports: ReceiverReports | None = None
    relay: Relay = field(init=False)

    def __post_init__(self) -> None:
        legs = self.legs
        self.relay = Relay(
            self.public,
            self.behind,
            self.journal,
            legs.interfaces,
            legs.remote,
            legs.own,
            self.reports,
        )

    @property
    def inside(self) -> Address:
        """Where pjsua2's packets are taken (loopback).

        Raises:
            ValueError: nobody of ours is behind this side.
        """
        if self.behind is None:
            raise ValueError(f"no inside behind {self.legs.remote.leg.value}")
        return self.behind.rtp.address

    @property
    def unsent(self) -> int:
        """Packets that were logged but that the kernel would not send on."""
        return self.relay.unsent

    def agree(self, media: MediaAgreed) -> None:
        """Learn who may send and where to pass it on; again after every re-INVITE.

        Raises:
            MediaError: an address is not numeric; nothing is changed then.
        """
        self.relay.agree(media)
