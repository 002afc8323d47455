"""How the agent's registrations go, in words."""

from dataclasses import dataclass

from structlog.stdlib import BoundLogger

from ivr.telephony.channel import Message

_ASKED_AGAIN = frozenset({480, 500, 502, 504})  # with 408, 503 and 6xx those that pjsua repeats


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """The last answer of a registrar. ``problem`` is empty while the agent is registered."""

    registrar: str
    is_registered: bool
    status: int
    problem: str


def told(message: Message, log: BoundLogger) -> RegistrationState:
    """Read a worker's fact and log it."""
    state = _read(message)
    if state.is_registered:
        log.info("registered", registrar=state.registrar, expires_s=message["expires_s"])
    else:
        log.error("not registered", registrar=state.registrar, why=state.problem)
    return state


def _read(message: Message) -> RegistrationState:
    status, reason = message["status"], message["reason"]
    is_registered = 200 <= status < 300 and message["expires_s"] > 0
    if is_registered:
        problem = ""
    elif 200 <= status < 300:
        problem = "the registration was taken back"
    elif message["is_password_refused"] or status in (401, 403, 407):
        problem = (
            f"the registrar refuses the user name or the password ({status} {reason}); it is not "
            "asked again: set password_file right and start again"
        )
    elif status in (408, 503):
        problem = f"the registrar does not answer ({status} {reason}); it is asked again"
    elif status in _ASKED_AGAIN or status >= 600:
        problem = f"the registrar says {status} {reason}; it is asked again"
    else:
        problem = f"the registrar says {status} {reason}; it is not asked again before a restart"
    return RegistrationState(message["registrar"], is_registered, status, problem)
