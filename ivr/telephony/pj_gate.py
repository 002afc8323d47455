"""A small pjsip module in front of pjsua: refuses new calls with 503 before pj says 486.

PJSUA_MAX_CALLS is compiled in (4) and the library answers the fifth INVITE with a bare 486 that
carries no Retry-After and cannot be told from "the callee is busy". pjsua2 has no hook that early,
but the C symbols are exported: a module with a priority just before pjsua's own sees requests
that belong to no dialog and no transaction, counts the calls and answers statelessly
(RFC 3261 section 8.2.7). A refused INVITE takes no slot, no transaction and no Python object.

It also limits how fast new calls come. Each INVITE opens two sockets, which stay registered with
pj's I/O queue for half a second after they are closed, and the queue holds 64 (compiled in): 31
calls set up and cancelled within 0.3 s end the process in a failed assertion.
"""

import ctypes
import time
from pathlib import Path

import pjsua2 as pj

from ivr.telephony.pj_source import source_of
from ivr.telephony.sources import SourceTable

_BEFORE_APPLICATION = 63  # PJSIP_MOD_PRIORITY_APPLICATION is 64 (sip_module.h)
_SERVICE_UNAVAILABLE = 503
NEW_CALLS_PER_S = 16.0
NEW_CALLS_AT_ONCE = 8.0
"""Token bucket: at most 16 new calls in any half second, 32 of the 64 places, beside 8 in use."""
OnRx = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class PjStr(ctypes.Structure):
    """``pj_str_t``: text by address and length, not ended by a zero."""

    _fields_ = (("ptr", ctypes.c_void_p), ("slen", ctypes.c_ssize_t))


_NAME = ctypes.create_string_buffer(b"mod-ivr-gate")


class _List(ctypes.Structure):
    """Head of a PJ_DECL_LIST_MEMBER list; an empty list points to itself."""

    _fields_ = (("prev", ctypes.c_void_p), ("next", ctypes.c_void_p))


class Module(ctypes.Structure):
    """``struct pjsip_module`` of sip_module.h, unchanged since PJSIP 1.0."""

    _fields_ = (
        ("prev", ctypes.c_void_p),
        ("next", ctypes.c_void_p),
        ("name", PjStr),
        ("id", ctypes.c_int),
        ("priority", ctypes.c_int),
        ("load", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("stop", ctypes.c_void_p),
        ("unload", ctypes.c_void_p),
        ("on_rx_request", OnRx),
        ("on_rx_response", OnRx),
        ("on_tx_request", OnRx),
        ("on_tx_response", OnRx),
        ("on_tsx_state", ctypes.c_void_p),
    )


def load_library() -> ctypes.CDLL:
    """The C library inside the pjsua2 wheel.

    Raises:
        OSError, AttributeError: the wheel is built otherwise and has no such symbols.
    """
    (file,) = Path(pj.__file__).parent.glob("_pjsua2*.so")
    library = ctypes.CDLL(str(file))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for name, result, arguments in (
        ("pj_log_set_level", None, [number]),
        ("pjsua_call_get_count", ctypes.c_uint, []),
        ("pjsua_call_get_max_count", ctypes.c_uint, []),
        ("pjsua_get_pjsip_endpt", pointer, []),
        ("pjsua_pool_create", pointer, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t]),
        ("pjsip_tsx_set_timers", None, [ctypes.c_uint] * 4),
        ("pjsip_rx_data_get_info", ctypes.c_char_p, [pointer]),
        ("pjsip_retry_after_hdr_create", pointer, [pointer, number]),
        ("pj_list_insert_before", None, [pointer, pointer]),
        (
            "pjsip_endpt_respond_stateless",
            number,
            [pointer, pointer, number, pointer, pointer, pointer],
        ),
        ("pjsip_endpt_register_module", number, [pointer, pointer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Gate:
    """Refuses INVITEs when every slot is taken, and OPTIONS too while draining, so that a
    dispatcher's ping takes this worker out of its set. Lives as long as the process.

    ``is_ready``: whether the house would take a call; OPTIONS are answered by it, INVITEs go on to
    the house, which says why it refuses.
    """

    def __init__(self, library: ctypes.CDLL, retry_after_s: int) -> None:
        self.is_draining = False
        self.is_ready = True
        self.refused = 0
        self.sources = SourceTable()
        self._tokens = NEW_CALLS_AT_ONCE
        self._filled_at = time.monotonic()
        self._library = library
        self._endpoint = library.pjsua_get_pjsip_endpt()
        self._slots = library.pjsua_call_get_max_count()
        pool = library.pjsua_pool_create(b"ivr-gate", 512, 512)
        self._headers = _List()
        self._headers_at = ctypes.addressof(self._headers)
        self._headers.prev = self._headers.next = self._headers_at
        retry_after = library.pjsip_retry_after_hdr_create(pool, retry_after_s)
        library.pj_list_insert_before(self._headers_at, retry_after)
        self._callback = OnRx(self._on_rx_request)
        self._module = Module(
            name=PjStr(ctypes.addressof(_NAME), 12),
            id=-1,
            priority=_BEFORE_APPLICATION,
            on_rx_request=self._callback,
        )

    def register(self) -> bool:
        """Put the gate in its place; to be called between libInit and the first event."""
        at = ctypes.addressof(self._module)
        return bool(self._library.pjsip_endpt_register_module(self._endpoint, at) == 0)

    @property
    def calls(self) -> int:
        """Slots in use, calls that pj is still burying included."""
        return int(self._library.pjsua_call_get_count())

    def _take_token(self) -> bool:
        now = time.monotonic()
        filled = self._tokens + (now - self._filled_at) * NEW_CALLS_PER_S
        self._tokens, self._filled_at = min(NEW_CALLS_AT_ONCE, filled), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def take_place(self) -> bool:
        """Whether a call of ours may begin now; it then counts among the new ones."""
        return self.calls < self._slots and self._take_token()

    def _on_rx_request(self, rdata: int) -> int:
        """Returns 1 when the request was dealt with."""
        info = self._library.pjsip_rx_data_get_info(rdata)
        is_call = info.startswith(b"Request msg INVITE/")
        if is_call:
            is_full = self.is_draining or self.calls >= self._slots
            is_refused = is_full or not self._take_token()
        else:
            is_closed = self.is_draining or not self.is_ready
            is_refused = is_closed and info.startswith(b"Request msg OPTIONS/")
        if not is_refused:
            return 0
        if is_call:  # a dispatcher's pings are no calls
            self.refused += 1
            self.sources.count(source_of(rdata) or "unknown")
        self._library.pjsip_endpt_respond_stateless(
            self._endpoint, rdata, _SERVICE_UNAVAILABLE, None, self._headers_at, None
        )
        return 1
