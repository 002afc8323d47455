"""What every answer of the recording server says of itself."""

import socket
from collections.abc import Callable, Sequence
from typing import Final

from ivr.siprec.body import METADATA_TYPES
from ivr.siprec.flow import Flow
from ivr.siprec.request import response_text
from ivr.siprec.transactions import ServerTransaction

METHODS: Final = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "INFO")
SUPPORTED: Final = ("siprec", "timer")
"""Option tags; any other in Require is answered 420 (RFC 7866 section 8.1.1 names siprec)."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound

Headers = Sequence[tuple[str, str]]


class Replies:
    """Writes and sends answers.

    Args:
        server: text of the Server header.
        advertise: host our Contact names; empty: the address the other side can reach.
        bind, port: where the server listens.
    """

    def __init__(self, server: str, advertise: str, bind: str, port: int) -> None:
        self._server = server
        self._host = advertise or ("" if bind in _WILDCARDS else bind)
        self._port = port

    def host(self, flow: Flow) -> str:
        """Our address as this peer may use it."""
        return self._host or _local_address(flow.source[0])

    def contact(self, flow: Flow) -> str:
        """Our Contact, with the feature tag of a recording server (RFC 7866 section 8.1)."""
        host = self.host(flow)
        shown = f"[{host}]" if ":" in host else host
        return f"<sip:srs@{shown}:{self._port};transport={flow.transport}>;+sip.srs"

    def send(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str,
        *,
        to_tag: str = "",
        headers: Headers = (),
        body: bytes = b"",
        unacknowledged: Callable[[], object] | None = None,
    ) -> None:
        """Answer a request; a final answer is sent once, whatever is tried after it."""
        if transaction.is_answered:
            return
        told: list[tuple[str, str]] = [("Server", self._server)]
        if status > 100:
            told.append(("Supported", ", ".join(SUPPORTED)))
        if 200 <= status < 300 and transaction.request.method in {"INVITE", "UPDATE", "OPTIONS"}:
            told += [
                ("Contact", self.contact(transaction.flow)),
                ("Allow", ", ".join(METHODS)),
                ("Accept", ", ".join(("application/sdp", *METADATA_TYPES))),
            ]
        if status == 405:
            told.append(("Allow", ", ".join(METHODS)))
        data = response_text(
            transaction.request,
            transaction.flow.source,
            status,
            reason,
            to_tag=to_tag,
            headers=[*told, *headers],
            body=body,
        )
        transaction.answer(status, data, unacknowledged)


def _local_address(peer: str) -> str:
    """The address of ours from which packets to ``peer`` leave; nothing is sent."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))
        return str(probe.getsockname()[0])
