"""What `ivr doctor` looks at about the site's keys. Nothing here is written."""

from datetime import UTC, datetime, timedelta

from ivr.app import data_root, key_path
from ivr.checks import Check, Level
from ivr.evidence.certificates import is_of, name_of, read_certificates
from ivr.evidence.keyring import FIRST_KEY, Keyring, keyring_path
from ivr.evidence.signer import FileSigner
from ivr.evidence.signing import find_signer, token_key
from ivr.evidence.token_signer import TokenSigner
from ivr.settings import Settings, resolve

RENEW_BEFORE = timedelta(days=30)  # an authority takes days, and wants to see papers
REQUEST = "`ivr keys request`, then name what the authority returns in certificate_file."


def signing_key(settings: Settings) -> Check:
    """The key can be used now; a token is plugged in and its PIN right."""
    evidence, root = settings.evidence, data_root(settings)
    path, where, ring = key_path(settings), token_key(evidence), Keyring.of_site(root)
    if ring is not None:
        signer = find_signer(evidence, root, ring.newest.key_sha256)
    elif where is not None:
        signer = TokenSigner.open(where)
    elif path.exists():
        signer = FileSigner.read(path)
    else:
        return Check("signing key", Level.OK, f"{path} will be made with the first case")
    detail = f"{signer.algorithm} {signer.key_sha256[:16]}…, {signer.place}"
    if where is not None and isinstance(signer, FileSigner):
        remedy = "`ivr keys rotate --to pkcs11` puts the token's key into use."
        return Check("signing key", Level.WARNING, f"{detail}; the token is not in use", remedy)
    return Check("signing key", Level.OK, detail)


def keyring(settings: Settings) -> Check:
    """It leads from the key that was handed out to the one in use."""
    root = data_root(settings)
    ring = Keyring.of_site(root)
    if ring is None:
        return Check("keyring", Level.OK, "will begin with the first case")
    ring.must_be_of(settings.evidence.site)
    newest, first = ring.newest, keyring_path(root).with_name(FIRST_KEY)
    detail = f"{len(ring.endorsed)} keys, {len(ring.revoked)} revoked, in use since {newest.at}"
    if not ring.leads(ring.first.key_sha256, newest.key_sha256):
        remedy = "Put the keyring back from a copy; exports carry it."
        return Check("keyring", Level.FAILED, f"{detail}; the first does not lead to it", remedy)
    if not first.exists() or first.read_text(encoding="utf-8") != ring.first.public_pem:
        remedy = f"Put {first} back: it is what readers know the site by."
        return Check("keyring", Level.WARNING, f"{detail}; {first.name} is not its key", remedy)
    return Check("keyring", Level.OK, detail)


def certificate(settings: Settings) -> Check:
    """It is of the key in use, and goes on being valid for a while."""
    file = settings.evidence.certificate_file
    if file is None:
        return Check("certificate", Level.OK, "none: the fingerprint is the site's name")
    leaf = read_certificates(resolve(file), "[evidence] certificate_file")[0]
    ring = Keyring.of_site(data_root(settings))
    until = f"{name_of(leaf)}, until {leaf.not_valid_after_utc:%Y-%m-%d}"
    if ring is not None and not is_of(leaf, ring.newest.key_sha256):
        if any(is_of(leaf, key) for key in ring.endorsed):
            said = f"{until}: of a former key, left out of seals"
            return Check("certificate", Level.WARNING, said, REQUEST)
        said = f"{until}: of a key that is not this site's"
        return Check("certificate", Level.FAILED, said, REQUEST)
    now = datetime.now(UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        return Check("certificate", Level.WARNING, f"{until}: not valid today", REQUEST)
    if leaf.not_valid_after_utc - now < RENEW_BEFORE:
        return Check("certificate", Level.WARNING, f"{until}: it ends soon", REQUEST)
    return Check("certificate", Level.OK, until)
