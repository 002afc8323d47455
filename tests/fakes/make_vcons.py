"""Makes tests/assets/vcon: vCons of another program, and one for each way to be wrong.

    python -m tests.fakes.make_vcons

Written with none of the program's own code, after draft-ietf-vcon-vcon-core-04. Keys are fresh at
each run, so the files are other bytes each time; they are kept, and this is how they came to be.
"""

import gzip
import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

FOLDER = Path(__file__).parents[1] / "assets" / "vcon"
UUID = "019ab2c4-5e6f-8abc-9234-56789abcdef0"
OLD_UUID = "019ab2c4-5e6f-4abc-9234-56789abcdef0"
Document = dict[str, Any]
SAID: Document = {
    "uuid": UUID,
    "created_at": "2026-11-25T02:00:00Z",
    "parties": [{"tel": "tel:+84912345678"}, {"name": "anonymous", "validation": "none"}],
    "dialog": [
        {
            "type": "text",
            "start": "2026-11-25T02:00:00+00:00",
            "parties": [0, 1],
            "mediatype": "text/plain",
            "body": "Chị chuyển tiền ngay.",
            "encoding": "none",
        }
    ],
    "analysis": [
        {"type": "summary", "vendor": "x", "dialog": 0, "body": {"a": 1}, "encoding": "json"}
    ],
    "attachments": [],
}
SITE_KEY = ed25519.Ed25519PrivateKey.generate()
ROOT_KEY = rsa.generate_private_key(65537, 2048)
KEY = rsa.generate_private_key(65537, 2048)
WEAK_KEY = rsa.generate_private_key(65537, 1024)


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def certificate(subject: str, key: Any, issuer: str, by: Any, *, is_ca: bool) -> x509.Certificate:
    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    digest = None if isinstance(by, ed25519.Ed25519PrivateKey) else SHA256()
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .sign(by, digest)
    )


ROOT = certificate("Test root", ROOT_KEY, "Test root", ROOT_KEY, is_ca=True)
LEAF = certificate("recorder.example", KEY, "Test root", ROOT_KEY, is_ca=False)
OTHER = certificate("other.example", SITE_KEY, "Test root", ROOT_KEY, is_ca=False)
WEAK = certificate("weak.example", WEAK_KEY, "Test root", ROOT_KEY, is_ca=False)


def der(cert: x509.Certificate) -> bytes:
    return cert.public_bytes(Encoding.DER)


def x5c(*chain: x509.Certificate) -> list[str]:
    return [b64encode(der(each)).decode() for each in chain]


def jws(
    payload: bytes,
    protected: Document,
    header: Document,
    sign: Callable[[bytes], bytes] = lambda data: KEY.sign(data, padding.PKCS1v15(), SHA256()),
) -> Document:
    text, body = b64(dump(protected)), b64(payload)
    signature = b64(sign(f"{text}.{body}".encode()))
    only = {"header": header, "protected": text, "signature": signature}
    return {"payload": body, "signatures": [only]}


RS256: Document = {"alg": "RS256", "typ": "JWT"}
HEADER: Document = {"uuid": UUID, "x5c": x5c(LEAF, ROOT)}


def signed(said: object = SAID, protected: Document = RS256, header: Document = HEADER) -> Document:
    return jws(dump(said), protected, header)


def ours(said: Document) -> Document:
    return signed(said, {"alg": "RS256", "typ": "ivr-vcon"})


def changed(where: str, value: object) -> Document:
    """`SAID` with another value at ``a.0.b``."""
    said = deepcopy(SAID)
    *path, last = where.split(".")
    at: Any = said
    for step in path:
        at = at[int(step) if isinstance(at, list) else step]
    at[last] = value
    return said


def without(where: str) -> Document:
    said = deepcopy(SAID)
    *path, last = where.split(".")
    at: Any = said
    for step in path:
        at = at[int(step) if isinstance(at, list) else step]
    del at[last]
    return said


def dialog(**members: object) -> Document:
    return {**SAID, "dialog": [{"type": "recording", "parties": [0], **members}]}


def attached(*files: Document) -> Document:
    fixed = {"start": SAID["created_at"], "party": 0, "dialog": 0, "mediatype": "text/plain"}
    return {**SAID, "attachments": [{**fixed, "encoding": "none", **file} for file in files]}


