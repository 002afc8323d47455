"""Who knocks at the SIP ports without being allowed to: addresses of what the kernel drops.

The workers never see those datagrams (``source_filter``). A raw socket of the agent gets a copy of
their headers, through a filter of its own, into a small buffer that is emptied every few seconds:
a flood fills the buffer, wakes nobody, and is counted up to what the buffer holds. It wants root or
CAP_NET_RAW; without, strangers are only counted (``kernel_drops``). IPv4 over UDP only.
"""

import socket
from collections.abc import Sequence

from ivr.telemetry import logger
from ivr.telephony.source_filter import HEADERS, program_for_strangers, set_filter
from ivr.telephony.sources import SourceTable

BUFFER_BYTES = 1 << 17
MOST_AT_ONCE = 1000

log = logger("ivr.telephony")


class Strangers:
    """``table``: datagrams by address, at least."""

    def __init__(self) -> None:
        self.table = SourceTable()
        self._socket: socket.socket | None = None
        self._watched: tuple[tuple[int, ...], tuple[str, ...]] = ((), ())
        self._is_denied = False

    def look(self, ports: Sequence[int], friends: Sequence[str]) -> None:
        """Take in what knocked since the last time; never waits.

        Args:
            ports: ours.
            friends: networks (CIDR) that are no strangers.
        """
        wanted = (tuple(ports), tuple(friends))
        if wanted != self._watched and not self._is_denied:
            self._open(*wanted)
        if self._socket is None:
            return
        for _ in range(MOST_AT_ONCE):
            try:
                _, (address, _) = self._socket.recvfrom(HEADERS)
            except BlockingIOError:
                return
            self.table.count(address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self, ports: tuple[int, ...], friends: tuple[str, ...]) -> None:
        self.close()
        self._watched = (ports, friends)
        try:
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        except PermissionError:
            self._is_denied = True
            log.info("strangers are counted, not listed: that wants CAP_NET_RAW")
            return
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            set_filter(raw, program_for_strangers(ports, friends))
            while raw.recv(1):  # what came before the filter
                pass
        except BlockingIOError:
            self._socket = raw
        except (OSError, ValueError) as problem:
            self._is_denied = True
            raw.close()
            log.warning("strangers are counted, not listed", why=str(problem))
