"""A raw caller that keeps the route set of a call, as one behind a proxy must (RFC 3261 12.1.2)."""

import re

from tests.fakes.raw_caller import RawCaller, Response


class RoutedCaller(RawCaller):
    """``RawCaller`` for calls through a front."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.routes: list[str] = []
        self.target = ""

    def request(self, method: str, body: str = "", **options: object) -> bytes:
        """As ``RawCaller.request``, along the route set once there is one."""
        if not self.routes or method == "CANCEL":
            return super().request(method, body, **options)  # type: ignore[arg-type]
        extra = "".join(f"Route: {route}\r\n" for route in self.routes)
        options["extra"] = extra + str(options.get("extra", ""))
        data = super().request(method, body, **options)  # type: ignore[arg-type]
        line = f"{method} {self.target} SIP/2.0".encode()
        return line + data[data.index(b"\r\n") :]

    async def final(self, within_s: float = 5.0) -> Response:
        response = await super().final(within_s)
        is_invite = "INVITE" in (response.header("CSeq") or "")
        if response.status == 200 and is_invite and not self.routes:
            found = re.findall(r"^Record-Route:\s*(.*?)\r?$", response.text, re.M | re.I)
            self.routes = [part.strip() for value in found for part in value.split(",")][::-1]
            contact = response.header("Contact") or ""
            self.target = contact.partition("<")[2].partition(">")[0] or contact
        return response

    def ack(self, body: str = "") -> None:
        """ACK of a 200 is a request of its own; any other belongs to the INVITE (17.1.1.3)."""
        refused = self.responses and self.responses[-1].status >= 300
        branch = self._invite_branch if refused else None
        self.send(self.request("ACK", body, cseq=self.cseq, branch=branch))
