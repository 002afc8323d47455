"""A pjsip module that refuses every REFER (RFC 3515) before a dialog sees it.

Nobody moves a recorded call. pjsua would ask a callback, which refuses as well; but damaged REFERs
inside a dialog ended the process in a failed assertion of ``pjsip_dlg_respond`` (found by
``python -m ivr.bench.fuzz``; which damage it takes is not known, and nothing in a REFER is of use
here). The answer is stateless: a REFER that comes again is answered again.
"""

import ctypes

from ivr.errors import TelephonyError
from ivr.telephony.pj_gate import Module, OnRx, PjStr

_BEFORE_DIALOGS = 14  # before PJSIP_MOD_PRIORITY_TSX_LAYER (16), see sip_module.h
_DECLINE = 603
_NAME = ctypes.create_string_buffer(b"mod-ivr-refer")


class NoTransfers:
    """Lives as long as the process."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._endpoint = library.pjsua_get_pjsip_endpt()
        self._callback = OnRx(self._on_rx_request)
        self._module = Module(
            name=PjStr(ctypes.addressof(_NAME), 13),
            id=-1,
            priority=_BEFORE_DIALOGS,
            on_rx_request=self._callback,
        )

    def register(self) -> None:
        """Put the module in its place; to be called between libInit and the first event.

        Raises:
            TelephonyError: pjsip refused it.
        """
        at = ctypes.addressof(self._module)
        if self._library.pjsip_endpt_register_module(self._endpoint, at):
            raise TelephonyError(
                "The SIP library cannot be kept from answering transfers itself.",
                why="pjsip refused the module",
                remedy="Install the pinned pjsua2-python: scripts/setup.",
            )

    def _on_rx_request(self, rdata: int) -> int:
        """1: dealt with."""
        info = self._library.pjsip_rx_data_get_info(rdata)
        if not info.startswith(b"Request msg REFER/"):
            return 0
        self._library.pjsip_endpt_respond_stateless(
            self._endpoint, rdata, _DECLINE, None, None, None
        )
        return 1
