"""Names inside a vault and a case folder, and what can be read of a case without holding it.

<vault>/<case_id>/
  opened.json        the call as it was accepted
  settings.json      settings in force when it was opened; settings.sealed.json if others judged it
  journal.jsonl      what happened, as it happened
  original/          wire.pcapng, wire.chain.jsonl, invite.sip, or upload.<ext>
  derived/           what was made of the originals; every file names its parents
  manifest.json, manifest.jws, signer.pem, custody.jsonl, custody.head.jws   by the seal
  reports/           composed after the seal, not covered by it; replays/ in it by `ivr replay`
  locked.json        in place of what is encrypted, when the case is locked

<root>/ of a site
  cases/             the vault
  site-log.jsonl     every seal, custody entry, deletion and key of the site (`site_log`)
  site-log.head.jws  its size and Merkle root, signed
  heads/             the same, of earlier days: what outsiders keep
  tombstones/        <case_id>.jws.json of each case that was deleted
  keys/              site.pem, site.pub.pem, keyring.jsonl
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ivr.errors import EvidenceError
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.durable import try_lock, unlock
from ivr.facts.call import CallOpened

OPENED = "opened.json"
SETTINGS = "settings.json"
SETTINGS_AT_SEALING = "settings.sealed.json"
ORIGINAL = "original"
DERIVED = "derived"
WIRE = "original/wire.pcapng"
WIRE_CHAIN = "original/wire.chain.jsonl"
INVITE = "original/invite.sip"
MANIFEST = "manifest.json"
COMMIT = "manifest.jws"
SIGNER = "signer.pem"
CUSTODY = "custody.jsonl"
CUSTODY_HEAD = "custody.head.jws"
LOCKED = "locked.json"

CASES = "cases"
SITE_LOG = "site-log.jsonl"
SITE_HEAD = "site-log.head.jws"
SITE_FRONTIER = "site-log.frontier.json"
SITE_PENDING = "site-log.pending.json"
HEADS = "heads"
TOMBSTONES = "tombstones"
ORDER_SUFFIX = ".purging"
"""In tombstones/, ``.<case_id>.purging``: that the case is being deleted."""
KEYRING = "keys/keyring.jsonl"

CASE_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")
DRAFT_SUFFIX = ".opening"


@dataclass(frozen=True, slots=True)
class DerivedFile:
    """A file that can be made again from its parents.

    Args:
        path: inside the case folder, with ``/``.
        parent_sha256: digests of the files it was made from; never empty.
        made_by: program and version, or what else a person needs to make it again.
    """

    path: str
    size: int
    sha256: str
    media_type: str
    parent_sha256: tuple[str, ...]
    made_by: str


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """Content of opened.json."""

    call: CallOpened
    site: str
    created_at: str


def read_opened(path: Path) -> OpenedRecord:
    """The call as it was accepted, from opened.json.

    Raises:
        EvidenceError: the file is missing or not what `CaseFolder.create` wrote.
    """
    try:
        return TypeAdapter(OpenedRecord).validate_json((path / OPENED).read_bytes(), strict=True)
    except (OSError, ValidationError) as problem:
        raise EvidenceError(
            f"{path.name} is not a readable case.",
            why=f"{OPENED}: {problem}",
            remedy="Keep the folder as it is; its wire log may still be readable by hand.",
        ) from problem


def is_sealed(path: Path) -> bool:
    """The signature file is written last: where it is, the seal is whole."""
    return (path / COMMIT).exists()


def seal_digest(path: Path) -> str:
    """SHA-256 of the sealed manifest; of a locked case what it says of itself.

    Raises:
        EvidenceError: the case has neither.
    """
    try:
        return sha256_hex((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        why = f"neither {MANIFEST} nor {LOCKED} can be read"
    except OSError as problem:
        why = f"{MANIFEST}: {problem.strerror or problem}"
    try:
        stated = json.loads((path / LOCKED).read_bytes())["seal_sha256"]
        if SHA256.fullmatch(stated):
            return str(stated)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        why = f"{LOCKED}: {problem}"
    raise EvidenceError(
        f"The manifest of {path.name} cannot be read.",
        why=why,
        remedy="Run `ivr verify` on the case and put it back from a copy.",
    )


def case_folders(vault: Path) -> tuple[Path, ...]:
    """Folders of cases in ``vault``, sealed or not, by name; nothing if there is no vault."""
    try:
        with os.scandir(vault) as entries:  # no stat for each of many thousand cases
            names = [e.name for e in entries if CASE_ID.fullmatch(e.name) and e.is_dir()]
    except FileNotFoundError:
        return ()
    return tuple(vault / name for name in sorted(names))


def open_cases(vault: Path) -> tuple[Path, ...]:
    """Unsealed cases that no living process holds."""
    found = []
    for path in case_folders(vault):
        if is_sealed(path):
            continue
        lock = try_lock(path)
        if lock is not None:
            unlock(lock)
            found.append(path)
    return tuple(found)


def refused(path: Path, problem: OSError) -> EvidenceError:
    """The disk, or the state of the folder, said no."""
    return EvidenceError(
        f"The case file {path.name} could not be kept.",
        why=problem.strerror or str(problem),
        remedy="Check free space and permissions of the data folder.",
    )
