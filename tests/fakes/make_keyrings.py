"""Makes tests/assets/keyring: a good keyring, and one for each way in which one can be wrong.

    python -m tests.fakes.make_keyrings

Written with none of the program's own code. Keys are fresh at each run, so the
files are other bytes each time; they are kept, and this is how they came to be.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FOLDER = Path(__file__).parents[1] / "assets" / "keyring"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
AT = "2026-11-25T0{}:00:00.000000Z"
Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(key: Key) -> str:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode()


def name(key: Key) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def said(act: str, key: Key, before: list[bytes], **changes: object) -> dict[str, object]:
    payload: dict[str, object] = {
        "act": act,
        "at": AT.format(len(before)),
        "key_sha256": name(key),
        "log_size": 4 * len(before),
        "previous": hashlib.sha256(before[-1]).hexdigest() if before else "0" * 64,
        "public_pem": pem(key),
        "reason": "khóa bị lấy cắp" if act == "revoke" else "",
        "site": "dak-lak",
    }
    return {**payload, **changes}


def signed(by: Key, payload: bytes, **header: object) -> dict[str, Any]:
    match by:
        case ed25519.Ed25519PrivateKey():
            algorithm = "Ed25519"
        case rsa.RSAPrivateKey():
            algorithm = "RS256"
        case _:
            algorithm = "ES256"
    text = b64(rfc8785.dumps({"alg": algorithm, "kid": name(by), "typ": "ivr-keyring", **header}))
    data = f"{text}.{b64(payload)}".encode()
    match by:
        case ed25519.Ed25519PrivateKey():
            signature = by.sign(data)
        case rsa.RSAPrivateKey():
            signature = by.sign(data, padding.PKCS1v15(), SHA256())
        case _:
            r, s = decode_dss_signature(by.sign(data, ec.ECDSA(SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return jws(payload, text, signature)


def jws(payload: bytes, protected: str, signature: bytes) -> dict[str, Any]:
    return {
        "payload": b64(payload),
        "signatures": [{"protected": protected, "signature": b64(signature)}],
    }


def without_a_key(header: dict[str, object], payload: bytes, secret: bytes) -> dict[str, Any]:
    """A JWS with the algorithm ``none``, or with the public key as the secret of an HMAC."""
    text = b64(rfc8785.dumps(header))
    tag = hmac.digest(secret, f"{text}.{b64(payload)}".encode(), "sha256") if secret else b""
    return jws(payload, text, tag)


def line(by: Key, act: str, key: Key, before: list[bytes], **changes: object) -> bytes:
    return rfc8785.dumps(signed(by, rfc8785.dumps(said(act, key, before, **changes))))


def main() -> None:
    first, thief = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    second, curve = (ec.generate_private_key(each()) for each in (ec.SECP256R1, ec.SECP384R1))
    third, weak = (rsa.generate_private_key(65537, bits) for bits in (2048, 1024))
    good: list[bytes] = []
    good.append(line(first, "endorse", first, good))
    good.append(line(first, "endorse", second, good))
    good.append(line(second, "endorse", third, good))
    good.append(line(third, "revoke", first, good))
    two = good[:2]
    last = json.loads(good[1])
    inner = said("endorse", second, good[:1])

    def again(value: dict[str, Any]) -> list[bytes]:
        return [good[0], rfc8785.dumps(value)]

    def altered(**changes: object) -> list[bytes]:
        return [good[0], line(first, "endorse", second, good[:1], **changes)]

    def more(by: Key, act: str, key: Key, before: list[bytes]) -> list[bytes]:
        return [*before, line(by, act, key, before)]

    spare = last["signatures"][0]["signature"]
    respelt = spare[:-1] + LETTERS[LETTERS.index(spare[-1]) ^ 1]
    rest = {key: value for key, value in inner.items() if key != "reason"}
    inner_bytes = rfc8785.dumps(inner)
    header: dict[str, object] = {"alg": "HS256", "kid": name(first), "typ": "ivr-keyring"}
    secret = pem(first).encode()
    wrong: dict[str, list[bytes]] = {
        "not_json": [good[0], b"{"],
        "not_an_object": [good[0], b"[]"],
        "not_canonical": [good[0], json.dumps(last).encode()],
        "not_utf8": [good[0], b'{"payload":"\xff"}'],
        "deeply_nested": [b'{"a":' * 5000 + b"1" + b"}" * 5000],
        "an_empty_line_within": [good[0], b"", good[1]],
        "payload_not_canonical": again(signed(first, json.dumps(inner).encode())),
        "payload_with_one_member_more": altered(note="x"),
        "payload_without_reason": again(signed(first, rfc8785.dumps(rest))),
        "payload_no_object": again(signed(first, b"[]")),
        "payload_changed": again({**last, "payload": b64(rfc8785.dumps({**inner, "reason": "x"}))}),
        "two_signatures": again({**last, "signatures": last["signatures"] * 2}),
        "no_signature": again({**last, "signatures": []}),
        "unprotected_header": again(
            {**last, "signatures": [{**last["signatures"][0], "header": {"kid": "x"}}]}
        ),
        "member_outside_the_signature": again({**last, "note": "x"}),
        "signature_respelt": again(
            {**last, "signatures": [{**last["signatures"][0], "signature": respelt}]}
        ),
        "signature_of_another_line": again(
            {**last, "signatures": json.loads(good[0])["signatures"]}
        ),
        "made_for_another_purpose": again(signed(first, inner_bytes, typ="ivr-manifest")),
        "header_with_another_member": again(signed(first, inner_bytes, crit=["exp"])),
        "algorithm_none": again(without_a_key({**header, "alg": "none"}, inner_bytes, b"")),
        "public_key_as_hmac_secret": again(without_a_key(header, inner_bytes, secret)),
        "algorithm_of_another_kind": again(signed(first, inner_bytes, alg="ES256")),
        "signed_by_a_stranger": more(thief, "endorse", thief, two),
        "signed_in_another_s_name": again(signed(thief, inner_bytes, kid=name(first))),
        "endorsed_by_a_revoked_key": more(first, "endorse", thief, good),
        "revoked_by_a_revoked_key": more(first, "revoke", second, good),
        "endorsed_twice": more(second, "endorse", second, two),
        "endorsed_after_its_revocation": more(second, "endorse", first, good),
        "revoked_twice": more(second, "revoke", first, good),
        "unknown_key_revoked": more(second, "revoke", thief, two),
        "first_line_revokes": [line(first, "revoke", first, [])],
        "first_line_by_another_key": [line(first, "endorse", second, [])],
        "first_line_names_one_before": [line(first, "endorse", first, [], previous="1" * 64)],
        "chain_broken": altered(previous="1" * 64),
        "a_line_left_out": [good[0], good[2], good[3]],
        "lines_in_another_order": [good[0], good[2], good[1]],
        "of_another_site": altered(site="gia-lai"),
        "log_grows_shorter": [*two, line(second, "endorse", third, two, log_size=3)],
        "log_size_negative": altered(log_size=-1),
        "log_size_a_text": altered(log_size="4"),
        "log_size_a_truth": altered(log_size=True),
        "reason_a_number": altered(reason=1),
        "time_without_zone": altered(at="2026-11-25T01:00:00.000000"),
        "time_of_day_alone": altered(at="01:00"),
        "act_unknown": [good[0], line(first, "praise", second, good[:1])],
        "fingerprint_of_another_key": altered(key_sha256=name(third)),
        "pem_respelt": altered(public_pem=pem(second).replace("\n", "\r\n")),
        "pem_no_key": altered(public_pem="x"),
        "rsa_of_1024_bits": [good[0], line(first, "endorse", weak, good[:1])],
        "curve_p384": [good[0], line(first, "endorse", curve, good[:1])],
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.jsonl"):
        old.unlink()
    (FOLDER / "good.jsonl").write_bytes(b"".join(each + b"\n" for each in good))
    (FOLDER / "wrong.empty.jsonl").write_bytes(b"")
    (FOLDER / "wrong.a_line_feed_alone.jsonl").write_bytes(b"\n")
    (FOLDER / "wrong.cut_within_a_line.jsonl").write_bytes(good[0] + b"\n" + good[1])
    for title, lines in wrong.items():
        (FOLDER / f"wrong.{title}.jsonl").write_bytes(b"".join(each + b"\n" for each in lines))


if __name__ == "__main__":
    main()
