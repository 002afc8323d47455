"""No change to a vCon goes unseen, whoever signs it anew."""

from base64 import b64encode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ivr.evidence.canonical import canonical
from ivr.evidence.self_signed import self_signed
from ivr.evidence.signer import FileSigner
from tests.fakes.exported_vcon import failed, files_in, jws_of, said_in, signed_anew


def test_a_changed_byte_anywhere_is_found(house, whole, tmp_path):
    """At a dozen places over the whole file, headers, payload and signature."""
    data = whole.path.read_bytes()
    file = tmp_path / "changed.vcon.json"
    for at in range(0, len(data), len(data) // 12):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert failed(file, house[0]), at


@pytest.mark.parametrize("part", ["header", "protected", "signature"])
def test_a_changed_member_of_the_signature_is_found(house, whole, tmp_path, part):
    signed = jws_of(whole.path)
    (only,) = signed["signatures"]
    if part == "header":
        only["header"]["uuid"] = str(UUID(int=UUID(whole.uuid).int ^ 1))
    else:
        only[part] = ("A" if only[part][0] != "A" else "B") + only[part][1:]
    file = tmp_path / "changed.vcon.json"
    file.write_bytes(canonical(signed))
    assert failed(file, house[0])


def test_another_certificate_of_the_same_key_is_found(house, whole, tmp_path):
    """The unprotected header is bound by the digest in the protected one."""
    other = self_signed(house[0].signer, "ha-noi", datetime(2026, 1, 1, tzinfo=UTC))
    signed = jws_of(whole.path)
    der = other.public_bytes(Encoding.DER)
    signed["signatures"][0]["header"]["x5c"] = [b64encode(der).decode()]
    file = tmp_path / "changed.vcon.json"
    file.write_bytes(canonical(signed))
    assert "x5t#S256" in failed(file, house[0])["vcon signature"]


def test_signed_anew_by_a_stranger_it_is_found_with_the_trusted_key(house, whole, tmp_path):
    stranger = FileSigner.open(tmp_path / "stranger.pem")
    file = signed_anew(said_in(whole.path), stranger, tmp_path / "anew.vcon.json")
    assert failed(file, house[0]).keys() == {"vcon signing key"}


def _other_sound(said: dict) -> None:
    body = said["dialog"][0]["body"]
    said["dialog"][0]["body"] = body[:-8] + ("AAAAAAAA" if body[-8:] != "AAAAAAAA" else "BBBBBBBB")


def _other_packets(said: dict) -> None:
    file = files_in(said)["original/wire.pcapng"]
    file["body"] = file["body"][:-8] + "AAAAAAAA"


def _other_verdict(said: dict) -> None:
    file = files_in(said)["derived/verdict.json"]
    file["body"] = file["body"].replace('"scam"', '"clean"')


def _no_packets(said: dict) -> None:
    files_in(said)["original/wire.pcapng"].pop("body")


def _other_manifest(said: dict) -> None:
    file = files_in(said)["manifest.json"]
    file["body"] = file["body"].replace("+84912345678", "+84912345679")


def _shorter_custody(said: dict) -> None:
    file = files_in(said)["custody.jsonl"]
    file["body"] = "".join(file["body"].splitlines(keepends=True)[:-1])


def _one_more_file(said: dict) -> None:
    extra = {**files_in(said)["journal.jsonl"], "filename": "derived/more.json"}
    said["attachments"].append(extra)


def _no_manifest(said: dict) -> None:
    files_in(said)["manifest.json"].pop("body")


@pytest.mark.parametrize(
    ("crime", "step"),
    [
        (_other_sound, "files"),
        (_other_packets, "files"),
        (_other_verdict, "files"),
        (_no_packets, "files"),
        (_one_more_file, "files"),
        (_other_manifest, "signature"),
        (_shorter_custody, "custody"),
        (_no_manifest, "vcon sealed case"),
    ],
)
def test_what_the_site_itself_changes_afterwards_does_not_fit_the_seal(
    house, whole, tmp_path, crime, step
):
    """The case in it was sealed before: a vCon signed anew with the site's own key shows it."""
    said = said_in(whole.path)
    crime(said)
    file = signed_anew(said, house[0].signer, tmp_path / "anew.vcon.json")
    assert step in failed(file, house[0])