def forms() -> dict[str, Any]:
    """What is no signed vCon, or whose signature does not hold."""
    good, doubled = signed(), {**HEADER, "alg": "RS256"}
    only = good["signatures"][0]
    with_header = lambda **more: {**good, "signatures": [{**only, **more}]}  # noqa: E731 - short
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hs256 = lambda data: hmac.digest(public, data, "sha256")  # noqa: E731 - short
    weak = lambda data: WEAK_KEY.sign(data, padding.PKCS1v15(), SHA256())  # noqa: E731 - short
    zipped = gzip.compress(dump(SAID), mtime=0)
    text = dump(good).decode()
    return {
        "empty": b"",
        "not_json": b"vcon",
        "not_utf8": b'{"payload":"\xff"}',
        "an_array": [good],
        "nested_too_deeply": b"[" * 200_000,
        "a_member_twice": text.replace('{"payload"', '{"payload":"","payload"', 1).encode(),
        "unsigned_form": SAID,
        "encrypted_form": {"unprotected": {}, "recipients": [], "ciphertext": "", "iv": ""},
        "a_member_more": {**good, "note": "unsigned"},
        "no_signature": {**good, "signatures": []},
        "two_signatures": {**good, "signatures": [only, only]},
        "signatures_no_array": {**good, "signatures": only},
        "no_header": {**good, "signatures": [{k: only[k] for k in ("protected", "signature")}]},
        "header_no_object": with_header(header=[1]),
        "protected_no_object": with_header(protected=b64(b"[]")),
        "x5c_missing": with_header(header={"uuid": UUID}),
        "x5u_alone": with_header(header={"x5u": "https://recorder.example/chain.pem"}),
        "x5c_empty": with_header(header={"x5c": []}),
        "x5c_no_base64": with_header(header={"x5c": ["?"]}),
        "x5c_no_certificate": with_header(header={"x5c": [b64encode(b"x").decode()]}),
        "x5c_of_numbers": with_header(header={"x5c": [1]}),
        "x5c_too_long": with_header(header={"x5c": x5c(*[LEAF] * 9)}),
        "x5c_of_another_key": with_header(header={"x5c": x5c(OTHER, ROOT)}),
        "x5c_of_a_weak_key": jws(dump(SAID), RS256, {"x5c": x5c(WEAK)}, weak),
        "alg_none": signed(protected={"alg": "none"}),
        "alg_of_a_shared_secret": jws(dump(SAID), {"alg": "HS256"}, HEADER, hs256),
        "alg_unprotected_alone": signed(protected={"typ": "JWT"}, header=doubled),
        "alg_in_both_differs": signed(header={**HEADER, "alg": "ES256"}),
        "critical_header": signed(protected={**RS256, "crit": ["b64"], "b64": False}),
        "kid_of_another_key": signed(protected={**RS256, "kid": "0" * 64}),
        "x5t_of_another_certificate": signed(
            protected={**RS256, "x5t#S256": b64(hashlib.sha256(der(ROOT)).digest())}
        ),
        "payload_changed": {**good, "payload": b64(dump(changed("dialog.0.body", "Chào chị.")))},
        "payload_no_base64url": {**good, "payload": good["payload"] + "="},
        "signature_changed": with_header(signature=b64(bytes(256))),
        "signature_empty": with_header(signature=""),
        "zip_cut_short": jws(zipped[:-20], RS256, HEADER),
        "zip_broken": jws(zipped[:12] + b"\xff" * 9 + zipped[21:], RS256, HEADER),
    }  # fmt: skip


