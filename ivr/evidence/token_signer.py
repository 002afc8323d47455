"""A key on a token or in a hardware module, through PKCS#11: it signs there and never leaves.

One session for one process. Cryptoki is initialised without locks of its own, so every call goes
through one lock: journeys sign in threads. A library that was initialised does not survive a fork
(PKCS#11 2.40, 6.6.1): a child that was forked afterwards can neither sign nor open; one that is
started anew can.
"""

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ivr.errors import EnvironmentProblem, EvidenceError
from ivr.evidence.algorithms import ES256
from ivr.evidence.signer import SiteSigner
from ivr.evidence.token_objects import fingerprint_on, private_keys, public_key

if TYPE_CHECKING:
    from pkcs11 import PrivateKey, Session, Token

INSTALL = 'pip install "ivr[pkcs11]"'
# DigestInfo of SHA-256 (RFC 8017, 9.2): the digest is made here, a card would take seconds for it
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_LOCK = threading.RLock()
_LOADED: dict[str, int] = {}
"""Module to the process that initialised it."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Which key on which token.

    Args:
        module: the PKCS#11 library (.so) of the token's maker.
        token: label of the token; empty: the only one that is plugged in.
        label: CKA_LABEL of the private key; empty: the only one on the token.
        pin_file: a file that only its owner may read, with the PIN on its first line.
    """

    module: Path
    token: str
    label: str
    pin_file: Path

    def __str__(self) -> str:
        return f"key {self.label or '(the only one)'} on token {self.token or '(the only one)'}"


class TokenSigner(SiteSigner):
    """See `TokenSigner.open`."""

    def __init__(self, where: TokenKey, session: "Session", key: "PrivateKey") -> None:
        super().__init__(public_key(session, key))
        self._where, self._key = where, key
        self._process = os.getpid()

    @classmethod
    def open(cls, where: TokenKey, key_sha256: str | None = None) -> Self:
        """Log in and find the key.

        Args:
            key_sha256: the key that is wanted, whatever its label; None: the one ``where`` names.

        Raises:
            EnvironmentProblem: the library python-pkcs11 or the module is missing.
            EvidenceError: no such token, wrong PIN, no such key, or one of another kind.
        """
        with _LOCK, _told(where):
            session = _log_in(where)
            keys = private_keys(session, "" if key_sha256 else where.label)
            if key_sha256:
                keys = [key for key in keys if fingerprint_on(session, key) == key_sha256]
            if len(keys) == 1:
                return cls(where, session, keys[0])
        wanted = f"fingerprint {key_sha256}" if key_sha256 else f"label {where.label!r}"
        raise _trouble(
            where,
            f"{len(keys) or 'no'} private keys have {wanted}",
            "List them: `pkcs11-tool --module MODULE --login --list-objects`; set pkcs11_key.",
        )

    @property
    def place(self) -> str:
        """See `SiteSigner.place`."""
        return str(self._where)

    def sign_bytes(self, data: bytes) -> bytes:
        """See `SiteSigner.sign_bytes`. A token that was taken out and put back is opened again,
        once: the lock is held, other threads wait.

        Raises:
            EvidenceError: the token does not sign, or this is another process than at `open`.
        """
        if os.getpid() != self._process:
            raise _forked(self._where)
        from pkcs11.exceptions import PinIncorrect, PKCS11Error

        with _LOCK, _told(self._where):
            try:
                return self._signed(data)
            except PinIncorrect:  # asked again it would lock the token
                raise
            except PKCS11Error:
                self._key = self._opened_again()
                return self._signed(data)

    def _opened_again(self) -> "PrivateKey":
        import pkcs11

        pkcs11.lib(str(self._where.module)).reinitialize()
        return type(self).open(self._where, self.key_sha256)._key

    def _signed(self, data: bytes) -> bytes:
        from pkcs11 import Attribute, Mechanism
        from pkcs11.exceptions import PKCS11Error

        digest = hashlib.sha256(data).digest()
        key: Any = self._key  # its type knows no `sign`: the library adds it when it is run
        more: dict[str, Any] = {}
        try:
            if key[Attribute.ALWAYS_AUTHENTICATE]:
                more["pin"] = _pin(self._where)
        except PKCS11Error:  # an attribute of 2.20: an older token does not know it, nor wants it
            pass
        if self.algorithm == ES256:
            return bytes(key.sign(digest, mechanism=Mechanism.ECDSA, **more))
        return bytes(key.sign(_DIGEST_INFO + digest, mechanism=Mechanism.RSA_PKCS, **more))


