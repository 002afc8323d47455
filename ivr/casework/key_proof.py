"""Whose key sealed a case: by the keyring of the site, and by a certificate.

The one-file verifier judges the keyring, too, with code of its own: where the two disagree, one of
them has a mistake, and a step fails.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from ivr.errors import IvrError
from ivr.evidence.algorithms import PublicKey, fingerprint_of, header_of, read_public
from ivr.evidence.bag import PAYLOAD
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.certificates import MOST_CERTIFICATES, chain_fault, is_of, name_of
from ivr.evidence.keyring import (
    FIRST_KEY,
    NAME,
    Keyring,
    KeyringLine,
    broken,
    is_continued,
    keyring_path,
)
from ivr.evidence.layout import COMMIT, MANIFEST, SIGNER, SITE_LOG
from ivr.evidence.log_proofs import INCLUSION, check_inclusion, inclusion
from ivr.evidence.steps import Step, printable

KEYS, CERTIFICATE = "key of the site", "certificate"
Answer = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class KeyTrust:
    """What the key of a seal is held against.

    Args:
        trusted: public key (PEM) by which the reader knows the site; None: none is known.
        keyring: the site's keyring as the reader has it; None: that of the export, if any.
        root: data folder of the site, whose log shows what was sealed before a revocation; None:
            the export's own proof of inclusion, if any.
        authorities: certificates that the signer's must lead to; empty: it is only shown.
    """

    trusted: Path | None = None
    keyring: Path | None = None
    root: Path | None = None
    authorities: tuple[x509.Certificate, ...] = ()


def own_trust(root: Path, authorities: tuple[x509.Certificate, ...] = ()) -> KeyTrust:
    """What this installation holds its own cases against: its first key leads to all others.

    Args:
        root: the data folder.
    """
    ring = keyring_path(root)
    first = ring.with_name(FIRST_KEY)
    return KeyTrust(
        trusted=first if first.exists() else None,
        keyring=ring if ring.exists() else None,
        root=root if (root / SITE_LOG).exists() else None,
        authorities=authorities,
    )


def key_steps(case: Path, first_n: int, trust: KeyTrust) -> tuple[Step, ...]:
    """The steps of ``ivr verify`` about the key: keyring, and certificate where there is one or
    one is demanded. Reads only; never raises.

    Args:
        case: a case folder, also within a court folder.
    """
    by_keyring = _step(first_n, KEYS, lambda: _by_keyring(case, trust))
    certified = _step(first_n + 1, CERTIFICATE, lambda: _certified(case, trust))
    return tuple(step for step in (by_keyring, certified) if step is not None)


def _step(n: int, name: str, judge: Callable[[], Answer | None]) -> Step | None:
    try:
        answer = judge()
        return answer and Step(n, name, answer[0], printable(answer[1]))
    except IvrError as problem:
        return Step(n, name, False, printable(f"{problem.what} {problem.why}"))
    except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
        why = f"cannot be read: {type(problem).__name__} {problem}"
        return Step(n, name, False, printable(why))


def _by_keyring(case: Path, trust: KeyTrust) -> Answer:
    key_sha256 = fingerprint_of(read_public((case / SIGNER).read_bytes(), SIGNER))
    ring = _ring(case, trust)
    trusted = None
    if trust.trusted is not None:
        trusted = fingerprint_of(read_public(trust.trusted.read_bytes(), "the trusted key"))
    if ring is None:
        if trusted not in (None, key_sha256):
            return (
                False,
                f"{key_sha256} is not the trusted key, and there is no keyring (--keyring)",
            )
        return True, f"{key_sha256}; no keyring at hand (--keyring): rotation and revocation unseen"
    line = ring.endorsed.get(key_sha256)
    if line is None:
        return False, f"the keyring of {ring.site} does not know the key {key_sha256}"
    if trusted is not None and trusted != key_sha256 and not ring.leads(trusted, key_sha256):
        return False, f"the keyring does not lead from the trusted key {trusted} to {key_sha256}"
    said = _origin(line, trusted)
    revoked = ring.revoked.get(key_sha256)
    if revoked is None:
        return True, said
    return _before(revoked, case, trust, ring, said, trusted)


def _origin(line: KeyringLine, trusted: str | None) -> str:
    how = "first key" if line.n == 0 else f"endorsed by {line.signed_by[:16]}… at {line.at}"
    held = f"trusted key {trusted[:16]}… leads to it" if trusted else "keyring not compared (--key)"
    return f"{line.key_sha256} of {line.site}, {how}; {held}"


def _before(
    revoked: KeyringLine,
    case: Path,
    trust: KeyTrust,
    ring: Keyring,
    said: str,
    trusted: str | None,
) -> Answer:
    """A seal by a revoked key counts where the log shows it before the revocation, under a head
    that a key signed which is still good: a thief can sign heads with the stolen one."""
    why = f"{said}; revoked at {revoked.at} ({revoked.reason})"

    def key_of(kid: str, _: int) -> PublicKey | None:
        is_good = ring.counts(kid) and (trusted is None or ring.leads(trusted, kid))
        return read_public(ring.endorsed[kid].public_pem.encode(), "a key") if is_good else None

    proof = _proof(case, trust, key_of)
    if proof is None:
        return False, f"{why}; nothing shows that the seal is older (no log, no {INCLUSION})"
    seal_sha256 = sha256_hex((case / MANIFEST).read_bytes())
    for index, entry in check_inclusion(proof, key_of).lines:
        if (entry.get("event"), entry.get("seal_sha256")) == ("sealed", seal_sha256):
            if index < revoked.log_size:
                return True, f"{why}; sealed before, as line {index} of the site's log"
            return False, f"{why}; the log has the seal as line {index}, after the revocation"
    return False, f"{why}; the proof of inclusion is of another seal"


def _proof(
    case: Path, trust: KeyTrust, key_of: Callable[[str, int], PublicKey | None]
) -> bytes | None:
    if trust.root is not None:
        return inclusion(trust.root, _manifest(case)["case_id"], key_of)
    of_export = case.parent / INCLUSION
    return of_export.read_bytes() if _is_in_bag(case) and of_export.exists() else None


def _ring(case: Path, trust: KeyTrust) -> Keyring | None:
    """The reader's keyring, held against the export's: one must continue the other."""
    of_export = case.parent / NAME
    carried = of_export if _is_in_bag(case) and of_export.exists() else None
    if trust.keyring is None:
        return Keyring.read(carried) if carried else None
    if carried and not is_continued(carried.read_bytes(), trust.keyring.read_bytes()):
        raise broken("the export carries another one than the reader has")
    return Keyring.read(trust.keyring)


def _is_in_bag(case: Path) -> bool:
    return case.parent.name == PAYLOAD


def _certified(case: Path, trust: KeyTrust) -> Answer | None:
    """None where there is no certificate and none is demanded."""
    header = header_of(json.loads((case / COMMIT).read_bytes()))
    carried = header.get("x5c", [])
    if not isinstance(carried, list) or len(carried) > MOST_CERTIFICATES:
        return False, "the seal carries no such chain as an authority issues"
    chain = [x509.load_der_x509_certificate(b64decode(each, validate=True)) for each in carried]
    if not chain:
        demanded = "the seal carries no certificate, and --key-ca demands one"
        return (False, demanded) if trust.authorities else None
    key_sha256 = fingerprint_of(read_public((case / SIGNER).read_bytes(), SIGNER))
    if not is_of(chain[0], key_sha256):
        return False, f"{name_of(chain[0])} is the certificate of another key"
    if not trust.authorities:
        return True, f"{name_of(chain[0])}; authority not compared (no --key-ca)"
    sealed_at = datetime.fromisoformat(_manifest(case)["times"]["sealed_at"])
    fault = chain_fault(chain, trust.authorities, sealed_at)
    if fault is not None:
        return False, fault
    return True, f"{name_of(chain[0])}, valid at {sealed_at:%Y-%m-%d}; its revocation not looked up"


def _manifest(case: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((case / MANIFEST).read_bytes())
    return manifest
