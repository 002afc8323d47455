"""Whom the agent may call: the contacts of its subscribers and configured numbers. Pure.

A target is one exact text, compared as a whole. The form leaves no room for a second header, URI
headers (``?Replaces=…``), a method, a route or a name to look up: the host is a numeric address,
because a name would hold the pj thread for as long as the name server likes.
"""

import ipaddress
import re
from collections.abc import Iterable

_PLACE = (
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15})"
    r"(?::(?P<port>[0-9]{1,5}))?(?:;transport=(?P<transport>udp|tcp))?"
)
_TARGET = re.compile(rf"sip:[A-Za-z0-9+_.\-]{{1,64}}@{_PLACE}")
_REGISTRAR = re.compile(rf"sip:{_PLACE}")
_SHOWN = re.compile(r"[A-Za-z0-9+_.\-]{1,64}")
SIP_PORT = 5060


def read_target(uri: str) -> tuple[str, int]:
    """Host and port of ``sip:user@host[:port][;transport=udp|tcp]``.

    Raises:
        ValueError: it has another form, or its host is no numeric address.
    """
    return _place(uri, _TARGET, "sip:USER@ADDRESS[:PORT][;transport=udp|tcp]")[:2]


def read_registrar(uri: str) -> tuple[str, int, str]:
    """Host, port and transport of ``sip:host[:port][;transport=udp|tcp]``.

    Raises:
        ValueError: it has another form, or its host is no numeric address.
    """
    return _place(uri, _REGISTRAR, "sip:ADDRESS[:PORT][;transport=udp|tcp]")


def _place(uri: str, pattern: re.Pattern[str], form: str) -> tuple[str, int, str]:
    found = pattern.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri!r} is not {form}")
    address = ipaddress.ip_address(found["host"].strip("[]"))
    port = int(found["port"] or SIP_PORT)
    if not 0 < port < 1 << 16:
        raise ValueError(f"{uri!r} names no port")
    if address.version == 6 and found["transport"] == "tcp":
        raise ValueError(f"{uri!r}: over IPv6 the SIP library sends requests by UDP alone")
    return str(address), port, found["transport"] or "udp"


def is_showable(user: str) -> bool:
    """Whether a text may stand as the user part of our From."""
    return _SHOWN.fullmatch(user) is not None


class Targets:
    """The whole list, fixed when a worker starts.

    Raises:
        ValueError: a target has not the form above.
    """

    def __init__(self, uris: Iterable[str]) -> None:
        self._at = {uri: read_target(uri) for uri in uris}

    def address_of(self, uri: str) -> tuple[str, int] | None:
        """Host and port of a target that may be called, else None."""
        return self._at.get(uri)

    @property
    def hosts(self) -> frozenset[str]:
        """Addresses that will answer us."""
        return frozenset(host for host, _ in self._at.values())
