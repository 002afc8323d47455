"""Time-stamps of the seal (RFC 3161): that it existed at a time which is not ours to say.

Stamped is manifest.jws: the signature, and through it the manifest with every digest in it. So a
seal set before its key was revoked can be told from one set after. The token is the authority's
answer, byte for byte, in ``reports/``, which no seal covers; the certificates it was checked
against lie beside it.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    TimeStampTokenInfo,
    VerifierBuilder,
    decode_timestamp_response,
)

from ivr.clock import to_iso
from ivr.errors import EvidenceError, SettingsError
from ivr.evidence.der_order import sorted_certificates
from ivr.evidence.layout import COMMIT, MANIFEST
from ivr.evidence.steps import Step, printable
from ivr.settings import TimestampSettings, resolve

TOKEN = "reports/manifest.jws.tsr"  # noqa: S105 - a file's name
TRUSTED = "reports/manifest.jws.tsr.ca.pem"
STEP = "time-stamp"
LARGEST_TOKEN = 1 << 20  # an answer with a long chain has some ten kB
_REMEDY = "Keep the file, compare with a copy of the case, and ask the authority."


@dataclass(frozen=True, slots=True)
class Trust:
    """What a token must satisfy.

    Args:
        roots: certificates its signer must lead to; empty: those kept with the case, which then
            proves only that the case is consistent, and is said.
        policy: OID it must name; empty: any.
        tolerance: how far the host's clock may be ahead of the authority's.
        is_required: whether a case without a token is a failure.
    """

    roots: tuple[x509.Certificate, ...] = ()
    policy: str = ""
    tolerance: timedelta = timedelta(seconds=2)
    is_required: bool = False

    @classmethod
    def of(cls, settings: TimestampSettings, ca_file: Path | None = None) -> "Trust":
        """The trust of this installation; ``ca_file`` in place of the one in the settings.

        Raises:
            SettingsError: the certificates cannot be read.
        """
        file = ca_file or (resolve(settings.ca_file) if settings.ca_file else None)
        tolerance = timedelta(seconds=settings.clock_tolerance_s)
        roots = read_roots(file) if file else ()
        return cls(roots, settings.policy, tolerance, settings.required)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a token says: when (UTC), by whom (the signer's name, RFC 4514), under which policy."""

    at: datetime
    authority: str
    policy: str
    serial: int


