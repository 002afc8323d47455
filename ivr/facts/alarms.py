"""What is wrong right now and needs a person: told once, taken back when it is over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlarmCode(StrEnum):
    """What each means and what to do about it: docs/operations.md."""

    AGENT_RESTARTED = "agent_restarted"  # the supervisor had to start the agent anew
    AGENT_SLOW = "agent_slow"  # the event loop was held up
    WORKER_LOST = "worker_lost"  # a SIP worker died or hung; its calls ended
    NO_ACK = "no_ack"  # callers do not acknowledge our answer
    REGISTRATION_LOST = "registration_lost"
    LEG_SILENT = "leg_silent"  # no packets on one leg while the other talks
    MEDIA_DEAD = "media_dead"  # no packets on any leg
    WIRE_LOG = "wire_log"  # packets of a call could not be written
    RECOGNITION_LAG = "recognition_lag"
    RECOGNISER_LOST = "recogniser_lost"  # a recogniser process died or hung
    DISK_LOW = "disk_low"  # new calls are refused
    DISK_FULL = "disk_full"  # running calls were ended so that they can be sealed
    CASE_UNSEALED = "case_unsealed"  # a call is over and its case could not be sealed
    LEDGER = "ledger"  # the ledger does not answer
    RIGHTS_OVERDUE = "rights_overdue"  # a request or a breach is not answered in time
    REPORTS_STUCK = "reports_stuck"  # reports failed, or are uncertain: a person decides


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something is wrong.

    Args:
        since: when it was noticed.
        call_id: the call it concerns; empty: the house.
        detail: figures and names that help; never personal data.
    """

    code: AlarmCode
    text_vi: str
    text_en: str
    since: datetime
    call_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AlarmCleared:
    """It is over."""

    code: AlarmCode
    call_id: str = ""
