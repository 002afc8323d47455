"""The cases of a data folder against its log: each in its place, none besides, custody as told."""

import json
from pathlib import Path
from typing import Any

from ivr.casework.site_state import SiteKeys, SiteState
from ivr.errors import EvidenceError
from ivr.evidence.algorithms import from_b64url
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.chained import ChainedLog, Record
from ivr.evidence.durable import waiting_lock
from ivr.evidence.layout import (
    CASES,
    CUSTODY,
    CUSTODY_HEAD,
    ORDER_SUFFIX,
    TOMBSTONES,
    case_folders,
    is_sealed,
    seal_digest,
)
from ivr.evidence.tombstone import read_tombstone, tombstone_path


class CaseDesk:
    """What is odd about the cases, in words; an empty list is good."""

    def __init__(self, state: SiteState, keys: SiteKeys) -> None:
        self._state, self._keys = state, keys
        self._vault = state.root / CASES

    @property
    def kept(self) -> int:
        """Cases that must be there: sealed, and not deleted on record."""
        return len(self._due())

    def present(self) -> list[Path]:
        """Folders of the cases that must be there and are."""
        paths = (self._vault / case_id for case_id in self._due())
        return [path for path in paths if is_sealed(path)]

    def misplaced(self) -> list[str]:
        """Cases that are missing, or are not the one that was sealed."""
        faults = []
        for case_id in self._due():
            said = self._misplaced(case_id)
            if said and not self._is_deleted_since(case_id):
                faults.append(f"{case_id} {said}")
        return faults

    def strangers(self) -> tuple[list[str], int]:
        """Sealed cases that the log does not know, and how many folders are not sealed yet."""
        unknown, still_open = [], 0
        for path in case_folders(self._vault):
            if not is_sealed(path):
                still_open += 1
            elif path.name not in self._state.told.sealed:
                unknown.append(path.name)
        if unknown:  # sealed while this was running?
            self._state.refresh()
        return [each for each in unknown if each not in self._state.told.sealed], still_open

    def custody_faults(self) -> tuple[list[str], int]:
        """Cases whose custody is not as the log tells; and how many entries were compared."""
        faults, entries = [], 0
        for path in self.present():
            said = self._custody_fault(path)
            if said:
                said = self._custody_fault_while_held(path)
            if said:
                faults.append(f"{path.name}: {said}")
            entries += len(self._state.custody.get(path.name, ()))
        return faults, entries

    def deletion_faults(self) -> list[str]:
        """Deletions without a tombstone that counts, or not carried out; tombstones of nobody."""
        purged = self._state.told.purged
        faults = [f"{name} {said}" for name in purged if (said := self._deletion_fault(name))]
        stones = sorted((self._state.root / TOMBSTONES).glob("[!.]*.jws.json"))
        unknown = [s.name for s in stones if s.name.removesuffix(".jws.json") not in purged]
        if unknown:
            self._state.refresh()
        return faults + [
            f"the log does not tell of the tombstone {name}"
            for name in unknown
            if name.removesuffix(".jws.json") not in purged
        ]

    def is_being_deleted(self, case_id: str) -> bool:
        """Now, or since a crash; `ivr recover` finishes it."""
        order = self._state.root / TOMBSTONES / f".{case_id}{ORDER_SUFFIX}"
        return order.exists()

    def _due(self) -> list[str]:
        told = self._state.told
        return [case_id for case_id in told.sealed if case_id not in told.purged]

    def _misplaced(self, case_id: str) -> str:
        path = self._vault / case_id
        if not path.is_dir():
            return "is missing"
        if not is_sealed(path):
            return "has no seal any more"
        try:
            digest = seal_digest(path)
        except EvidenceError as problem:
            return f"cannot be read: {problem.why}"
        if digest != self._state.told.sealed[case_id]["seal_sha256"]:
            return "is another case than the one that was sealed"
        return ""

    def _is_deleted_since(self, case_id: str) -> bool:
        if not tombstone_path(self._state.root, case_id).exists():
            return False
        self._state.refresh()
        return case_id in self._state.told.purged

    def _custody_fault(self, path: Path) -> str:
        told = self._state.custody.get(path.name, [])
        try:
            kept = ChainedLog(path / CUSTODY, seal_digest(path)).read()
            signed = _signed_line(path)
        except (EvidenceError, OSError, ValueError, KeyError, TypeError) as problem:
            return problem.why if isinstance(problem, EvidenceError) else str(problem)
        if not kept or canonical(kept[-1]) != signed:
            return "custody does not end where it was signed"
        return _compared(kept, told)

    def _custody_fault_while_held(self, path: Path) -> str:
        """Once more, while nobody adds an entry, and with what the log has been told since."""
        try:
            with waiting_lock(path):
                self._state.refresh()
                return self._custody_fault(path)
        except OSError:
            return "" if self._is_deleted_since(path.name) else "the folder cannot be read"

    def _deletion_fault(self, case_id: str) -> str:
        event, path = self._state.told.purged[case_id], tombstone_path(self._state.root, case_id)
        if (self._vault / case_id).exists() and not self.is_being_deleted(case_id):
            return "was deleted, and is there again"
        try:
            stone = read_tombstone(path, lambda kid: self._keys.key_of(kid, int(event["n"])))
            content = path.read_bytes()
        except (EvidenceError, OSError) as problem:
            why = problem.why if isinstance(problem, EvidenceError) else str(problem)
            return f"was deleted, and its tombstone does not count: {why}"
        if sha256_hex(content) != event["tombstone_sha256"]:
            return "has another tombstone than the log tells"
        sealed = self._state.told.sealed.get(case_id, {}).get("seal_sha256")
        said = (stone.case_id, stone.seal_sha256, stone.custody_chain)
        if said != (case_id, sealed, event["custody_chain"]) or event["seal_sha256"] != sealed:
            return "has a tombstone that tells of another case"
        return ""


def _signed_line(path: Path) -> bytes:
    signed: dict[str, Any] = json.loads((path / CUSTODY_HEAD).read_bytes())
    return from_b64url(signed["payload"])


def _compared(kept: list[Record], told: list[Record]) -> str:
    """Custody of a case after its seal against what the log tells of it."""
    chains = [record["chain"] for record in kept[1:]]
    stated = [record["custody_chain"] for record in told]
    if [record["entry"] for record in told] != [n for n, _ in enumerate(told, 1)]:
        return "the log does not tell of every entry, or not in order"
    if len(chains) < len(stated):
        return (
            f"{len(stated)} entries followed the seal, {len(chains)} are there: custody was put "
            "back or cut"
        )
    if chains[: len(stated)] != stated:
        return "an entry is another than the one that the log tells"
    if len(chains) > len(stated):
        more = len(chains) - len(stated)
        return f"{more} entries are not in the log: `ivr recover` tells what a crash kept out"
    return ""
