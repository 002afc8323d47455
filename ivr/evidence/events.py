"""What the log of the site tells of: no personal data, no names of persons.

Each function makes the members of one line; `n`, `previous` and `chain` come with the log.
"""

from typing import Any, Final, Literal

Event = dict[str, Any]

BEGUN: Final = "begun"
SEALED: Final = "sealed"
CUSTODY: Final = "custody"
PURGED: Final = "purged"
KEY_ENDORSED: Final = "key_endorsed"
KEY_REVOKED: Final = "key_revoked"


def begun(site: str, at: str) -> Event:
    """The first line, and only that."""
    return {"event": BEGUN, "at": at, "site": site}


def sealed(case_id: str, seal_sha256: str, key_sha256: str, at: str) -> Event:
    """``seal_sha256``: of manifest.json; ``key_sha256``: fingerprint of the key that signed."""
    return {
        "event": SEALED,
        "at": at,
        "case_id": case_id,
        "seal_sha256": seal_sha256,
        "key_sha256": key_sha256,
    }


def custody(case_id: str, entry: int, custody_chain: str, action: str, at: str) -> Event:
    """``entry`` and ``custody_chain``: ``n`` and ``chain`` of the line in custody.jsonl. Its first
    line is part of the seal and not told again."""
    return {
        "event": CUSTODY,
        "at": at,
        "case_id": case_id,
        "entry": entry,
        "custody_chain": custody_chain,
        "action": action,
    }


def purged(
    case_id: str, seal_sha256: str, custody_chain: str, tombstone_sha256: str, at: str
) -> Event:
    """``custody_chain``: head of the deleted case's custody; ``tombstone_sha256``: of the file in
    tombstones/."""
    return {
        "event": PURGED,
        "at": at,
        "case_id": case_id,
        "seal_sha256": seal_sha256,
        "custody_chain": custody_chain,
        "tombstone_sha256": tombstone_sha256,
    }


def key_event(
    act: Literal["endorse", "revoke"], key_sha256: str, keyring_sha256: str, at: str
) -> Event:
    """``keyring_sha256``: of the keyring's line without its line feed."""
    return {
        "event": KEY_ENDORSED if act == "endorse" else KEY_REVOKED,
        "at": at,
        "key_sha256": key_sha256,
        "keyring_sha256": keyring_sha256,
    }