def read_roots(file: Path) -> tuple[x509.Certificate, ...]:
    """Certificates of a PEM file.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except (OSError, ValueError) as problem:
        raise SettingsError(
            "The certificates of the time-stamping authority cannot be read.",
            why=f"{file}: {problem}",
            remedy="Put a PEM file with its root certificate there ([timestamp] ca_file).",
        ) from problem


def request_for(seal: bytes) -> TimeStampRequest:
    """A request with a fresh nonce over the SHA-256 of manifest.jws, asking for certificates."""
    builder = TimestampRequestBuilder().data(seal).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def check_token(
    token: bytes, case: Path, trust: Trust, request: TimeStampRequest | None = None
) -> Stamp:
    """Check an authority's answer for the seal of ``case``, offline.

    The chain is checked as it stood at the time of stamping (certificates may expire later).

    Args:
        request: what was asked, when the answer is fresh: its nonce must come back.

    Raises:
        EvidenceError: refused by the authority, no token, changed, for another seal, by a signer
            that ``trust`` does not lead to or whose certificates were not valid then, under
            another policy, or stamped before the time that the manifest names.
    """
    answer = decode(token)
    try:
        _verify(answer, (case / COMMIT).read_bytes(), trust, request)
        _must_follow_the_seal(answer.tst_info, case, trust.tolerance)
        return _stamp(answer)
    except (EvidenceError, OSError):
        raise
    except Exception as problem:  # foreign bytes: whatever a library says of them, they do not hold
        raise wrong(str(problem) or type(problem).__name__) from problem


def _verify(
    answer: TimeStampResponse, seal: bytes, trust: Trust, request: TimeStampRequest | None
) -> None:
    VerifierBuilder(
        roots=list(trust.roots),
        policy_id=x509.ObjectIdentifier(trust.policy) if trust.policy else None,
        nonce=request.nonce if request else None,
    ).build().verify_message(answer, seal)


def decode(token: bytes) -> TimeStampResponse:
    """The answer with its token, not yet checked.

    Raises:
        EvidenceError: it is none, or the authority refused.
    """
    if len(token) > LARGEST_TOKEN:
        raise wrong(f"{len(token)} bytes are more than any token has")
    try:
        answer = decode_timestamp_response(sorted_certificates(token))
        status = answer.status
        if status == 0:
            _stamp(answer)
    except Exception as problem:  # foreign bytes: whatever the library says, it is no token
        raise wrong(f"it is no RFC 3161 answer: {problem}") from problem
    if status != 0:
        words = "; ".join(answer.status_string)
        raise wrong(f"the authority refused: status {status} {words}".strip())
    return answer


def stored_stamp(case: Path) -> Stamp | None:
    """What the token of a case says, unchecked; None when there is none.

    Raises:
        EvidenceError: it cannot be read.
    """
    try:
        return _stamp(decode((case / TOKEN).read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise wrong(problem.strerror or str(problem)) from problem


def timestamp_step(case: Path, n: int, trust: Trust) -> Step:
    """The step of ``ivr verify`` after those of ``verifier.py``. Reads only; never raises."""
    try:
        return Step(n, STEP, *_judged(case, trust))
    except (EvidenceError, SettingsError) as problem:
        return Step(n, STEP, False, printable(f"{problem.what} {problem.why}"))
    except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
        why = f"cannot be read: {type(problem).__name__} {problem}"
        return Step(n, STEP, False, printable(why))


def _judged(case: Path, trust: Trust) -> tuple[bool, str]:
    if not (case / TOKEN).exists():
        demanded = "; the settings require one" if trust.is_required else ""
        return not trust.is_required, f"none: times are the recording host's alone{demanded}"
    is_compared = bool(trust.roots)
    if not is_compared:
        trust = replace(trust, roots=read_roots(case / TRUSTED))
    stamp = check_token((case / TOKEN).read_bytes(), case, trust)
    said = f"sealed before {to_iso(stamp.at)}, says {stamp.authority} (serial {stamp.serial:x}, "
    said += f"policy {stamp.policy})"
    if not is_compared:
        said += "; authority not compared (no [timestamp] ca_file, no --tsa-ca): ask the site"
    return True, printable(said)


def _must_follow_the_seal(said: TimeStampTokenInfo, case: Path, tolerance: timedelta) -> None:
    """The host cannot have sealed after the authority stamped: then its clock was wrong, or the
    times in the manifest were."""
    try:
        times = json.loads((case / MANIFEST).read_bytes())["times"]
        sealed_at = datetime.fromisoformat(times["sealed_at"])
        latest = said.gen_time + _accuracy(said) + tolerance
        is_later = sealed_at > latest
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise wrong(f"{MANIFEST} does not say when it was sealed: {problem}") from problem
    if is_later:
        raise wrong(
            f"the manifest says sealed at {to_iso(sealed_at)}, but the seal was already stamped at "
            f"{to_iso(said.gen_time)}, with all allowance until {to_iso(latest)}"
        )


def _accuracy(said: TimeStampTokenInfo) -> timedelta:
    """As stated; one second when it is not, since times may be given in whole seconds."""
    stated = said.accuracy
    if stated is None:
        return timedelta(seconds=1)
    micros = (stated.millis or 0) * 1000 + (stated.micros or 0)
    return timedelta(seconds=stated.seconds or 0, microseconds=micros)


def _stamp(answer: TimeStampResponse) -> Stamp:
    said = answer.tst_info
    return Stamp(
        said.gen_time.astimezone(UTC),
        _signer(answer),
        said.policy.dotted_string,
        said.serial_number,
    )


def _signer(answer: TimeStampResponse) -> str:
    """Subject of the certificate that signed; its issuer when the answer carries no certificate."""
    (signer,) = answer.signed_data.signer_infos
    for der in answer.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(der)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number):
            return certificate.subject.rfc4514_string()
    return f"a signer under {signer.issuer.rfc4514_string()}"


def wrong(why: str) -> EvidenceError:
    """A token that proves nothing."""
    return EvidenceError("The time-stamp does not hold.", why=why, remedy=_REMEDY)
