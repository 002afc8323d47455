"""What a worker is told when it starts; the first message on its channel."""

from dataclasses import asdict, dataclass
from typing import Any

from ivr.telephony.targets import Targets, read_registrar

ALIVE_EVERY_S = 1.0
"""How often a worker says that its loop turns."""

TOLD_SOURCES = 20
"""How many refused addresses it tells with that."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A registrar (RFC 3261 section 10) at which the worker makes itself known.

    Args:
        registrar: ``sip:ADDRESS[:PORT][;transport=tcp]``.
    """

    registrar: str
    username: str
    password: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """See ``ivr.settings.SipSettings``; plain values, so the worker need not load pydantic.

    Args:
        may_call: the only SIP URIs that this worker will ever dial.
    """

    bind: str
    port: int
    user_agent: str
    allow_from: tuple[str, ...]
    retry_after_s: int
    transaction_timeout_s: float
    may_call: tuple[str, ...] = ()
    registrations: tuple[Registration, ...] = ()

    @property
    def friends(self) -> tuple[str, ...]:
        """Networks whose packets reach us: those of callers, and whoever answers a request of
        ours."""
        registrars = (read_registrar(each.registrar)[0] for each in self.registrations)
        hosts = {*Targets(self.may_call).hosts, *registrars}
        return (*self.allow_from, *sorted(hosts))

    def as_message(self) -> dict[str, Any]:
        return {"type": "configure", **asdict(self)}

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "WorkerConfig":
        values = {key: value for key, value in message.items() if key != "type"}
        values["allow_from"] = tuple(values["allow_from"])
        values["may_call"] = tuple(values["may_call"])
        values["registrations"] = tuple(Registration(**each) for each in values["registrations"])
        return cls(**values)
