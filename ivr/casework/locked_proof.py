"""Proving a case that may be encrypted: opened where its key is at hand; else what can be proven of
it as it lies there, and which steps could not be done."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ivr.casework.key_proof import KeyTrust
from ivr.casework.unlocking import unlocked
from ivr.errors import EvidenceError, IvrError
from ivr.evidence.algorithms import header_of, verified_payload
from ivr.evidence.custody import CustodyAction, read_custody
from ivr.evidence.durable import sha256_file
from ivr.evidence.heads import KeyOf, keys_of
from ivr.evidence.keyring import Keyring
from ivr.evidence.layout import CUSTODY, CUSTODY_HEAD, SIGNER
from ivr.evidence.locked import CASE_AGE, is_locked, read_locked
from ivr.evidence.log_proofs import inclusion
from ivr.evidence.signer import CUSTODY_TYPE
from ivr.evidence.steps import Broken, Step, answered
from ivr.settings import Settings

AT_REST: Final = "encryption at rest"
NOT_DONE: Final = (
    "structure", "manifest", "files", "wire chain", "journal", "origins", "signature",
    "time-stamp", "recordings match the packets", "recordings by the second decoder",
)  # fmt: skip
"""Steps over what only the key of the case opens."""


def prove_at_rest(
    path: Path,
    settings: Settings,
    keys: KeyTrust,
    site_log: Path | None,
    prove: Callable[[Path], Sequence[Step]],
) -> tuple[Step, ...]:
    """``prove`` on the case as a readable folder. Of an encrypted one, whether it is the encrypted
    case that custody tells of is proven as well; and where it cannot be opened here, every step
    that needs what is inside is said not to be done, which is not "ok".

    Args:
        path: a case, or whatever else ``prove`` takes.
        site_log: the site's log, its signed head beside it; None: not at hand.
    """
    if not is_locked(path):
        with unlocked(path, settings) as clear:
            return tuple(prove(clear))
    try:
        with unlocked(path, settings) as clear:
            steps = [*prove(clear)]
    except IvrError as problem:
        return _closed(path, keys, site_log, f"not done: {problem.what} {problem.why}")
    return (*steps, answered(len(steps) + 1, AT_REST, lambda: _as_locked(path)))


def _closed(path: Path, keys: KeyTrust, site_log: Path | None, why: str) -> tuple[Step, ...]:
    """What can be proven without the key, then what cannot."""
    done = [
        answered(1, AT_REST, lambda: _as_locked(path)),
        answered(2, "custody", lambda: _custody(path, keys)),
        answered(3, "site link", lambda: _site_link(path, keys, site_log)),
    ]
    return (*done, *(Step(n, name, False, why) for n, name in enumerate(NOT_DONE, len(done) + 1)))


def _as_locked(path: Path) -> str:
    """case.age is the file of which custody has the digest."""
    stated = read_locked(path)
    told = [e for e in read_custody(path) if e.get("action") == CustodyAction.LOCKED]
    if not told or told[-1]["facts"]["age_sha256"] != stated.age_sha256:
        raise Broken("custody tells of no such encryption")
    if sha256_file(path / CASE_AGE) != (stated.age_sha256, stated.size):
        raise Broken(f"{CASE_AGE} was changed")
    return (
        f"{CASE_AGE}, {stated.size} bytes, has the digest that custody tells since {told[-1]['at']}"
    )


def _custody(path: Path, keys: KeyTrust) -> str:
    """Its chain begins with the stated seal, and its end is signed by a key of the site."""
    records = read_custody(path)
    signed = json.loads((path / CUSTODY_HEAD).read_bytes())
    kid = str(header_of(signed)["kid"])
    key = _key_of(path, keys)(kid, 0)
    if key is None:
        raise Broken(f"its head is signed by {kid}, a key that does not count here")
    last = verified_payload(signed, key, CUSTODY_TYPE)
    if not (path / CUSTODY).read_bytes().endswith(last + b"\n"):
        raise Broken("ends otherwise than signed")
    return f"{len(records)} entries, last: {records[-1]['action']} at {records[-1]['at']}"


def _site_link(path: Path, keys: KeyTrust, site_log: Path | None) -> str:
    """The log of the site knows the stated seal, and the last entry of custody."""
    if site_log is None:
        raise Broken("not done: the log of the site is not at hand")
    try:
        proof = json.loads(inclusion(site_log.parent, path.name, _key_of(path, keys)))
    except EvidenceError as problem:
        raise Broken(f"{problem.what} {problem.why}") from problem
    lines, records = [each["entry"] for each in proof["entries"]], read_custody(path)
    if lines[0]["seal_sha256"] != read_locked(path).seal_sha256:
        raise Broken("the log of the site has another seal of this case")
    if len(records) > 1 and lines[-1].get("custody_chain") != records[-1]["chain"]:
        raise Broken("the log of the site knows another end of its custody")
    return f"seal is line {lines[0]['n']} of the site's log, last custody line {lines[-1]['n']}"


def _key_of(path: Path, keys: KeyTrust) -> KeyOf:
    ring = Keyring.read(keys.keyring) if keys.keyring else None
    known = (keys.trusted or path / SIGNER).read_bytes()
    return keys_of(ring, known)
