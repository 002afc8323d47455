"""Which trunk a call came over, what that trunk is believed, and how many calls it has."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ivr.facts.call import Caller, Identity
from ivr.ports import Line, Offer
from ivr.settings import SipSettings
from ivr.settings.trunks import TrunkSettings
from ivr.telephony.identity import choose_caller
from ivr.telephony.networks import is_from
from ivr.telephony.protected import Protected

FRONT_HEADER = "X-Ivr-Source"
"""What our own front writes into every INVITE, after taking away any that came in: the address
that the call really came from (``config/kamailio``)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call came from.

    Args:
        address: of the peer, as our front names it or as we see it; empty when the front should
            have named it and did not.
        trunk: name of the trunk; empty: none is configured for that address.
        carries: what the trunk carries, see ``TrunkSettings``.
        is_trusted: whether network headers from there are believed.
        precedence: which header names the caller, best first.
    """

    address: str
    trunk: str
    carries: str
    is_trusted: bool
    precedence: tuple[str, ...]


class Trunks:
    """The trunks of this installation and their running calls.

    Args:
        sip: what counts for calls that come over no trunk.
    """

    def __init__(self, trunks: Sequence[TrunkSettings], sip: SipSettings) -> None:
        self._sip = sip
        self._by_name = {trunk.name: trunk for trunk in trunks}
        self._lines: dict[str, list[Line]] = {trunk.name: [] for trunk in trunks}
        networks = [
            (ipaddress.ip_network(network, strict=False), trunk)
            for trunk in trunks
            for network in trunk.networks
        ]
        self._networks = sorted(networks, key=lambda each: each[0].prefixlen, reverse=True)

    def origin(self, offer: Offer) -> Origin:
        """Where an INVITE came from."""
        address = self._peer(offer)
        trunk = self._trunk(address)
        sip = self._sip
        if trunk is None:
            is_trusted = is_from(address, sip.trusted_from)
            return Origin(address, "", "domestic", is_trusted, sip.identity_precedence)
        precedence = trunk.identity_precedence or sip.identity_precedence
        return Origin(address, trunk.name, trunk.carries, trunk.trusts_headers, precedence)

    def caller(self, offer: Offer, protected: Protected) -> Caller:
        """The party a report on this call would name, by what its trunk is believed; never one
        of the protected."""
        origin = self.origin(offer)
        return choose_caller(
            offer.identities,
            protected,
            origin.precedence,
            is_trusted=origin.is_trusted,
            carries=origin.carries,
        )

    def admit(self, origin: Origin, line: Line) -> bool:
        """Whether the trunk may have one more call; counts it until the line is closed."""
        trunk = self._by_name.get(origin.trunk)
        if trunk is None or trunk.max_calls == 0:
            return True
        running = [each for each in self._lines[trunk.name] if each.closed is None]
        is_free = len(running) < trunk.max_calls
        self._lines[trunk.name] = [*running, line] if is_free else running
        return is_free

    def _peer(self, offer: Offer) -> str:
        """The address of the peer. Nobody but our front is asked for it, and a front that names
        none, or several, or something that is no address, makes the origin unknown."""
        source = offer.source[0]
        if not is_from(source, self._sip.front_from):
            return source
        named = {_host(identity.raw) for identity in _front_headers(offer.identities)}
        return named.pop() if len(named) == 1 else ""

    def _trunk(self, address: str) -> TrunkSettings | None:
        try:
            where = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return None
        return next((trunk for network, trunk in self._networks if where in network), None)


def _front_headers(identities: Iterable[Identity]) -> Iterable[Identity]:
    wanted = FRONT_HEADER.casefold()
    return (each for each in identities if each.header.casefold() == wanted)


def _host(value: str) -> str:
    """``ADDRESS;port=…;transport=…`` → the address, or nothing when it is none."""
    host = value.partition(";")[0].strip().strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
