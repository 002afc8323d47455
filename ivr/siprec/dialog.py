"""A SIP dialog as the called side keeps it (RFC 3261 section 12)."""

import secrets
from collections.abc import Sequence

from ivr.sip.name_addr import split_values
from ivr.siprec.flow import Flow
from ivr.siprec.request import MAGIC_COOKIE, Request, finished, new_tag


class Dialog:
    """Identifiers, sequence numbers and the way to the other side.

    Requests of ours go back the way the last request came: an address that only the message
    names is never written to, so nobody can aim us at others.
    """

    def __init__(self, invite: Request, flow: Flow) -> None:
        self.call_id = invite.call_id
        self.tag = new_tag()
        self.flow = flow
        self._local = f"{invite.message.first('To')};tag={self.tag}"
        self._remote = invite.message.first("From") or ""
        self._target = invite.uri
        self._routes = tuple(
            part for value in invite.message.all("Record-Route") for part in split_values(value)
        )
        self._remote_cseq = invite.cseq
        self._cseq = secrets.randbelow(1 << 16)
        self.refresh(invite, flow)

    @property
    def key(self) -> tuple[str, str]:
        """What requests inside the dialog name."""
        return (self.call_id, self.tag)

    def takes(self, request: Request) -> bool:
        """Whether a new request comes in order; remembers its number (RFC 3261 section 12.2.2)."""
        if request.cseq <= self._remote_cseq:
            return False
        self._remote_cseq = request.cseq
        return True

    def refresh(self, request: Request, flow: Flow) -> None:
        """Learn the other side's Contact and way anew."""
        self.flow = flow
        contact = next(iter(split_values(request.message.first("Contact") or "")), "")
        target = contact.partition("<")[2].partition(">")[0] or contact.partition(";")[0].strip()
        if target.lower().startswith(("sip:", "sips:")) and " " not in target:
            self._target = target

    def request(
        self, method: str, contact: str, headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[bytes, str]:
        """A request of ours without body: its bytes and its branch."""
        self._cseq += 1
        branch = MAGIC_COOKIE + new_tag()
        where = contact.partition("@")[2].partition(">")[0].partition(";")[0]
        lines = [
            f"{method} {self._target} SIP/2.0",
            f"Via: SIP/2.0/{self.flow.transport.upper()} {where};rport;branch={branch}",
            *(f"Route: {route}" for route in self._routes),
            f"From: {self._local}",
            f"To: {self._remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self._cseq} {method}",
            "Max-Forwards: 70",
            f"Contact: {contact}",
        ]
        return finished(lines, headers, b""), branch
