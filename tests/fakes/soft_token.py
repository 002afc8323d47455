"""A real PKCS#11 token in software (SoftHSM 2) in a folder of the test's own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pkcs11

from ivr.evidence.token_signer import TokenKey

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SO_PIN = "2468", "13579"


@dataclass
class SoftToken:
    """One token with the label ``label``; the library is initialised once a process, so all
    tokens of a test run lie under one configuration."""

    folder: Path
    label: str

    @classmethod
    def make(cls, folder: Path, label: str) -> "SoftToken":
        if "SOFTHSM2_CONF" not in os.environ:
            raise AssertionError("the fixture `token_folder` sets SOFTHSM2_CONF")
        folder.mkdir(parents=True, exist_ok=True)
        token = cls(folder, label)
        token._softhsm("--init-token", "--free", "--label", label, "--so-pin", SO_PIN)
        token.pin_file.write_text(PIN + "\n", encoding="utf-8")
        token.pin_file.chmod(0o600)
        return token

    @property
    def pin_file(self) -> Path:
        return self.folder / f"{self.label}.pin"

    def key(self, label: str) -> TokenKey:
        return TokenKey(MODULE, self.label, label, self.pin_file)

    def settings(self, label: str) -> dict[str, object]:
        return {
            "pkcs11_module": MODULE,
            "pkcs11_token": self.label,
            "pkcs11_key": label,
            "pkcs11_pin_file": self.pin_file,
        }

    def add(self, label: str, number: str, *options: str) -> bytes:
        """A key made by openssl and put onto the token; returns its private PEM."""
        pem = openssl("genpkey", *options)
        file = self.folder / f"{label}.pem"
        file.write_bytes(pem)
        self._softhsm("--token", self.label, "--import", file, "--label", label, "--id", number)
        file.unlink()
        return pem

    def _softhsm(self, *arguments: object) -> None:
        done = subprocess.run(
            ["softhsm2-util", *map(str, arguments), "--pin", PIN], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        forget_sessions()


def forget_sessions() -> None:
    """As if every token was taken out and put back: sessions and log-ins are gone."""
    pkcs11.lib(str(MODULE)).reinitialize()


def openssl(*arguments: object, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
EC384 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
RSA1024 = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
ED25519 = ("-algorithm", "ED25519")
