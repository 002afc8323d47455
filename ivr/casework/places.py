"""Where an installation keeps what belongs to its cases."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ivr.evidence.layout import CASES
from ivr.settings import Settings


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of one installation.

    Args:
        root: the data folder.
        outbox: what is laid out for a person to hand over.
        case_keys: key of each encrypted case.
        work: where encrypted cases are opened while they are read.
    """

    root: Path
    outbox: Path
    case_keys: Path
    work: Path

    @classmethod
    def of(cls, settings: Settings) -> Self:
        root = settings.storage.root.absolute()
        return cls(
            root,
            settings.reporting.outbox_dir or root / "outbox",
            settings.encryption.case_keys_dir or root / "case-keys",
            settings.encryption.work_dir or root / "work",
        )

    @property
    def vault(self) -> Path:
        """Folder of the cases."""
        return self.root / CASES

    def case(self, case_id: str) -> Path:
        """The case in the vault."""
        return self.vault / case_id

    def case_key(self, case_id: str) -> Path:
        """The key of an encrypted case, itself encrypted to the site's recipients."""
        return self.case_keys / f"{case_id}.age"
