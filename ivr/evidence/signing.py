"""The one place that opens the site's signer: by the settings, and by what the keyring says.

The newest key of the keyring signs. It is looked for in the key file, in a rotation that a crash
interrupted (which is then finished), and on the token. A site without a keyring begins it with the
token's key, if one is set, else with the key file, which is made when it is missing.
"""

from contextlib import suppress
from pathlib import Path

from cryptography import x509

from ivr.clock import Clock, SystemClock
from ivr.errors import EvidenceError, SettingsError
from ivr.evidence.certificates import is_of, read_certificates
from ivr.evidence.durable import sync_folder
from ivr.evidence.keyring import Keyring, keyring_path
from ivr.evidence.keyring_writing import begin_keyring
from ivr.evidence.signer import FileSigner, SiteSigner, public_path, publish
from ivr.evidence.token_signer import TokenKey, TokenSigner
from ivr.settings import EvidenceSettings, resolve

__all__ = ["key_path", "keyring_path", "open_signer", "public_file"]


def key_path(evidence: EvidenceSettings, root: Path) -> Path:
    """The key file; there is none while a token holds the key."""
    return evidence.key_file or root / "keys" / "site.pem"


def public_file(evidence: EvidenceSettings, root: Path) -> Path:
    """Public half of the key in use, as PEM."""
    return public_path(key_path(evidence, root))


def next_path(evidence: EvidenceSettings, root: Path) -> Path:
    """Where a rotation lays the new key before it is endorsed."""
    path = key_path(evidence, root)
    return path.with_name(f"{path.stem}.next.pem")


def token_key(evidence: EvidenceSettings) -> TokenKey | None:
    """The token of the settings, or None.

    Raises:
        SettingsError: a module without a PIN file.
    """
    if evidence.pkcs11_module is None:
        return None
    if evidence.pkcs11_pin_file is None:
        raise SettingsError(
            "The token's PIN is not to be found.",
            why="[evidence] pkcs11_module is set and pkcs11_pin_file is not",
            remedy="Write the PIN into a file of mode 0600 and name it there.",
        )
    return TokenKey(
        resolve(evidence.pkcs11_module),
        evidence.pkcs11_token,
        evidence.pkcs11_key,
        resolve(evidence.pkcs11_pin_file),
    )


def open_signer(evidence: EvidenceSettings, root: Path, clock: Clock | None = None) -> SiteSigner:
    """The signer of this site. Waits for disk and token: not for an event loop.

    Args:
        root: the data folder.

    Raises:
        EvidenceError: the key is not usable, or is not the one that the keyring ends with.
        EnvironmentProblem: library or module of the token are missing.
        SettingsError: the certificate is of a key that this site never had.
    """
    ring = Keyring.of_site(root)
    if ring is None:
        signer = _first(evidence, root)
        ring = begin_keyring(root, evidence.site, signer, clock or SystemClock())
        if ring.newest.key_sha256 != signer.key_sha256:  # another process was quicker
            signer = find_signer(evidence, root, ring.newest.key_sha256)
    else:
        ring.must_be_of(evidence.site)
        signer = find_signer(evidence, root, ring.newest.key_sha256)
    following = next_path(evidence, root)
    if isinstance(signer, FileSigner) and signer.path == following:
        switch(following, key_path(evidence, root))
        signer = FileSigner.read(key_path(evidence, root))
    publish(public_file(evidence, root), signer.public_pem)
    signer.certificates = certificates_for(evidence, signer.key_sha256, ring)
    return signer


def certificates_for(
    evidence: EvidenceSettings, key_sha256: str, ring: Keyring
) -> tuple[x509.Certificate, ...]:
    """The chain of ``certificate_file`` for the key in use. One of a former key is left out until
    the new one has come (`ivr doctor` says so); one of a stranger's key is a mistake.

    Raises:
        SettingsError: unreadable, or of a key that is not in the keyring.
    """
    if evidence.certificate_file is None:
        return ()
    file = resolve(evidence.certificate_file)
    chain = read_certificates(file, "[evidence] certificate_file")
    if is_of(chain[0], key_sha256):
        return chain
    if any(is_of(chain[0], line.key_sha256) for line in ring.endorsed.values()):
        return ()
    raise SettingsError(
        f"The certificate {file} is of another key.",
        why=f"its first certificate is not that of the signing key {key_sha256}",
        remedy="Name the certificate that was issued for `ivr keys request`, leaf first.",
    )


def _first(evidence: EvidenceSettings, root: Path) -> SiteSigner:
    where = token_key(evidence)
    return TokenSigner.open(where) if where else FileSigner.open(key_path(evidence, root))


def find_signer(evidence: EvidenceSettings, root: Path, key_sha256: str) -> SiteSigner:
    """The signer whose key the keyring ends with; writes nothing.

    Raises:
        EvidenceError, EnvironmentProblem, SettingsError: as `open_signer`.
    """
    path, following = key_path(evidence, root), next_path(evidence, root)
    in_file = FileSigner.read(path) if path.exists() else None
    if in_file is not None and in_file.key_sha256 == key_sha256:
        return in_file
    if following.exists():
        waiting = FileSigner.read(following)
        if waiting.key_sha256 == key_sha256:
            return waiting
    where = token_key(evidence)
    if where is not None:
        return TokenSigner.open(where, key_sha256)
    raise EvidenceError(
        "The signing key of this site is not there.",
        why=f"the keyring ends with {key_sha256}; {path} "
        + (f"holds {in_file.key_sha256}" if in_file else "is missing"),
        remedy="Put it back from its copy; or endorse another with `ivr keys rotate --to FILE`, "
        "signed by a former key (--by); see docs/keys.md.",
    )


def switch(following: Path, path: Path) -> None:
    """Give the endorsed key its place. Two processes may do so at once: the second finds it done.

    Raises:
        EvidenceError: the disk refused.
    """
    try:
        with suppress(FileNotFoundError):
            following.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        raise EvidenceError(
            f"The key {following} cannot take its place.",
            why=problem.strerror or str(problem),
            remedy=f"Check free space and permissions; or move it to {path} by hand.",
        ) from problem
