"""The keys of a site, each vouched for by one before it: <data>/keys/keyring.jsonl.

Every line is a JWS (General JSON, payload included, canonical) of type ``ivr-keyring``; its payload
is the canonical object {act, at, key_sha256, log_size, previous, public_pem, reason, site}. The
first key endorses itself; further ones are endorsed, and stolen ones revoked, by a key that counts
at that line. ``previous`` is the SHA-256 of the line before. A keyring is right from end to end or
not at all: a site never writes a line that does not count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from ivr.clock import to_iso
from ivr.errors import EvidenceError
from ivr.evidence.algorithms import (
    PublicKey,
    fingerprint_of,
    from_b64url,
    header_of,
    pem_of,
    read_public,
    verified_payload,
)
from ivr.evidence.canonical import canonical, sha256_hex

KEYRING_TYPE = "ivr-keyring"
NAME = "keyring.jsonl"
FIRST_KEY = "first.pub.pem"
NOTHING_BEFORE = "0" * 64
LARGEST = 8 << 20  # a rotation a day for years
MEMBERS = {"act", "at", "key_sha256", "log_size", "previous", "public_pem", "reason", "site"}


class Act(StrEnum):
    """What a line does."""

    ENDORSE = "endorse"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class KeyringLine:
    """One line.

    Args:
        at: RFC 3339, as its signer's clock stood.
        key_sha256, public_pem: the key it is about.
        log_size: lines of the site's log at that time; a seal of a revoked key counts before it.
        reason: of a revocation; empty for an endorsement.
        signed_by: fingerprint of the key that signed it.
        sha256: of the line without its line feed; what the next one and the site's log name.
    """

    n: int
    act: Act
    at: str
    key_sha256: str
    public_pem: str
    log_size: int
    reason: str
    site: str
    signed_by: str
    sha256: str


@dataclass(slots=True)
class Keyring:
    """Keys of one site, oldest first; see `parse`."""

    lines: list[KeyringLine] = field(default_factory=list)
    endorsed: dict[str, KeyringLine] = field(default_factory=dict)
    revoked: dict[str, KeyringLine] = field(default_factory=dict)

    @classmethod
    def of_site(cls, root: Path) -> Self | None:
        """The keyring of a data folder; None while there is none.

        Raises:
            EvidenceError: broken, or it cannot be read.
        """
        path = keyring_path(root)
        return cls.read(path) if path.exists() else None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises EvidenceError: broken, or it cannot be read."""
        try:
            if path.stat().st_size > LARGEST:
                raise broken(f"{path} has more bytes than any keyring needs")
            return cls.parse(path.read_bytes())
        except OSError as problem:
            raise broken(f"{path}: {problem.strerror or problem}") from problem

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Every line checked: form, signature, chain, and that it counts.

        Raises:
            EvidenceError: names the line and what is wrong with it.
        """
        *lines, rest = data.split(b"\n")
        if rest or not lines:
            raise broken("it is empty" if not data else "it ends within a line")
        ring = cls()
        for n, line in enumerate(lines):
            try:
                ring._add(line, n)
            except (ValueError, KeyError, TypeError, RecursionError, EvidenceError) as problem:
                why = problem.why if isinstance(problem, EvidenceError) else str(problem)
                raise broken(f"line {n + 1}: {why or type(problem).__name__}") from problem
        return ring

    @property
    def site(self) -> str:
        return self.lines[0].site

    @property
    def first(self) -> KeyringLine:
        """The key from which all others can be reached: the one to hand out."""
        return self.lines[0]

    @property
    def newest(self) -> KeyringLine:
        """The key that signs now: the last one endorsed that is not revoked.

        Raises:
            EvidenceError: every key is revoked.
        """
        for line in reversed(self.lines):
            if line.act is Act.ENDORSE and line.key_sha256 not in self.revoked:
                return line
        raise broken("every key in it is revoked")

    def counts(self, key_sha256: str) -> bool:
        """Whether the key is endorsed and not revoked."""
        return key_sha256 in self.endorsed and key_sha256 not in self.revoked

    def leads(self, trusted: str, key_sha256: str) -> bool:
        """Whether the trusted key vouches for the other, itself or through keys it endorsed."""
        if trusted not in self.endorsed:
            return False
        at_hand = key_sha256
        while at_hand != trusted:
            line = self.endorsed.get(at_hand)
            if line is None or line.signed_by == at_hand:
                return False
            at_hand = line.signed_by
        return True

    def must_be_of(self, site: str) -> None:
        """Raises EvidenceError when it is the keyring of another site."""
        if self.site != site:
            raise broken(f"it is of the site {self.site!r}, [evidence] site is {site!r}")

    def key(self, beginning: str) -> KeyringLine:
        """The endorsement of the key whose fingerprint begins so.

        Raises:
            EvidenceError: none, or several.
        """
        found = [line for key, line in self.endorsed.items() if key.startswith(beginning.lower())]
        if len(found) != 1 or len(beginning) < 8:
            raise EvidenceError(
                f"No one key is meant by {beginning!r}.",
                why=f"{len(found)} keys of the keyring begin so; eight digits are the least",
                remedy="Take the fingerprint from `ivr keys show`.",
            )
        return found[0]

    def _add(self, line: bytes, n: int) -> None:
        signed = json.loads(line)
        if not isinstance(signed, dict) or canonical(signed) != line:
            raise ValueError("not a canonical JSON object (RFC 8785)")
        said, key = _said(signed)
        signed_by = header_of(signed)["kid"]
        verified_payload(signed, self._signing_key(signed_by, said, key, n), KEYRING_TYPE)
        entry = KeyringLine(
            n=n, act=Act(said["act"]), at=said["at"], key_sha256=said["key_sha256"],
            public_pem=said["public_pem"], log_size=said["log_size"], reason=said["reason"],
            site=said["site"], signed_by=signed_by, sha256=sha256_hex(line),
        )  # fmt: skip
        if said["previous"] != (self.lines[-1].sha256 if self.lines else NOTHING_BEFORE):
            raise ValueError("it does not continue the line before it")
        self._must_count(entry)
        self.lines.append(entry)
        (self.endorsed if entry.act is Act.ENDORSE else self.revoked)[entry.key_sha256] = entry

    def _signing_key(
        self, kid: object, said: Mapping[str, Any], key: PublicKey, n: int
    ) -> PublicKey:
        if n == 0 and kid == said["key_sha256"]:
            return key
        if not isinstance(kid, str) or not self.counts(kid):
            raise ValueError("it is signed by a key that is unknown or revoked at that line")
        return read_public(self.endorsed[kid].public_pem.encode(), "the key in the keyring")

    def _must_count(self, entry: KeyringLine) -> None:
        if not self.lines:
            if entry.act is not Act.ENDORSE:
                raise ValueError("the first line does not endorse a key")
            return
        last = self.lines[-1]
        if entry.site != last.site:
            raise ValueError("it is of another site")
        if entry.log_size < last.log_size:
            raise ValueError("the site's log was longer at the line before")
        if entry.act is Act.ENDORSE and entry.key_sha256 in self.endorsed:
            raise ValueError("the key was endorsed before")
        if entry.act is Act.REVOKE and not self.counts(entry.key_sha256):
            raise ValueError("the key is unknown, or revoked before")


def keyring_path(root: Path) -> Path:
    """Where a data folder has its keyring."""
    return root / "keys" / NAME


def is_continued(older: bytes, newer: bytes) -> bool:
    """Whether two copies of a keyring are the same as far as the shorter one goes."""
    shorter, longer = sorted((older, newer), key=len)
    return longer.startswith(shorter)


def broken(why: str) -> EvidenceError:
    """A keyring that proves nothing."""
    return EvidenceError(
        "The keyring does not hold.",
        why=why,
        remedy="Compare it with a copy: exports carry it, and so does whoever keeps the backups.",
    )


def _said(signed: Mapping[str, Any]) -> tuple[dict[str, Any], PublicKey]:
    """The payload, not yet verified, and the key it is about."""
    raw = from_b64url(signed["payload"])
    said = json.loads(raw)
    if not isinstance(said, dict) or canonical(said) != raw or set(said) != MEMBERS:
        raise ValueError("its payload has not the members of a keyring line, canonically")
    if type(said["log_size"]) is not int or said["log_size"] < 0:
        raise ValueError("log_size is no count")
    texts = MEMBERS - {"log_size"}
    if not all(isinstance(said[name], str) for name in texts):
        raise ValueError("a member is no text")
    if to_iso(datetime.fromisoformat(said["at"])) != said["at"]:
        raise ValueError("at is no UTC time with microseconds")
    key = read_public(said["public_pem"].encode(), "its key")
    if pem_of(key).decode() != said["public_pem"] or fingerprint_of(key) != said["key_sha256"]:
        raise ValueError("key_sha256 is not the fingerprint of public_pem, or its spelling changed")
    return said, key