def _log_in(where: TokenKey) -> "Session":
    """A session that may use private keys; the process is logged in once for a token."""
    token = _token(where)  # says it when the library is missing
    from pkcs11.exceptions import UserAlreadyLoggedIn

    must_have_tries(where, token.flags)
    try:
        return token.open(user_pin=_pin(where))
    except UserAlreadyLoggedIn:
        return token.open()


def must_have_tries(where: TokenKey, flags: int) -> None:
    """Raises EvidenceError when one more wrong PIN would lock the token: a service that is started
    again and again must not be what locks it."""
    from pkcs11 import TokenFlag

    if flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
        raise _trouble(
            where,
            "its PIN was wrong so often that it is locked, or would be after one more try",
            "Log in once with the maker's own program, then put the right PIN into the file.",
        )


def _token(where: TokenKey) -> "Token":
    try:
        import pkcs11
    except ImportError as problem:
        raise EnvironmentProblem(
            "A key on a token needs the library python-pkcs11.",
            why=str(problem),
            remedy=f"Install the extra: {INSTALL}.",
        ) from problem
    if not where.module.exists():
        raise EnvironmentProblem(
            f"The PKCS#11 module {where.module} is missing.",
            why="no such file",
            remedy="Install the driver of the token's maker; set [evidence] pkcs11_module.",
        )
    module = str(where.module)
    if _LOADED.setdefault(module, os.getpid()) != os.getpid():
        raise _forked(where)
    tokens = list(pkcs11.lib(module).get_tokens(token_label=where.token or None))
    tokens = [t for t in tokens if t.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]
    if len(tokens) != 1:
        why = "it is not plugged in" if not tokens else f"{len(tokens)} tokens fit"
        raise _trouble(where, why, "Plug it in, and name it: [evidence] pkcs11_token.")
    return tokens[0]


def _pin(where: TokenKey) -> str:
    try:
        if stat.S_IMODE(where.pin_file.stat().st_mode) & 0o077:
            raise _trouble(
                where, f"others may read {where.pin_file}", f"chmod 600 {where.pin_file}"
            )
        pin = where.pin_file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, ValueError) as problem:
        raise _trouble(
            where, f"its PIN cannot be read: {problem}", "Check [evidence] pkcs11_pin_file."
        ) from problem
    if not pin:
        raise _trouble(where, f"{where.pin_file} is empty", "Put the PIN on its first line.")
    return pin


@contextmanager
def _told(where: TokenKey) -> Iterator[None]:
    """What the module says, in words."""
    try:
        yield
    except EvidenceError:
        raise
    except RuntimeError as problem:  # PKCS11Error is one; its own class needs the library
        name = type(problem).__name__
        why, remedy = _WORDS.get(name, (name, "Check the token with its maker's program."))
        raise _trouble(where, f"{why} ({name} {problem})".replace(" )", ")"), remedy) from problem


_WORDS = {
    "PinIncorrect": (
        "the PIN is wrong",
        "Mend pkcs11_pin_file before trying again: after a few wrong ones the token is locked.",
    ),
    "PinLenRange": ("the PIN has not the token's length", "Check pkcs11_pin_file."),
    "PinLocked": ("the PIN is locked", "Unlock it with the maker's program and the SO PIN."),
    "DeviceRemoved": ("the token was taken out", "Plug it in again."),
    "TokenNotPresent": ("the token is not plugged in", "Plug it in."),
    "NoSuchToken": ("the token is not plugged in", "Plug it in; check pkcs11_token."),
}


def _trouble(where: TokenKey, why: str, remedy: str) -> EvidenceError:
    return EvidenceError(f"The {where} cannot be used.", why=why, remedy=remedy)


def _forked(where: TokenKey) -> EvidenceError:
    return _trouble(
        where,
        "the process that opened it was forked, and this is the child",
        "Start a new process to sign in; this is a fault in the code.",
    )
