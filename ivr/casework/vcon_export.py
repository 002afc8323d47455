"""A case handed over as a vCon: one signed JSON file, the sound in it or beside it."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from ivr.casefile import read_case
from ivr.casework.entering import enter_custody, quiet
from ivr.casework.exporting import must_be_whole
from ivr.casework.vcon_draft import Draft, VconWish
from ivr.casework.vcon_redacted import RedactedCopy
from ivr.errors import EvidenceError, UsageError
from ivr.evidence.bag import must_be_free
from ivr.evidence.custody import Custodian, CustodyAction, read_custody
from ivr.evidence.durable import sync_folder, waiting_lock, write_atomic
from ivr.evidence.keyring import NAME as KEYRING
from ivr.evidence.keyring import Keyring, keyring_path
from ivr.evidence.log_proofs import INCLUSION
from ivr.evidence.self_signed import is_self_signed, self_signed
from ivr.evidence.signer import SiteSigner
from ivr.evidence.vcon import Reference
from ivr.evidence.vcon_signed import SUFFIX, sign_vcon, unsigned_bytes, uuid8

FORM: Final = "vcon"


@dataclass(frozen=True, slots=True)
class Exported:
    """A vCon that was written: the file, what lies beside it, and whose certificate it carries."""

    path: Path
    uuid: str
    size: int
    beside: tuple[str, ...]
    left_out: tuple[str, ...]
    certificate: x509.Certificate

    @property
    def is_self_signed(self) -> bool:
        return is_self_signed(self.certificate)


def export_vcon(
    path: Path, target: Path, custodian: Custodian, wish: VconWish, *, actor: str, reason: str
) -> Exported:
    """Write ``<case id>.vcon.json`` into the folder ``target``; entered into custody before.

    Raises:
        UsageError: the address is not https.
        EvidenceError: not a sealed case, not as it was sealed, the redacted copy is of another one
            or was changed, more than `MOST_INLINE`, target taken, or the disk refused.
    """
    _must_be_https(wish.base_url)
    must_be_free(target, path)
    must_be_whole(path)
    signer, root = custodian.signer, custodian.site_log.vault.parent
    assert isinstance(signer, SiteSigner)
    case, ring = read_case(path), Keyring.of_site(root)
    redacted = RedactedCopy.read(wish.redacted, case, ring) if wish.redacted else None
    now = custodian.clock.now()
    chain = _chain(signer, case.site, ring, now)
    salt = f"{case.sealed.seal_sha256}:{len(read_custody(path))}".encode()
    draft = Draft(case, wish, redacted, uuid8(now, salt, _maker(chain[0], case.site)), now)
    draft.must_fit()
    before = next(_full_before(path), None)
    facts = {"format": FORM, "uuid": draft.uuid, "is_full": draft.is_full}
    if redacted:
        facts["list_sha256"] = redacted.list_sha256
    enter_custody(path, CustodyAction.EXPORTED, custodian, actor=actor, reason=reason, facts=facts)
    folder = target.with_name(f".{target.name}.{os.getpid()}.draft")
    file = folder / f"{case.sealed.case_id}{SUFFIX}"
    try:
        folder.mkdir(mode=0o700, parents=True)
        with quiet(path, custodian), waiting_lock(path):  # no custody entry half in, half out
            more = {INCLUSION: custodian.site_log.inclusion(case.sealed.case_id)}
            if ring:
                more[KEYRING] = keyring_path(root).read_bytes()
            vcon = draft.finish(folder, more)
        amended = Reference(uuid=before) if before and draft.is_full else None
        references = {"redacted": draft.less_redacted(before), "amended": amended}
        unsigned = unsigned_bytes(vcon.model_copy(update=references))
        signed = sign_vcon(unsigned, draft.uuid, signer, chain)
        write_atomic(file, signed, 0o600)
        folder.replace(target)
        sync_folder(target.parent)
    except OSError as problem:
        raise EvidenceError(
            f"The vCon {target} could not be written.",
            why=problem.strerror or str(problem),
            remedy="Check free space and permissions there; the case itself is untouched.",
        ) from problem
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    beside, left_out = tuple(draft.beside), tuple(draft.left_out)
    return Exported(target / file.name, draft.uuid, len(signed), beside, left_out, chain[0])


def _must_be_https(base_url: str) -> None:
    if base_url and not re.fullmatch(r"https://[!-~]+", base_url):
        raise UsageError(
            f"{base_url} cannot be the address of the files.",
            why="a vCon names files by https (draft-ietf-vcon-vcon-core, 2.4.1)",
            remedy="Give --base-url https://HOST/PATH, or leave it out.",
        )


def _chain(
    signer: SiteSigner, site: str, ring: Keyring | None, now: datetime
) -> tuple[x509.Certificate, ...]:
    """The authority's certificates, or one that the key makes for itself."""
    if signer.certificates:
        return tuple(signer.certificates)
    line = ring.endorsed.get(signer.key_sha256) if ring else None
    return (self_signed(signer, site, datetime.fromisoformat(line.at) if line else now),)


def _maker(leaf: x509.Certificate, site: str) -> str:
    """Name for the UUID: the host of the certificate (4.1.2), else the site's."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return site
    return next(iter(names.get_values_for_type(x509.DNSName)), site)


def _full_before(path: Path) -> Iterator[str]:
    """UUIDs of earlier vCons that held the whole case, the newest first: a new one has all of
    theirs, and the custody since."""
    for entry in reversed(read_custody(path)):
        facts: Any = entry.get("facts")
        if isinstance(facts, dict) and facts.get("format") == FORM and facts.get("is_full"):
            yield str(facts["uuid"])
