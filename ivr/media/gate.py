"""Who may speak on a leg: the source check of the RTP door. Pure."""

from enum import StrEnum

from ivr.media.datagrams import Address


class Judgement(StrEnum):
    """Whose packet it is."""

    OURS = "ours"
    LATCHED = "latched"  # ours, and from now on only this source
    FOREIGN = "foreign"


class Gate:
    """Latches on the first valid RTP source whose IP address is the SDP's or the one the
    signalling came from (a NAT rewrites ports, and the address inside an SDP may be private);
    from then on every other source is foreign.

    When an agreement changes the addresses, the old source stays valid until the first packet of
    a new one, so that a transfer or hold loses nothing.
    """

    def __init__(self) -> None:
        self._hosts: frozenset[str] = frozenset()
        self._agreed: tuple[Address, str] | None = None
        self._source: Address | None = None
        self._may_latch = False

    @property
    def is_open(self) -> bool:
        """Whether anything has been agreed."""
        return self._agreed is not None

    @property
    def source(self) -> Address | None:
        """The latched source."""
        return self._source

    @property
    def peer(self) -> Address | None:
        """Where to send: the latched source (symmetric RTP, RFC 4961), else the SDP's address."""
        if self._source is not None:
            return self._source
        if self._agreed is None or _names_nobody(self._agreed[0]):
            return None
        return self._agreed[0]

    def agree(self, remote: Address, signalled_from: str) -> None:
        agreed = (remote, signalled_from)
        if agreed == self._agreed:
            return  # a refresh, or hold and resume at the same address
        if self._agreed is not None and _names_nobody(remote):
            return  # hold as RFC 2543 had it: the leg is still the one we know
        self._agreed = agreed
        self._hosts = frozenset((remote[0], signalled_from))
        self._may_latch = True

    def judge(self, source: Address, *, is_valid_rtp: bool) -> Judgement:
        """Whose a datagram from ``source`` is; a valid one may latch."""
        if source == self._source:
            return Judgement.OURS
        if self._may_latch and is_valid_rtp and source[0] in self._hosts:
            self._source, self._may_latch = source, False
            return Judgement.LATCHED
        return Judgement.FOREIGN

    def is_friend(self, host: str) -> bool:
        """Whether RTCP from this address is taken; its port is never announced reliably."""
        return host in self._hosts or (self._source is not None and host == self._source[0])


def _names_nobody(address: Address) -> bool:
    return address[1] == 0 or address[0] in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
