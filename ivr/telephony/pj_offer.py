"""A pjsip module that hides the other side's media address from pjsua2.

pjsua2 sends its first RTP packets to the address in the other side's SDP, directly, and follows
the source of what it hears only later. Those first packets would pass the RTP door by, and a
caller that follows their source would send its own packets past the door as well: audio that
nobody recorded. So every description that arrives, in a request or in the answer to one of ours,
is parsed before pjsua sees it (the result is
kept in the message by ``pjsip_rdata_get_sdp_info``, which pjsua asks again), and its addresses
are replaced by one of ``127.66.0.0/16``, port 9, where nobody listens. The message itself stays
as it came. From the first packet that the door passes on, pjsua2 answers to the door.

Offsets are those of ``struct pjmedia_sdp_session`` (sdp.h) on a 64-bit machine; `HiddenMedia`
reads a description of its own with them before it is used.
"""

import ctypes
from collections import OrderedDict
from collections.abc import Callable

from ivr.errors import TelephonyError
from ivr.telephony.pj_gate import Module, OnRx, PjStr

DISCARD_PORT = 9  # RFC 863
KEPT = 1024
"""Replaced addresses that are remembered; a worker has four calls and few descriptions each."""
_BEFORE_TRANSACTIONS = 15  # PJSIP_MOD_PRIORITY_TSX_LAYER is 16 (sip_module.h)
_WITH_SDP = (
    *(b"Request msg INVITE/", b"Request msg ACK/", b"Request msg UPDATE/", b"Request msg PRACK/"),
    b"Response msg ",
)
_SDP_IN_INFO = 24
ORIGIN, SESSION_CONN, _MEDIA_COUNT, _MEDIA = 32, 96, 712, 720
"""``ORIGIN``: from there on the ``o=`` line has the fields of a ``c=`` line."""
_DESC_PORT, MEDIA_CONN, _ATTR_COUNT, _ATTRS = 16, 560, 608, 616
_ADDR_TYPE, _ADDR = 16, 32
_PROBE = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.3\r\na=rtcp:4007\r\na=ptime:20\r\n"
    b"m=audio 4002 RTP/AVP 0\r\n"
)

Address = tuple[str, int]


def pointer(at: int) -> int:
    """The pointer at an address, 0 for NULL."""
    return ctypes.c_void_p.from_address(at).value or 0


def _number(at: int) -> int:
    return ctypes.c_uint.from_address(at).value


class Connection:
    """A ``c=`` line in memory. ``at``: where its ``struct pjmedia_sdp_conn`` begins."""

    def __init__(self, at: int) -> None:
        self._kind = PjStr.from_address(at + _ADDR_TYPE)
        self._address = PjStr.from_address(at + _ADDR)

    @property
    def address(self) -> str:
        raw = ctypes.string_at(self._address.ptr, max(0, self._address.slen))
        return raw.decode("ascii", "replace")

    def become(self, address: ctypes.Array[ctypes.c_char]) -> None:
        """Point at another address, unless this one means hold (0.0.0.0, RFC 3264)."""
        if self.address == "0.0.0.0":  # noqa: S104 - compared, not bound
            return
        kind = _IP6 if b":" in address.value else _IP4
        self._kind.ptr, self._kind.slen = ctypes.addressof(kind), 3
        self._address.ptr = ctypes.addressof(address)
        self._address.slen = len(address.value)


_IP4, _IP6 = ctypes.create_string_buffer(b"IP4"), ctypes.create_string_buffer(b"IP6")


