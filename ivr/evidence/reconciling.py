"""After a crash: make custody logs whole from their signed heads, then tell the log of the site
what it does not know."""

import json
from pathlib import Path

from ivr.errors import EvidenceError
from ivr.evidence.algorithms import from_b64url
from ivr.evidence.custody import heal_custody
from ivr.evidence.layout import CUSTODY, CUSTODY_HEAD, case_folders, is_sealed
from ivr.evidence.site_log import Reconciled, SiteLog


def reconcile(site_log: SiteLog) -> Reconciled:
    """Every case of the vault; two small files are read of one where all is well.

    Raises:
        EvidenceError: a sealed case does not continue the log of the site.
    """
    odd: list[tuple[str, EvidenceError]] = []
    for path in case_folders(site_log.vault):
        if is_sealed(path) and not _ends_as_signed(path):
            try:
                heal_custody(path)
            except EvidenceError as problem:
                odd.append((path.name, problem))
    done = site_log.reconcile()
    named = {case_id for case_id, _ in odd}
    others = (each for each in done.unreadable if each[0] not in named)
    return Reconciled(done.entered, (*odd, *others))


def _ends_as_signed(path: Path) -> bool:
    """Whether the signed line is the last one; no more than that is looked at."""
    try:
        signed = from_b64url(json.loads((path / CUSTODY_HEAD).read_bytes())["payload"])
        return (path / CUSTODY).read_bytes().endswith(signed + b"\n")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
