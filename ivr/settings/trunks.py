"""Settings of trunks: the providers and exchanges that calls come from."""

import ipaddress
from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from ivr.settings.section import Section

CallerHeader = Literal[
    "From", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Identity"
]
"""Headers that can say who calls; all others say who was called, or nothing."""


class TrunkSettings(Section):
    """A trunk, known by the addresses its calls come from."""

    EXAMPLE: ClassVar[tuple[str, ...]] = (
        'name = "nha-mang"',
        'networks = ["192.0.2.0/28"]',
        'identity_precedence = ["P-Asserted-Identity", "From"]',
        "max_calls = 30",
    )

    name: str = Field(
        pattern=r"^[A-Za-z0-9_.\-]{1,32}$", description="Its name in logs and in every case."
    )
    networks: tuple[str, ...] = Field(
        min_length=1,
        description="Networks (CIDR) its signalling comes from; they may call without standing in "
        "sip.allow_from. Of two trunks the smaller network counts.",
    )
    carries: Literal["domestic", "international", "state"] = Field(
        default="domestic",
        description="domestic: a public trunk, on which police, army and state numbers are odd; "
        "international: one on which Vietnamese numbers are odd; state: neither is.",
    )
    trusts_headers: bool = Field(
        default=True,
        description="Whether P-Asserted-Identity and other network headers are believed from it.",
    )
    identity_precedence: tuple[CallerHeader, ...] = Field(
        default=(),
        description="Which header names the caller, best first; empty: as in [sip].",
    )
    max_calls: int = Field(
        default=0, ge=0, description="Its calls at once, beyond them 503; 0 sets no limit."
    )

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network, strict=False)
        return networks


def check_trunks(trunks: Iterable[TrunkSettings]) -> None:
    """Names and networks must tell trunks apart.

    Raises:
        ValueError: two trunks share a name or a network.
    """
    names: set[str] = set()
    networks: dict[ipaddress.IPv4Network | ipaddress.IPv6Network, str] = {}
    for trunk in trunks:
        if trunk.name in names:
            raise ValueError(f"two trunks are called {trunk.name}")
        names.add(trunk.name)
        for text in trunk.networks:
            network = ipaddress.ip_network(text, strict=False)
            other = networks.setdefault(network, trunk.name)
            if other != trunk.name:
                raise ValueError(f"{text} is a network of both {other} and {trunk.name}")