class HiddenMedia:
    """The module and its memory of what it replaced. Lives as long as the process.

    ``is_settled``: whether no call is between its INVITE and its ACK. An UPDATE in between that
    offers more streams than the INVITE is a failed assertion in pjsua, before any callback could
    refuse it; so one that offers several is dropped then. It comes again (RFC 3261 section
    17.1.2.1: after half a second, for 32 s), and after the ACK pjsua takes it.

    Raises:
        TelephonyError: the library lays out its descriptions in another way.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.pjsip_rdata_get_sdp_info.restype = ctypes.c_void_p
        library.pjsip_rdata_get_sdp_info.argtypes = [ctypes.c_void_p]
        library.pjmedia_sdp_parse.argtypes = [
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
        ]
        library.pjmedia_sdp_attr_remove_all.argtypes = [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
        ]
        self._real: OrderedDict[str, Address] = OrderedDict()
        self._buffers: OrderedDict[str, ctypes.Array[ctypes.c_char]] = OrderedDict()
        self._count = 0
        self.is_settled: Callable[[], bool] = lambda: True
        self._check_layout()
        self._callback = OnRx(self._on_rx)
        self._module = Module(
            name=PjStr(ctypes.addressof(_NAME), 13),
            id=-1,
            priority=_BEFORE_TRANSACTIONS,
            on_rx_request=self._callback,
            on_rx_response=self._callback,
        )

    def register(self) -> None:
        """Put the module in its place; to be called between libInit and the first event.

        Raises:
            TelephonyError: pjsip refused it.
        """
        endpoint = self._library.pjsua_get_pjsip_endpt()
        if self._library.pjsip_endpt_register_module(endpoint, ctypes.addressof(self._module)):
            raise unfit("pjsip refused the module")

    def real(self, shown: Address) -> Address:
        """The other side's own address for one that pjsua2 was shown."""
        return self._real.get(shown[0], shown)

    def _on_rx(self, rdata: int) -> int:
        """0: the message goes on to pjsua; 1: it is dropped."""
        info = self._library.pjsip_rx_data_get_info(rdata)
        if info.startswith(_WITH_SDP):
            found = self._library.pjsip_rdata_get_sdp_info(rdata)
            session = pointer(found + _SDP_IN_INFO) if found else 0
            if session:
                is_update = info.startswith(b"Request msg UPDATE/")
                if is_update and len(streams(session)) > 1 and not self.is_settled():
                    return 1
                self._hide(session)
        return 0

    def _hide(self, session: int) -> None:
        found = streams(session)
        at_session = pointer(session + SESSION_CONN)
        shown = self._next_address()
        for stream in found:
            own = pointer(stream + MEDIA_CONN) or at_session
            port = ctypes.c_uint16.from_address(stream + _DESC_PORT)
            if own and port.value and shown not in self._real:
                self._remember(shown, (Connection(own).address, port.value))
            if port.value:
                port.value = DISCARD_PORT
            # RFC 3605: a port of its own for RTCP would name the other side again
            self._library.pjmedia_sdp_attr_remove_all(
                stream + _ATTR_COUNT, stream + _ATTRS, b"rtcp"
            )
        buffer = self._buffers[shown] = ctypes.create_string_buffer(shown.encode())
        connections = {at_session, *(pointer(stream + MEDIA_CONN) for stream in found)} - {0}
        for connection in connections:
            Connection(connection).become(buffer)
        while len(self._buffers) > KEPT:
            self._buffers.popitem(last=False)

    def _next_address(self) -> str:
        self._count = self._count % 0xFFFE + 1
        return f"127.66.{self._count >> 8}.{self._count & 0xFF}"

    def _remember(self, shown: str, real: Address) -> None:
        self._real[shown] = real
        while len(self._real) > KEPT:
            self._real.popitem(last=False)

    def _check_layout(self) -> None:
        """Read, and hide, a description whose content is known."""
        pool = self._library.pjsua_pool_create(b"ivr-offer", 4096, 4096)
        text = ctypes.create_string_buffer(_PROBE)
        session = ctypes.c_void_p()
        self._library.pjmedia_sdp_parse(pool, text, len(_PROBE), ctypes.byref(session))
        at = session.value or 0
        if not at or _number(at + _MEDIA_COUNT) != 2:
            raise unfit("the number of streams is not where it should be")
        first, second = streams(at)
        at_session, own = pointer(at + SESSION_CONN), pointer(first + MEDIA_CONN)
        read = (
            Connection(at + ORIGIN).address,
            Connection(at_session).address,
            Connection(own).address,
            pointer(second + MEDIA_CONN),
            *(ctypes.c_uint16.from_address(s + _DESC_PORT).value for s in (first, second)),
            _number(first + _ATTR_COUNT),
        )
        if read != ("192.0.2.1", "192.0.2.2", "192.0.2.3", 0, 4000, 4002, 2):
            raise unfit("addresses, ports or attributes are not where they should be")
        self._hide(at)
        shown = Connection(own).address
        if self.real((shown, DISCARD_PORT)) != ("192.0.2.3", 4000):
            raise unfit("a hidden address was not found again")
        if Connection(at_session).address != shown or _number(first + _ATTR_COUNT) != 1:
            raise unfit("a description was not hidden whole")


_NAME = ctypes.create_string_buffer(b"mod-ivr-offer")


def streams(session: int) -> list[int]:
    """Addresses of the ``m=`` lines of a description."""
    count = min(16, _number(session + _MEDIA_COUNT))  # PJMEDIA_MAX_SDP_MEDIA
    return [pointer(session + _MEDIA + 8 * n) for n in range(count)]


def unfit(why: str) -> TelephonyError:
    """The library is another one than this program was made for."""
    return TelephonyError(
        "The SIP library cannot be kept from sending past the RTP door.",
        why=f"{why}: pjsua2-python is not the version this program was made for",
        remedy="Install the pinned one: scripts/setup.",
    )
