"""A new key for the site, and an old one withdrawn.

The keyring's new line is the commit of both: before it the old key signs, after it the new one.
A rotation onto a file lays the new key beside the old first (``<stem>.next.pem``) and keeps the old
one aside (``<stem>-<first 8 digits>.pem``); whoever opens the signer next finishes a rotation that
a crash cut off behind its commit, and `rotate` takes up one that was cut off before.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError, UsageError
from ivr.evidence import events
from ivr.evidence.algorithms import fingerprint_of, read_public
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.durable import sync_folder, write_atomic
from ivr.evidence.keyring import Act, Keyring, KeyringLine
from ivr.evidence.keyring_writing import append, signed_line
from ivr.evidence.signer import FileSigner, SiteSigner, new_key_pem, public_path, publish
from ivr.evidence.signing import key_path, next_path, open_signer, switch, token_key
from ivr.evidence.site_log import SiteLog
from ivr.evidence.token_signer import TokenSigner
from ivr.settings import EvidenceSettings


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done.

    Args:
        former, present: keys before and after.
        kept: where the former private key lies now; None when it is on a token or was not there.
        place: where the present one is.
        was_interrupted: an earlier rotation was finished, and nothing else done.
    """

    former: str
    present: KeyringLine
    kept: Path | None
    place: str
    was_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class KeyRoom:
    """The site whose keys are changed; one change at a time.

    Args:
        by: a former key (PEM) that signs in place of the key in use, when that one is lost.
    """

    evidence: EvidenceSettings
    root: Path
    clock: Clock
    by: Path | None = None

    def rotate(self, to: Path | None = None, *, onto_token: bool = False) -> Rotation:
        """Endorse a new key and put it into use.

        Args:
            to: a private key (PEM) to take; None: one is made.
            onto_token: the key that the settings name on the token.

        Raises:
            EvidenceError: a key cannot be used, or is in the keyring already; nothing was changed.
        """
        if self.by is None and (done := self._finished()):
            return done
        signer = self._signer()
        former = self._ring().newest.key_sha256
        following = self._token() if onto_token else self._laid_beside(to)
        if following.key_sha256 in self._ring().endorsed:
            raise EvidenceError(
                "The key cannot be taken.",
                why=f"{following.key_sha256} is or was a key of this site",
                remedy="Give a key that never signed here.",
            )
        kept = self._keep()
        line = self._enter(Act.ENDORSE, signer, following.public_pem)
        path = key_path(self.evidence, self.root)
        if isinstance(following, FileSigner):
            switch(following.path, path)
        elif kept:
            with suppress(FileNotFoundError):
                path.unlink()
            sync_folder(path.parent)
        present = open_signer(self.evidence, self.root, self.clock)
        return Rotation(former, line, kept, present.place)

    def revoke(self, beginning: str, reason: str) -> KeyringLine:
        """Withdraw a key: what it sealed counts only where the log shows it before this moment.

        Args:
            beginning: of its fingerprint, eight digits or more.

        Raises:
            EvidenceError: no such key, revoked before, or it is the one in use.
        """
        if not reason.strip():
            raise UsageError(
                "A revocation needs a reason.",
                why="it stands in the keyring for ever",
                remedy="Give --why.",
            )
        ring = self._ring()
        line = ring.key(beginning)
        if line.key_sha256 == ring.newest.key_sha256:
            raise EvidenceError(
                "The key in use cannot be revoked.",
                why="the site would have none",
                remedy="Run `ivr keys rotate` first, restart `ivr serve`, then revoke.",
            )
        return self._enter(Act.REVOKE, self._signer(), line.public_pem.encode(), reason.strip())

    def _enter(self, act: Act, signer: SiteSigner, pem: bytes, reason: str = "") -> KeyringLine:
        """The line of the keyring, and its event in the log of the site: if a crash keeps the
        second out, the next turn of the log enters it."""
        log = SiteLog.resume(self.root, self.evidence.site, signer, self.clock)
        key_sha256, at = fingerprint_of(read_public(pem, "the key")), to_iso(self.clock.now())
        with log.turn() as turn:
            line = signed_line(
                act,
                signer,
                pem,
                site=self.evidence.site,
                log_size=turn.size,
                at=at,
                previous=self._ring().lines[-1].sha256,
                reason=reason,
            )
            event = events.key_event(act.value, key_sha256, sha256_hex(line), at)
            turn.intend(event)
            ring = append(self.root, line)
            turn.record(event)
        return ring.lines[-1]

    def _signer(self) -> SiteSigner:
        if self.by is None:
            return open_signer(self.evidence, self.root, self.clock)
        signer = FileSigner.read(self.by)
        if not self._ring().counts(signer.key_sha256):
            raise EvidenceError(
                f"The key {self.by} cannot sign for this site.",
                why=f"{signer.key_sha256} is not in the keyring, or was revoked",
                remedy="Name the private key of a key that `ivr keys show` lists as good.",
            )
        return signer

    def _ring(self) -> Keyring:
        ring = Keyring.of_site(self.root)
        if ring is None:  # no key yet: a site that is set up now
            open_signer(self.evidence, self.root, self.clock)
            ring = Keyring.of_site(self.root)
        assert ring is not None
        ring.must_be_of(self.evidence.site)
        return ring

    def _token(self) -> TokenSigner:
        where = token_key(self.evidence)
        if where is None:
            raise UsageError(
                "There is no token to rotate to.",
                why="[evidence] pkcs11_module is not set",
                remedy="Set pkcs11_module, pkcs11_token, pkcs11_key and pkcs11_pin_file first.",
            )
        return TokenSigner.open(where)

    def _laid_beside(self, to: Path | None) -> FileSigner:
        """The new key under its waiting name: the one given, one that waits there, or a new one."""
        waiting = next_path(self.evidence, self.root)
        if to is not None:
            FileSigner.read(to)  # says what is wrong with it before anything is written
            self._write(waiting, to.read_bytes())
        elif not waiting.exists():
            self._write(waiting, new_key_pem())
        return FileSigner.read(waiting)

    def _write(self, path: Path, pem: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(path, pem, 0o600)
        except OSError as problem:
            raise _refused(path, problem) from problem

    def _keep(self) -> Path | None:
        """The key file once more under the name of its fingerprint: a second link to it, so there
        is no moment at which it is nowhere."""
        path = key_path(self.evidence, self.root)
        if not path.exists():
            return None
        signer = FileSigner.read(path)
        aside = kept_path(path, signer.key_sha256)
        try:
            with suppress(FileExistsError):
                os.link(path, aside)
            sync_folder(path.parent)
        except OSError as problem:
            raise _refused(aside, problem) from problem
        publish(public_path(aside), signer.public_pem)
        return aside

    def _finished(self) -> Rotation | None:
        """An earlier rotation that had its commit and not its switch, now done."""
        waiting, ring = next_path(self.evidence, self.root), self._ring()
        if not waiting.exists():
            return None
        key_sha256 = FileSigner.read(waiting).key_sha256
        if key_sha256 != ring.newest.key_sha256:
            return None
        line = ring.newest
        kept = kept_path(key_path(self.evidence, self.root), line.signed_by)
        present = open_signer(self.evidence, self.root, self.clock)
        return Rotation(line.signed_by, line, kept, present.place, was_interrupted=True)


def kept_path(path: Path, key_sha256: str) -> Path:
    """Where a former private key is kept."""
    return path.with_name(f"{path.stem}-{key_sha256[:8]}.pem")


def _refused(path: Path, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"{path} could not be written.",
        why=problem.strerror or str(problem),
        remedy="Check free space and permissions; the key in use is what it was.",
    )
