"""The verifier's own judgement of keyrings, over those that the house has to refuse as well."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from ivr.evidence.verifier import Case

KEYRINGS = Path(__file__).parents[2] / "assets" / "keyring"
REFUSALS = (ValueError, LookupError, TypeError, RecursionError, InvalidSignature)
HARMLESS = {
    "empty",  # as if none were given
    "log_size_a_truth",  # members that it does not look at, but which are signed as they are
    "reason_a_number",
    "time_of_day_alone",
    "time_without_zone",
}


def judged(ring: Path, folder: Path) -> Case:
    """The keyring step of a case that the first key of the good keyring sealed."""
    first = (KEYRINGS / "good.jsonl").read_bytes().splitlines()[0]
    said = json.loads(urlsafe_b64decode(json.loads(first)["payload"] + "=="))
    (folder / "signer.pem").write_text(said["public_pem"])
    case = Case(folder, {"keyring": ring.read_bytes()})
    case.found = {"signer.pem": 1}
    case.sealed = {"site": said["site"]}
    case.keyring()
    return case


def test_a_keyring_leads_from_its_first_key_to_all_others(tmp_path):
    case = judged(KEYRINGS / "good.jsonl", tmp_path)
    acts = [
        json.loads(urlsafe_b64decode(json.loads(line)["payload"] + "=="))
        for line in (KEYRINGS / "good.jsonl").read_bytes().splitlines()
    ]
    assert case.keys.keys() == {act["key_sha256"] for act in acts}
    assert case.revoked == {a["key_sha256"]: a["log_size"] for a in acts if a["act"] == "revoke"}


@pytest.mark.parametrize("ring", sorted(KEYRINGS.glob("wrong.*")), ids=lambda ring: ring.stem)
def test_a_keyring_that_is_wrong_is_refused(tmp_path, ring):
    if ring.stem.removeprefix("wrong.") in HARMLESS:
        case = judged(ring, tmp_path)
        assert case.own in case.keys
        return
    with pytest.raises(REFUSALS):  # the step makes an answer of whatever is raised
        judged(ring, tmp_path)
