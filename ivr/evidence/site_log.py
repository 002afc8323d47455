"""The log of all seals of this site: each case knows the one before, and the log knows them all.

Taking a sealed case away, or making one up between two others, shows here. The first line is
written when the site is set up, so an empty or missing log beside sealed cases is never a fresh
start but a loss, and the site refuses to seal on top of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.chained import ChainedLog, Record, genesis
from ivr.evidence.durable import waiting_lock
from ivr.evidence.layout import MANIFEST, case_folders, is_sealed


@dataclass(frozen=True, slots=True)
class SiteLink:
    """What a manifest says of the seals before it.

    Args:
        n: number of this seal at the site, from 1.
        previous_chain: head of the site log before this seal.
        previous_case_id / previous_seal_sha256: the seal before; None for the first.
    """

    n: int
    previous_chain: str
    previous_case_id: str | None
    previous_seal_sha256: str | None


class SiteLog:
    """seals.jsonl beside the vault. One object a process; processes take turns by flock."""

    def __init__(self, path: Path, vault: Path, site: str) -> None:
        self._log = ChainedLog(path, genesis("site", site))
        self._vault = vault
        self._last: Record | None = None
        self._case_ids: set[str] = set()

    @classmethod
    def open(cls, path: Path, vault: Path, site: str, clock: Clock) -> Self:
        """Read and check the whole log; begin it at a site that never sealed. Seals that were
        made but not logged (a crash between the two) are logged now, from the cases.

        Raises:
            EvidenceError: the log is missing or empty although sealed cases exist, it was
                changed, is of another site, or sealed cases do not continue it.
        """
        log = cls(path, vault, site)
        try:
            log._begin(path, site, clock)
        except OSError as problem:
            raise EvidenceError(
                f"The log of seals {path} cannot be used.",
                why=problem.strerror or str(problem),
                remedy="Check its permissions and the disk.",
            ) from problem
        return log

    def _begin(self, path: Path, site: str, clock: Clock) -> None:
        is_new = not path.exists() or path.stat().st_size == 0
        if is_new:
            sealed = [p.name for p in case_folders(self._vault) if is_sealed(p)]
            if sealed:
                raise EvidenceError(
                    f"The log of seals {path} is missing or empty, but {len(sealed)} sealed "
                    "cases exist.",
                    why="starting anew would hide every case that was taken away",
                    remedy="Put the log back from its copy; see docs/evidence.md, 'Site log'.",
                )
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch()
        with waiting_lock(path):
            self._learn(self._log.read())
            self._log.cut_torn_tail()
            if not self._log.count:
                begun = {"event": "begun", "site": site, "at": to_iso(clock.now())}
                self._last = self._log.append(begun)
            self._roll_forward()

    @contextmanager
    def turn(self) -> Iterator[SiteLink]:
        """Hold the log while a case is sealed, so that nobody seals in between; call `record`
        inside, once the case is sealed."""
        with waiting_lock(self._log.path):
            self._learn(self._log.refresh())
            self._log.cut_torn_tail()
            self._roll_forward()
            last = self._last or {}
            yield SiteLink(
                n=self._log.count,
                previous_chain=self._log.head,
                previous_case_id=last.get("case_id"),
                previous_seal_sha256=last.get("seal_sha256"),
            )

    @property
    def head(self) -> str:
        """Chain of the last line: write it down elsewhere, and the log cannot be shortened."""
        return self._log.head

    def missing_cases(self) -> tuple[str, ...]:
        """Cases that were sealed here and are no longer in the vault."""
        present = {path.name for path in case_folders(self._vault)}
        return tuple(sorted(self._case_ids - present))

    def record(self, case_id: str, seal_sha256: str, key_sha256: str, sealed_at: str) -> None:
        """Log one seal; only within `turn`."""
        fields = {
            "event": "sealed",
            "case_id": case_id,
            "seal_sha256": seal_sha256,
            "key_sha256": key_sha256,
            "at": sealed_at,
        }
        self._learn([self._log.append(fields)])

    def _learn(self, records: list[Record]) -> None:
        for record in records:
            self._last = record
            if record.get("event") == "sealed":
                self._case_ids.add(str(record["case_id"]))

    def _roll_forward(self) -> None:
        """Log sealed cases that the log does not know, as long as each continues it."""
        unknown: dict[int, tuple[bytes, dict[str, Any]]] = {}
        for path in case_folders(self._vault):
            if path.name not in self._case_ids and is_sealed(path):
                raw, manifest = _manifest(path)
                unknown[manifest["site_link"]["n"]] = (raw, manifest)
        for n in sorted(unknown):
            raw, manifest = unknown[n]
            if manifest["site_link"]["previous_chain"] != self._log.head:
                raise EvidenceError(
                    f"The sealed case {manifest['case_id']} is not in the log of seals.",
                    why=f"it is seal {n} and the log has {self._log.count - 1}, or another head",
                    remedy="Put log and cases back from one copy, or take a case that came from "
                    "elsewhere out of the vault.",
                )
            self.record(
                manifest["case_id"],
                sha256_hex(raw),
                manifest["signer"]["key_sha256"],
                manifest["times"]["sealed_at"],
            )


def _manifest(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        raw = (path / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        int(manifest["site_link"]["n"]), str(manifest["site_link"]["previous_chain"])
        str(manifest["signer"]["key_sha256"]), str(manifest["times"]["sealed_at"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise EvidenceError(
            f"The manifest of {path.name} cannot be read.",
            why=str(problem),
            remedy="Run `ivr verify` on the case and put it back from a copy.",
        ) from problem
    return raw, manifest