def contents() -> dict[str, Any]:
    """Signed, and not what a vCon may hold."""
    beside = {"mediatype": "audio/x-wav", "content_hash": "sha512-" + b64(bytes(64))}
    manifest = {"filename": "manifest.json", "body": '{"case_id":"../x"}'}
    return {
        "payload_no_object": signed([SAID]),
        "payload_a_member_twice": jws(dump(SAID)[:-1] + b',"uuid":"x"}', RS256, HEADER),
        "uuid_missing": signed(without("uuid")),
        "uuid_no_uuid": signed(changed("uuid", "1")),
        "uuid_of_header_differs": signed(header={**HEADER, "uuid": UUID[:-1] + "1"}),
        "created_at_missing": signed(without("created_at")),
        "created_at_without_zone": signed(changed("created_at", "2026-11-25T02:00:00")),
        "created_at_a_day": signed(changed("created_at", "2026-11-25")),
        "syntax_of_another_draft": signed({**SAID, "vcon": "0.0.1"}),
        "critical_extension": signed({**SAID, "critical": ["sealed_lips"]}),
        "redacted_and_amended": signed(
            {**SAID, "redacted": {"type": "x"}, "amended": {"uuid": UUID}}
        ),
        "redacted_without_type": signed({**SAID, "redacted": {}}),
        "amended_names_nothing": signed({**SAID, "amended": {}}),
        "parties_no_array": signed({**SAID, "parties": {}}),
        "dialog_without_type": signed(without("dialog.0.type")),
        "dialog_of_unknown_type": signed(changed("dialog.0.type", "song")),
        "party_that_is_not_there": signed(changed("dialog.0.parties", [0, [1, 2]])),
        "party_before_the_first": signed(changed("dialog.0.parties", -1)),
        "party_true": signed(changed("dialog.0.parties", True)),
        "dialog_that_is_not_there": signed(changed("analysis.0.dialog", 1)),
        "attachment_that_is_not_there": signed(changed("analysis.0.attachment", [0])),
        "analysis_without_vendor": signed(without("analysis.0.vendor")),
        "body_without_encoding": signed(without("dialog.0.encoding")),
        "body_without_mediatype": signed(without("dialog.0.mediatype")),
        "body_of_numbers": signed(changed("dialog.0.body", [1])),
        "body_and_url": signed(dialog(**beside, body="x", encoding="none", url="https://x/a.wav")),
        "url_without_hash": signed(dialog(mediatype="audio/x-wav", url="https://x/a.wav")),
        "url_without_tls": signed(dialog(**beside, url="http://x/a.wav")),
        "url_of_a_file_here": signed(dialog(**beside, url="file:///etc/passwd")),
        "url_without_file": signed(dialog(**beside, url="https://x/")),
        "url_that_climbs": signed(dialog(**beside, url="https://x/../..")),
        "url_not_beside": signed(dialog(**beside, url="https://x/a.wav")),
        "hash_that_is_none": signed(dialog(**{**beside, "content_hash": "abc"}, url="https://x/a")),
        "hash_of_sha1_alone": signed(
            dialog(**{**beside, "content_hash": "sha1-" + b64(bytes(20))}, url="https://x/a.wav")
        ),
        "hash_of_an_inline_body": signed(
            changed("dialog.0.content_hash", "sha512-" + b64(bytes(64)))
        ),
        "incomplete_without_disposition": signed(
            {**SAID, "dialog": [{"type": "incomplete"}]}
        ),
        "incomplete_with_a_body": signed(
            {**SAID, "dialog": [{**SAID["dialog"][0], "type": "incomplete", "disposition": "busy"}]}
        ),
        "duration_negative": signed(changed("dialog.0.duration", -1)),
        "ours_of_uuid_version_4": signed(
            {**SAID, "uuid": OLD_UUID},
            {"alg": "RS256", "typ": "ivr-vcon"},
            {**HEADER, "uuid": OLD_UUID},
        ),
        "ours_without_manifest": ours(SAID),
        "ours_with_a_name_that_climbs": ours(attached(manifest, {"filename": "../a", "body": "x"})),
        "ours_with_an_absolute_name": ours(attached(manifest, {"filename": "/tmp/a", "body": "x"})),
        "ours_with_a_name_twice": ours(attached(manifest, manifest)),
        "ours_of_a_case_that_climbs": ours(attached(manifest)),
        "ours_with_a_broken_keyring": ours(
            attached(manifest, {"filename": "keyring.jsonl", "body": "{}\n"})
        ),
    }  # fmt: skip


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.vcon.json"):
        old.unlink()
    doubled = {**HEADER, "alg": "RS256"}
    found: dict[str, Any] = {
        "good.foreign": signed(),
        "good.foreign-as-in-the-draft": signed(
            protected={**RS256, "x5c": HEADER["x5c"]}, header=doubled
        ),
        "good.foreign-zipped": jws(gzip.compress(dump(SAID), mtime=0), RS256, HEADER),
    }  # fmt: skip
    found |= {f"wrong.{name}": made for name, made in {**forms(), **contents()}.items()}
    for name, made in found.items():
        data = made if isinstance(made, bytes) else dump(made)
        (FOLDER / f"{name}.vcon.json").write_bytes(data)
    (FOLDER / "root.pem").write_bytes(ROOT.public_bytes(Encoding.PEM))
    (FOLDER / "recorder.pub.pem").write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


if __name__ == "__main__":
    main()
