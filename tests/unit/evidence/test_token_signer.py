"""A key on a real PKCS#11 token (SoftHSM): signs there, and every trouble has its words."""

import os
import shutil
import sys
import threading
from dataclasses import replace

import pkcs11
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from ivr.errors import EnvironmentProblem, EvidenceError
from ivr.evidence.algorithms import read_public, verified_payload
from ivr.evidence.token_signer import TokenSigner, must_have_tries
from tests.fakes.soft_token import EC, MODULE, SoftToken, forget_sessions

KEYS = {"ec": ("ES256", ECKey), "rsa": ("RS256", RSAKey)}


@pytest.mark.parametrize("label", KEYS)
def test_any_jose_library_accepts_what_the_token_signed(token, label):
    algorithm, kind = KEYS[label]
    signer = TokenSigner.open(token.key(label))
    assert signer.algorithm == algorithm
    signed = signer.sign(b"facts" * 10_000, "ivr-test")
    key = kind.import_key(signer.public_pem)
    checked = jws.deserialize_json(signed, key, algorithms=[algorithm])
    assert checked.payload == b"facts" * 10_000
    assert checked.members[0].protected == {
        "alg": algorithm,
        "kid": signer.key_sha256,
        "typ": "ivr-test",
    }


def test_a_key_is_found_by_its_fingerprint_whatever_its_label(token):
    wanted = TokenSigner.open(token.key("rsa"))
    assert TokenSigner.open(token.key("ec"), wanted.key_sha256).public_pem == wanted.public_pem


def test_threads_that_sign_at_once_do_not_disturb_each_other(token):
    signer = TokenSigner.open(token.key("ec"))
    key, wrong = read_public(signer.public_pem, "the key"), []

    def work(name):
        for n in range(20):
            payload = f"{name} {n}".encode()
            if verified_payload(signer.sign(payload, "ivr-test"), key, "ivr-test") != payload:
                wrong.append(payload)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_token_that_was_taken_out_and_put_back_is_opened_again(token):
    signer = TokenSigner.open(token.key("rsa"))
    forget_sessions()
    signed = signer.sign(b"facts", "ivr-test")
    assert verified_payload(signed, signer.public_key, "ivr-test") == b"facts"


def test_a_token_that_stays_away_is_told(token_folder):
    gone = SoftToken.make(token_folder, "gone")
    gone.add("ec", "01", *EC)
    signer = TokenSigner.open(gone.key("ec"))
    (folder,) = (
        file.parent
        for file in (token_folder / "softhsm").glob("*/token.object")
        if b"gone" in file.read_bytes()
    )
    shutil.rmtree(folder)
    forget_sessions()
    with pytest.raises(EvidenceError, match="not plugged in"):
        signer.sign(b"facts", "ivr-test")
    with pytest.raises(EvidenceError, match="not plugged in"):
        TokenSigner.open(gone.key("ec"))


def test_a_forked_child_can_neither_sign_nor_open(token, forked):
    signer = TokenSigner.open(token.key("ec"))

    def work():
        for attempt in (lambda: signer.sign(b"x", "t"), lambda: TokenSigner.open(token.key("ec"))):
            with pytest.raises(EvidenceError, match="forked"):
                attempt()

    assert os.waitpid(forked(work), 0)[1] == 0
    signed = signer.sign(b"the parent goes on", "ivr-test")
    assert verified_payload(signed, signer.public_key, "ivr-test") == b"the parent goes on"


def test_a_wrong_pin_is_told_and_asked_once(token, tmp_path):
    pin_file = tmp_path / "pin"
    pin_file.write_text("0000")
    pin_file.chmod(0o600)
    with pytest.raises(EvidenceError, match="PIN is wrong"):
        TokenSigner.open(replace(token.key("ec"), pin_file=pin_file))
    TokenSigner.open(token.key("ec"))  # the right one clears the count


@pytest.mark.parametrize("flag", ["USER_PIN_FINAL_TRY", "USER_PIN_LOCKED"])
def test_the_last_try_is_left_to_a_person(token, flag):
    must_have_tries(token.key("ec"), pkcs11.TokenFlag.USER_PIN_COUNT_LOW)
    with pytest.raises(EvidenceError, match="locked"):
        must_have_tries(token.key("ec"), pkcs11.TokenFlag[flag])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "nobody"}, "no private keys have label 'nobody'"),
        ({"label": ""}, "4 private keys have"),
        ({"token": "elsewhere"}, "not plugged in"),
    ],
)
def test_what_is_not_there_or_not_clear_is_told(token, changes, words):
    with pytest.raises(EvidenceError, match=words):
        TokenSigner.open(replace(token.key("ec"), **changes))


@pytest.mark.parametrize("label", ["weak", "wrong-curve"])
def test_a_key_that_is_too_weak_or_of_another_curve_is_refused(token, label):
    with pytest.raises(EvidenceError, match="P-256, or RSA of 2048"):
        TokenSigner.open(token.key(label))


def test_a_pin_file_that_others_may_read_is_refused(token, tmp_path):
    pin_file = tmp_path / "pin"
    pin_file.write_text("2468")
    pin_file.chmod(0o644)
    with pytest.raises(EvidenceError, match="others may read"):
        TokenSigner.open(replace(token.key("ec"), pin_file=pin_file))


def test_an_empty_or_missing_pin_file_is_told(token, tmp_path):
    empty = tmp_path / "pin"
    empty.touch(0o600)
    for file, words in ((empty, "is empty"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(EvidenceError, match=words):
            TokenSigner.open(replace(token.key("ec"), pin_file=file))


def test_without_the_library_the_extra_is_named(token, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pkcs11"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EnvironmentProblem, match="python-pkcs11") as caught:
        TokenSigner.open(token.key("ec"))
    assert "ivr[pkcs11]" in caught.value.remedy


def test_a_driver_that_is_not_installed_is_told(token, tmp_path):
    with pytest.raises(EnvironmentProblem, match="is missing"):
        TokenSigner.open(replace(token.key("ec"), module=tmp_path / "driver.so"))


def test_a_file_that_is_no_driver_is_told(token, tmp_path):
    text = tmp_path / "driver.so"
    text.write_text("not a library")
    with pytest.raises(EvidenceError, match="cannot be used"):
        TokenSigner.open(replace(token.key("ec"), module=text))


def test_a_key_that_asks_for_its_pin_each_time_signs(token_folder):
    """CKA_ALWAYS_AUTHENTICATE, as keys for qualified signatures have it."""
    strict = SoftToken.make(token_folder, "strict")
    with (
        pkcs11.lib(str(MODULE))
        .get_token(token_label="strict")
        .open(rw=True, user_pin="2468") as session
    ):
        session.generate_keypair(
            pkcs11.KeyType.RSA,
            2048,
            label="qualified",
            id=b"\x09",
            store=True,
            private_template={pkcs11.Attribute.ALWAYS_AUTHENTICATE: True},
        )
    forget_sessions()
    signer = TokenSigner.open(strict.key("qualified"))
    for _ in range(2):
        signed = signer.sign(b"facts", "ivr-test")
        assert verified_payload(signed, signer.public_key, "ivr-test") == b"facts"
