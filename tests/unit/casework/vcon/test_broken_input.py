"""vCons of other programs, good and wrong in every way (tests/fakes/make_vcons.py): an answer each
time, by the step that looks at it; and the schema says what the model says."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ivr.casework.key_proof import KeyTrust
from ivr.casework.proof import prove_files
from ivr.casework.vcon_proof import opened_vcon
from ivr.evidence.certificates import read_certificates

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "tests" / "assets" / "vcon"
SCHEMA = json.loads((ROOT / "config/schema/vcon.schema.json").read_text(encoding="utf-8"))
GOOD = sorted(FOLDER.glob("good.*"))
WRONG = {path.name.split(".")[1]: path for path in sorted(FOLDER.glob("wrong.*"))}
FORM, HASHES, CASE = "vcon form", "vcon content hashes", "vcon sealed case"
NEITHER = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
"""A key that signed none of them."""
EXPECTED = {
    "empty": "Expecting value",
    "nested_too_deeply": "nested too deeply",
    "a_member_twice": "a member comes twice",
    "unsigned_form": "unsigned form: nobody vouches",
    "encrypted_form": "encrypted (JWE)",
    "two_signatures": "exactly one signature",
    "x5u_alone": "are not fetched",
    "x5c_of_another_key": "does not go with the certificate's key",
    "x5c_of_a_weak_key": "does not go with the certificate's key",
    "alg_none": "alg 'none'",
    "alg_of_a_shared_secret": "alg 'HS256'",
    "alg_in_both_differs": "stands in both headers",
    "critical_header": "critical parameters",
    "kid_of_another_key": "kid names another key",
    "x5t_of_another_certificate": "x5t#S256",
    "payload_changed": "does not match",
    "signature_empty": "does not match",
    "zip_cut_short": "cut short",
    "uuid_of_header_differs": "the header names the UUID",
    "critical_extension": "sealed_lips",
    "redacted_and_amended": "exclude each other",
    "party_that_is_not_there": "party 2 is named, and there are 2",
    "dialog_that_is_not_there": "dialog 1 is named",
    "attachment_that_is_not_there": "attachment 0 is named",
    "url_without_hash": "url without content_hash",
    "url_that_climbs": "does not end in the name of a file",
    "url_not_beside": "addresses are not fetched",
    "hash_of_sha1_alone": "has no SHA-512",
    "hash_of_an_inline_body": "was changed",
    "incomplete_with_a_body": "must not have body",
    "ours_of_uuid_version_4": "no UUID of version 8",
    "ours_without_manifest": "manifest.json is missing",
    "ours_with_a_name_that_climbs": "no name of a file in a case",
    "ours_with_an_absolute_name": "no name of a file in a case",
    "ours_with_a_name_twice": "comes twice",
    "ours_of_a_case_that_climbs": "names no case",
    "ours_with_a_broken_keyring": "line 1",
}
AT_SIGNATURE = {
    "empty", "not_json", "not_utf8", "an_array", "nested_too_deeply", "a_member_twice",
    "unsigned_form", "encrypted_form", "a_member_more", "no_signature", "two_signatures",
    "signatures_no_array", "no_header", "header_no_object", "protected_no_object", "x5c_missing",
    "x5u_alone", "x5c_empty", "x5c_no_base64", "x5c_no_certificate", "x5c_of_numbers",
    "x5c_too_long", "x5c_of_another_key", "x5c_of_a_weak_key", "alg_none",
    "alg_of_a_shared_secret", "alg_unprotected_alone", "alg_in_both_differs", "critical_header",
    "kid_of_another_key", "x5t_of_another_certificate", "payload_changed", "payload_no_base64url",
    "signature_changed", "signature_empty", "zip_cut_short", "zip_broken",
}  # fmt: skip
ELSEWHERE = {
    "url_without_file": HASHES,
    "url_that_climbs": HASHES,
    "url_not_beside": HASHES,
    "hash_of_sha1_alone": HASHES,
    "hash_of_an_inline_body": HASHES,
    "ours_without_manifest": CASE,
    "ours_of_a_case_that_climbs": CASE,
    "ours_with_a_broken_keyring": "vcon signing key",
}
NOT_OF_A_SCHEMA = {
    "uuid_of_header_differs", "critical_extension",
    "party_that_is_not_there", "dialog_that_is_not_there", "attachment_that_is_not_there",
    *ELSEWHERE,
}  # fmt: skip
"""What only the program can see: an index's array, a hash's file, the header's UUID."""


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_vcon_of_another_program_holds_with_its_key_and_authority(path):
    authorities = read_certificates(FOLDER / "root.pem", "--key-ca")
    trust = KeyTrust(FOLDER / "recorder.pub.pem", authorities=authorities)
    steps = prove_files(path, trust.trusted, None, None, trust)
    assert [step.name for step in steps if not step.ok] == []
    assert "another program" in steps[-1].detail


def test_its_key_is_not_believed_because_it_carries_a_certificate(tmp_path):
    own = tmp_path / "own.pub.pem"
    own.write_bytes(NEITHER.encode())
    steps = prove_files(GOOD[0], own, None, None, KeyTrust(own))
    assert [step.name for step in steps if not step.ok] == ["vcon signing key"]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_by_the_step_that_sees_it(name):
    with opened_vcon(WRONG[name], KeyTrust()) as (steps, case):
        failed = [step for step in steps if not step.ok]
    assert failed[0].name == _step_of(name), failed
    assert EXPECTED.get(name, "") in failed[0].detail
    assert case is None


def _step_of(name: str) -> str:
    return "vcon signature" if name in AT_SIGNATURE else ELSEWHERE.get(name, FORM)


def test_every_fixture_has_its_row():
    assert AT_SIGNATURE | ELSEWHERE.keys() | EXPECTED.keys() <= WRONG.keys()


def payload_of(path: Path) -> object:
    text = json.loads(path.read_bytes())["payload"]
    return json.loads(urlsafe_b64decode(text + "=="))


@pytest.mark.parametrize("name", sorted(WRONG.keys() - AT_SIGNATURE))
def test_the_schema_refuses_what_the_draft_forbids(name):
    is_valid = Draft202012Validator(SCHEMA).is_valid(payload_of(WRONG[name]))
    assert is_valid == (name in NOT_OF_A_SCHEMA or name.startswith("ours_"))


def test_the_schema_takes_the_good_ones():
    Draft202012Validator.check_schema(SCHEMA)
    signed = Draft202012Validator({**SCHEMA["$defs"]["signed"], "$defs": SCHEMA["$defs"]})
    for path in GOOD:
        signed.validate(json.loads(path.read_bytes()))
        if "zipped" not in path.name:
            Draft202012Validator(SCHEMA).validate(payload_of(path))
