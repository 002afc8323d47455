"""The verifier from inside the house: with the site's own keyring and log, as facts, and not in
the middle of a custody entry."""

import json
from contextlib import nullcontext
from pathlib import Path

from ivr.errors import EvidenceError
from ivr.evidence.durable import waiting_lock
from ivr.evidence.heads import keys_of
from ivr.evidence.keyring import NAME, Keyring
from ivr.evidence.layout import KEYRING, MANIFEST, SIGNER, SITE_LOG, is_sealed
from ivr.evidence.log_proofs import inclusion
from ivr.evidence.steps import Step, printable
from ivr.evidence.verifier import verify_case
from ivr.facts.cases import VerificationStep

LOG_STEP = "log of the site"


def verification_steps(path: Path) -> tuple[VerificationStep, ...]:
    """`verify_here` as facts, without key; with the log of the data folder that the case lies in,
    if a key was revoked there: it alone shows which seals are older."""
    steps = verify_here(path, site_log=_log_that_dates(path))
    return tuple(VerificationStep(step.n, step.name, step.ok, step.detail) for step in steps)


def verify_here(
    path: Path,
    key: Path | None = None,
    site_log: Path | None = None,
    keyring: Path | None = None,
) -> tuple[Step, ...]:
    """The steps of `ivr.evidence.verifier`, while no custody entry is being written. Never raises.

    Args:
        key: the public key (PEM) that the reader trusts; None: the step says it is not compared.
        site_log: the site's log, its signed head beside it: a fresh proof of inclusion is made
            from it. None: the proof that an export carries, if any.
        keyring: None: that of an export, or of the data folder the case lies in.
    """
    # an open case is held by its call, until that ends
    with waiting_lock(path) if is_sealed(path) else nullcontext():
        ring = keyring or _keyring_of(path)
        proof, fault = _proof(path, site_log, ring) if site_log else (None, None)
        given = {"key": _content(key), "keyring": _content(ring), "inclusion": proof}
        steps = verify_case(path, **given)
    if fault is not None:
        steps.append(Step(len(steps) + 1, LOG_STEP, False, fault))
    return tuple(steps)


def _keyring_of(path: Path) -> Path | None:
    of_site = path.parent.parent / KEYRING
    return of_site if of_site.is_file() and not (path.parent / NAME).is_file() else None


def _log_that_dates(path: Path) -> Path | None:
    keyring = _keyring_of(path)
    log = path.parent.parent / SITE_LOG
    try:
        return log if keyring and log.is_file() and Keyring.read(keyring).revoked else None
    except EvidenceError:  # a broken keyring is told in its own step
        return None


def _content(file: Path | None) -> bytes | None:
    """What cannot be read is no key and no keyring, and the verifier says so."""
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as problem:
        return f"{file}: {problem.strerror}".encode()


def _proof(path: Path, site_log: Path, keyring: Path | None) -> tuple[bytes | None, str | None]:
    """A proof of inclusion, or why the log gives none."""
    try:
        case_id = str(json.loads((path / MANIFEST).read_bytes())["case_id"])
        signer = (path / SIGNER).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None, None  # no sealed case, which is said in steps of their own
    try:
        ring = Keyring.read(keyring) if keyring else None
        key_of = keys_of(ring) if ring else keys_of(None, signer)
        return inclusion(site_log.parent, case_id, key_of), None
    except (EvidenceError, OSError, ValueError) as problem:
        said = f"{problem.what} {problem.why}" if isinstance(problem, EvidenceError) else problem
        return None, printable(f"{site_log.name}: {said}")
