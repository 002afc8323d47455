"""One family of typed errors. Each says what happened, why, and what a person can do about it.

IvrError
├── UsageError          the command was called wrongly            exit 2
├── SettingsError       the configuration is not usable           exit 3
├── EnvironmentProblem  something the machine must provide lacks  exit 3
├── InputError          a file or text given to us is not usable  exit 3
├── TelephonyError      SIP or the worker behind it failed        exit 3
├── MediaError          RTP, wire log or audio could not be kept  exit 3
├── RecognitionError    a recogniser or its model failed          exit 3
├── RulebookError       the rulebook has mistakes                 exit 3
├── EvidenceError       a case cannot be sealed or read           exit 3
├── StorageError        the ledger refused                        exit 3
└── DeliveryError       a report could not be handed over         exit 3
"""

from typing import ClassVar


class IvrError(Exception):
    """Base of the family.

    Args:
        what: what happened, one sentence.
        why: the cause as far as it is known.
        remedy: what the reader can do now.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.why}) -> {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """The shape that every command prints under ``error`` with ``--json``."""
        return {
            "type": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
        }


class UsageError(IvrError):
    """The command was called wrongly."""

    exit_code: ClassVar[int] = 2


class SettingsError(IvrError):
    """The configuration is not usable."""


class EnvironmentProblem(IvrError):
    """Something the machine must provide is missing: a port, disk space, a file."""


class InputError(IvrError):
    """A file or a text that was handed to us is not usable."""


class TelephonyError(IvrError):
    """SIP signalling, or the worker process behind it, failed."""


class MediaError(IvrError):
    """RTP, the wire log or decoded audio could not be handled."""


class RecognitionError(IvrError):
    """A recogniser or its model failed."""


class RulebookError(IvrError):
    """The rulebook has mistakes; ``why`` lists them with their lines."""


class EvidenceError(IvrError):
    """A case cannot be sealed, read or verified."""


class StorageError(IvrError):
    """The ledger could not be read or written."""


class DeliveryError(IvrError):
    """A report could not be handed to its recipient.

    Args:
        is_retryable: whether the same attempt can succeed later.
        is_ambiguous: whether the recipient may have taken the report all the same.
    """

    def __init__(
        self,
        what: str,
        *,
        why: str,
        remedy: str,
        is_retryable: bool,
        is_ambiguous: bool = False,
    ) -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.is_retryable = is_retryable
        self.is_ambiguous = is_ambiguous
