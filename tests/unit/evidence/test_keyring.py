"""The keyring: what counts is read, anything else breaks it, and trust leads forward only."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.errors import EvidenceError
from ivr.evidence.keyring import Act, Keyring, is_continued, keyring_path
from ivr.evidence.keyring_writing import append, begin_keyring, signed_line
from ivr.evidence.signer import FileSigner
from tests.fakes.evidence_site import SteppingClock

ASSETS = Path(__file__).parents[2] / "assets" / "keyring"
GOOD = (ASSETS / "good.jsonl").read_bytes()
WRONG = sorted(ASSETS.glob("wrong.*.jsonl"))
WORDS = {
    "endorsed_by_a_revoked_key": "line 5: .*unknown or revoked",
    "revoked_by_a_revoked_key": "line 5: .*unknown or revoked",
    "signed_by_a_stranger": "line 3: .*unknown or revoked",
    "endorsed_after_its_revocation": "line 5: the key was endorsed before",
    "a_line_left_out": "line 2",
    "payload_changed": "line 2: it does not match",
    "public_key_as_hmac_secret": "line 2: it is no ivr-keyring signature",
    "algorithm_none": "line 2: it is no ivr-keyring signature",
    "cut_within_a_line": "ends within a line",
    "rsa_of_1024_bits": "line 2: it is not Ed25519",
}


def test_a_good_keyring_tells_each_key_and_the_one_in_use():
    ring = Keyring.parse(GOOD)
    first, second, third = ring.endorsed
    assert ring.site == "dak-lak"
    assert ring.newest.key_sha256 == third
    assert [ring.counts(key) for key in (first, second, third)] == [False, True, True]
    assert ring.revoked[first].reason == "khóa bị lấy cắp"
    assert ring.revoked[first].log_size == 12


def test_trust_leads_forward_only():
    ring = Keyring.parse(GOOD)
    first, second, third = ring.endorsed
    assert ring.leads(first, third)
    assert ring.leads(first, second)
    assert ring.leads(second, third)
    assert ring.leads(third, third)
    assert not ring.leads(third, first)
    assert not ring.leads(second, first)
    assert not ring.leads("0" * 64, first)
    assert not ring.leads(first, "0" * 64)


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.name.split(".")[1])
def test_a_wrong_keyring_is_refused_with_the_line_and_the_reason(file):
    with pytest.raises(EvidenceError, match=WORDS.get(file.name.split(".")[1], "line |empty")):
        Keyring.read(file)


def test_there_is_a_fixture_for_each_reason():
    assert {file.name.split(".")[1] for file in WRONG} >= WORDS.keys()
    assert len(WRONG) > 50


@settings(deadline=None)  # RSA on a busy machine
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_byte_that_changes_breaks_it(at, by):
    changed = GOOD[:at] + bytes([GOOD[at] ^ by]) + GOOD[at + 1 :]
    with pytest.raises(EvidenceError):
        Keyring.parse(changed)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_crash(data):
    with pytest.raises(EvidenceError):
        Keyring.parse(data)


def test_a_copy_is_the_same_as_far_as_it_goes():
    first_two = b"".join(line + b"\n" for line in GOOD.split(b"\n")[:2])
    assert is_continued(first_two, GOOD)
    assert is_continued(GOOD, first_two)
    assert not is_continued(GOOD, first_two.replace(b"a", b"b", 1))


@pytest.fixture
def signer(tmp_path):
    return FileSigner.open(tmp_path / "keys" / "site.pem")


def test_the_first_key_is_laid_out_for_handing_over(tmp_path, signer):
    ring = begin_keyring(tmp_path, "dak-lak", signer, SteppingClock())
    assert ring.first.key_sha256 == signer.key_sha256
    assert (tmp_path / "keys" / "first.pub.pem").read_bytes() == signer.public_pem


def test_processes_that_begin_at_once_write_one_line(tmp_path, signer, forked):
    def work():
        begin_keyring(tmp_path, "dak-lak", signer, SteppingClock())

    children = [forked(work) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert len(Keyring.read(keyring_path(tmp_path)).lines) == 1
    names = {path.name for path in (tmp_path / "keys").iterdir()}
    assert names == {"keyring.jsonl", "site.pem", "site.pub.pem", "first.pub.pem"}


def test_a_lost_keyring_is_no_fresh_start(tmp_path, signer):
    (tmp_path / "site-log.jsonl").write_bytes(b"{}\n")
    with pytest.raises(EvidenceError, match="sealed before") as caught:
        begin_keyring(tmp_path, "dak-lak", signer, SteppingClock())
    assert "every export carries one" in caught.value.remedy


def test_a_line_that_does_not_count_is_not_written(tmp_path, signer):
    begin_keyring(tmp_path, "dak-lak", signer, SteppingClock())
    before = keyring_path(tmp_path).read_bytes()
    again = signed_line(
        Act.ENDORSE,
        signer,
        signer.public_pem,
        site="dak-lak",
        log_size=0,
        at="2026-11-25T02:00:00.000000Z",
        previous=Keyring.parse(before).lines[-1].sha256,
    )
    with pytest.raises(EvidenceError, match="endorsed before"):
        append(tmp_path, again)
    assert keyring_path(tmp_path).read_bytes() == before


def test_a_key_is_named_by_eight_digits_at_least():
    ring = Keyring.parse(GOOD)
    for key in ring.endorsed:
        assert ring.key(key[:8].upper()).key_sha256 == key
        for beginning in (key[:7], "", "0" * 8):
            with pytest.raises(EvidenceError, match="No one key"):
                ring.key(beginning)
