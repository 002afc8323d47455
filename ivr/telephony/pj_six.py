"""A pjsip module that puts IPv6 addresses into the descriptions that leave.

The wheel is built without IPv6 media: a description of ours that names an IPv6 address fails (488),
and an IPv6 address of the other side ends the process in a failed assertion. pjsua2 need not know
either: its own RTP goes to the RTP door over IPv4 loopback, whatever the door speaks outside. So
an IPv6 door is described to it by a stand-in of ``127.67.0.0/16``, and this module writes the real
address over it in the copy that is about to be printed (``pj_offer`` hides the other direction).

Offsets are those of ``struct pjsip_tx_data``, ``pjsip_msg`` and ``pjsip_msg_body``
(sip_transport.h, sip_msg.h) on a 64-bit machine; `SixOnTheWire` reads a message of its own with
them before it is used.
"""

import ctypes

from ivr.telephony.pj_gate import Module, OnRx, PjStr
from ivr.telephony.pj_offer import (
    MEDIA_CONN,
    ORIGIN,
    SESSION_CONN,
    Connection,
    pointer,
    streams,
    unfit,
)

_BEFORE_PRINTING = 15  # what leaves is printed at 8 (PJSIP_MOD_PRIORITY_TRANSPORT_LAYER)
_MSG_IN_TDATA, _BODY_IN_MSG, _SUBTYPE_IN_BODY, _DATA_IN_BODY = 392, 104, 16, 80
_PROBE = b"ivr probe"
_NAME = ctypes.create_string_buffer(b"mod-ivr-six")


class SixOnTheWire:
    """The module and its stand-ins. Lives as long as the process.

    Raises:
        TelephonyError: the library lays out its messages in another way.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.pjsip_endpt_create_request.argtypes = [
            *(ctypes.c_void_p,) * 7,
            *(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        ]
        library.pjsip_tx_data_dec_ref.argtypes = [ctypes.c_void_p]
        self._stand_ins: dict[str, str] = {}
        self._buffers: dict[str, ctypes.Array[ctypes.c_char]] = {}
        self._check_layout()
        self._callback = OnRx(self._on_tx)
        self._module = Module(
            name=PjStr(ctypes.addressof(_NAME), 11),
            id=-1,
            priority=_BEFORE_PRINTING,
            on_tx_request=self._callback,
            on_tx_response=self._callback,
        )

    def register(self) -> None:
        """Put the module in its place; to be called between libInit and the first event.

        Raises:
            TelephonyError: pjsip refused it.
        """
        endpoint = self._library.pjsua_get_pjsip_endpt()
        if self._library.pjsip_endpt_register_module(endpoint, ctypes.addressof(self._module)):
            raise unfit("pjsip refused the module")

    def stand_in(self, host: str) -> str:
        """What pjsua2 is to be told instead of an address; IPv4 stays itself."""
        if ":" not in host:
            return host
        if host not in self._stand_ins:
            number = len(self._stand_ins) + 1  # one for each address the doors have: few
            shown = f"127.67.{number >> 8}.{number & 0xFF}"
            self._stand_ins[host] = shown
            self._buffers[shown] = ctypes.create_string_buffer(host.encode())
        return self._stand_ins[host]

    def _on_tx(self, tdata: int) -> int:
        """Always 0: the message goes on its way. A message that is sent again has it already."""
        body = _body(tdata)
        if body and _text(body + _SUBTYPE_IN_BODY).lower() == b"sdp":
            session = pointer(body + _DATA_IN_BODY)
            at_media = (pointer(stream + MEDIA_CONN) for stream in streams(session))
            for at in (session + ORIGIN, pointer(session + SESSION_CONN), *at_media):
                buffer = self._buffers.get(Connection(at).address) if at else None
                if buffer is not None:
                    Connection(at).become(buffer)
        return 0

    def _check_layout(self) -> None:
        """Read a message whose content is known."""
        tdata = ctypes.c_void_p()
        words = [ctypes.create_string_buffer(text) for text in (b"sip:a@127.0.0.1", _PROBE)]
        texts = [PjStr(ctypes.addressof(word), len(word.value)) for word in words]
        uri, probe = (ctypes.addressof(text) for text in texts)
        options = ctypes.addressof(ctypes.c_char.in_dll(self._library, "pjsip_options_method"))
        endpoint = self._library.pjsua_get_pjsip_endpt()
        asked = (endpoint, options, uri, uri, uri, None, None, 1, probe, ctypes.byref(tdata))
        if self._library.pjsip_endpt_create_request(*asked) or not tdata.value:
            raise unfit("a message could not be made")
        body = _body(tdata.value)
        if not body:
            raise unfit("a message is not where it should be")
        subtype = _text(body + _SUBTYPE_IN_BODY)
        data = ctypes.string_at(pointer(body + _DATA_IN_BODY), len(_PROBE))
        self._library.pjsip_tx_data_dec_ref(tdata)
        if (subtype, data) != (b"plain", _PROBE):
            raise unfit("the body of a message is not where it should be")


def _body(tdata: int) -> int:
    message = pointer(tdata + _MSG_IN_TDATA)
    return pointer(message + _BODY_IN_MSG) if message else 0


def _text(at: int) -> bytes:
    text = PjStr.from_address(at)
    return ctypes.string_at(text.ptr, max(0, text.slen)) if text.ptr else b""
