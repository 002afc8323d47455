"""The agent's accounts: one that takes every call, one more for each registrar."""

import sys
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from ivr.telephony import pj_endpoint
from ivr.telephony.channel import Message
from ivr.telephony.pj_endpoint import Stack, for_requests
from ivr.telephony.targets import read_registrar
from ivr.telephony.worker_config import Registration

FIRST_RETRY_S = 2
RETRY_S = 5
"""After a registrar that does not answer: once after two seconds, then every five."""
REFRESH_BEFORE_S = 5
_REFUSED_PASSWORD = 171_100  # PJSIP_EFAILEDCREDENTIAL: the challenge came again (pjsip errno)


class AgentAccount(pj.Account):  # type: ignore[misc]  # pjsua2 carries no type stubs
    """Takes every call, whatever the request URI; reports how its registration goes."""

    def __init__(
        self, arrive: Callable[[Any, int, Any], None], emit: Callable[[Message], None]
    ) -> None:
        super().__init__()
        self._arrive = arrive
        self._emit = emit
        self._registrar = ""
        self.is_registered = False

    def open(self, config: Any, *, is_first: bool) -> None:
        """Take calls, if it is the first, and place them, without registering."""
        self.create(config, is_first)

    def register(self, registration: Registration, own_uri: str, stack: Stack) -> None:
        """Make the agent known at a registrar, and again before each expiry.

        Raises:
            pj.Error: the account cannot be made.
        """
        host, port, transport = read_registrar(registration.registrar)
        shown = f"[{host}]" if ":" in host else host
        uri = f"sip:{registration.username}@{shown}"
        own = own_uri.format(user=registration.username)
        account = pj_endpoint.account_config(uri, "127.0.0.1", own)
        account.regConfig.registrarUri = f"sip:{shown}:{port};transport={transport}"
        account.regConfig.timeoutSec = registration.expires_s
        account.regConfig.delayBeforeRefreshSec = REFRESH_BEFORE_S
        account.regConfig.firstRetryIntervalSec = FIRST_RETRY_S
        account.regConfig.retryIntervalSec = RETRY_S
        account.regConfig.randomRetryIntervalSec = 0
        account.regConfig.dropCallsOnFail = False
        account.sipConfig.authCreds.append(
            pj.AuthCredInfo("digest", "*", registration.username, 0, registration.password)
        )
        self._registrar = registration.registrar
        self.create(for_requests(account, stack), False)

    def withdraw(self) -> None:
        """Ask the registrar to forget us; ``is_registered`` is False once it did."""
        if self.is_registered:
            try:
                self.setRegistration(False)
            except pj.Error:  # one is on its way; it will expire
                self.is_registered = False

    def onIncomingCall(self, prm: Any) -> None:
        try:
            self._arrive(self, prm.callId, prm.rdata)
        except Exception as problem:  # noqa: BLE001 - an exception in a callback keeps pj objects
            sys.stderr.write(f"ivr worker: incoming call failed: {type(problem).__name__}\n")

    def onIncomingSubscribe(self, prm: Any) -> None:
        prm.code = 489  # no presence here

    def onRegState(self, prm: Any) -> None:
        self.is_registered = 200 <= prm.code < 300 and prm.expiration > 0
        self._emit(
            {
                "type": "registration",
                "registrar": self._registrar,
                "status": prm.code,
                "reason": prm.reason,
                "expires_s": prm.expiration,
                "is_password_refused": prm.status == _REFUSED_PASSWORD,
            }
        )
