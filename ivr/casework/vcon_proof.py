"""``ivr verify FILE.vcon.json``: signature, key, form and hashes of a vCon; then the sealed case in
it is laid out in a folder of its own, for the steps that every case goes through."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from ivr.casework.key_proof import KeyTrust
from ivr.casework.redacting import LIST, SIGNATURE
from ivr.casework.vcon_mapping import is_derived_sound
from ivr.casework.vcon_redacted import PLACE, listed_in
from ivr.errors import IvrError
from ivr.evidence.algorithms import fingerprint_of, read_public
from ivr.evidence.bag import PAYLOAD
from ivr.evidence.certificates import chain_fault, name_of
from ivr.evidence.durable import sha256_file
from ivr.evidence.keyring import NAME as KEYRING
from ivr.evidence.keyring import Keyring, is_continued
from ivr.evidence.layout import CASE_ID, MANIFEST, SIGNER
from ivr.evidence.log_proofs import INCLUSION
from ivr.evidence.self_signed import is_self_signed
from ivr.evidence.steps import Broken, Step, answered, some
from ivr.evidence.vcon import Content, VCon
from ivr.evidence.vcon_signed import LARGEST, SignedVcon, content_hash, parse, read_signed
from ivr.evidence.verifier import SEAL_FILES

FILES: Final = "files"
"""Name of the verifier's step that `files_step` stands for."""
_NAME = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,99}")
_OUTSIDE: Final = frozenset({INCLUSION, KEYRING})
"""What an export has beside the case, not in it."""


@contextmanager
def opened_vcon(path: Path, keys: KeyTrust) -> Iterator[tuple[tuple[Step, ...], Path | None]]:
    """The vCon's own steps, numbered from 1, and the sealed case in it as a folder, which goes
    with the block; None when there is none. Reads only; never raises.

    Args:
        keys: what the signing key is held against.
    """
    with tempfile.TemporaryDirectory(prefix="ivr-vcon-") as folder:
        check = _Check(path, keys, Path(folder) / PAYLOAD)
        named: list[tuple[str, Callable[[], str]]] = [
            ("vcon signature", check.signature),
            ("vcon form", check.form),
            ("vcon signing key", check.signing_key),
            ("vcon certificate", check.certificate),
            ("vcon content hashes", check.content_hashes),
            ("vcon sealed case", check.sealed_case),
        ]
        steps = tuple(answered(n, name, made) for n, (name, made) in enumerate(named, 1))
        yield steps, check.case


def files_step(n: int, case: Path) -> Step:
    """The verifier's step ``files`` for a case out of a vCon, which lacks the listening copies that
    can be made again from the packets."""

    def check() -> str:
        manifest = json.loads((case / MANIFEST).read_bytes())
        wrong, left_out = [], 0
        for entry in manifest["files"]:
            name, file = str(entry["path"]), case / str(entry["path"])
            if not file.exists() and is_derived_sound(name):
                left_out += 1
            elif not file.exists():
                wrong.append(f"{name} is missing")
            elif sha256_file(file) != (entry["sha256"], entry["size"]):
                wrong.append(f"{name} was changed")
        listed = {str(entry["path"]) for entry in manifest["files"]}
        there = {p.relative_to(case).as_posix() for p in case.rglob("*") if p.is_file()}
        extra = {name for name in there - listed - {*SEAL_FILES} if not name.startswith("reports/")}
        wrong += [f"{name} is not part of the sealed case" for name in sorted(extra)]
        if wrong:
            raise Broken(some(wrong, "; "))
        carried = f"{len(listed) - left_out} of {len(listed)} have the sealed SHA-256"
        return f"{carried}; {left_out} listening copies are not carried" if left_out else carried

    return answered(n, FILES, check)


class _Check:
    """One vCon. Each public method but ``case`` is a step: returns its detail or raises."""

    def __init__(self, path: Path, keys: KeyTrust, into: Path) -> None:
        self._path, self._keys, self._into = path, keys, into
        self.case: Path | None = None

    def signature(self) -> str:
        signed = self._signed
        how = signed.header["alg"]
        by = "ivr" if signed.is_ours else "another program"
        return f"{how} by key {signed.key_sha256}; made by {by}"

    def signing_key(self) -> str:
        return self._must_count(self._signed.key_sha256)

    def certificate(self) -> str:
        """Whose key it is; compared with the authorities that were given."""
        chain = self._signed.chain
        name, at = name_of(chain[0]), datetime.fromisoformat(self._vcon.created_at)
        if self._keys.authorities:
            fault = chain_fault(chain, self._keys.authorities, at)
            if fault is not None:
                raise Broken(fault)
            return f"{name}, valid at {at:%Y-%m-%d}; its revocation not looked up"
        if is_self_signed(chain[0]):
            return f"{name}, made by the key itself: it proves nothing of who the signer is"
        return f"{name}; authority not compared (no --key-ca)"

    def form(self) -> str:
        vcon, header = self._vcon, self._signed.header
        if header.get("uuid", vcon.uuid) != vcon.uuid:
            raise Broken(f"the header names the UUID {header['uuid']}, the content {vcon.uuid}")
        if self._signed.is_ours and UUID(vcon.uuid).version != 8:
            raise Broken(f"{vcon.uuid} is no UUID of version 8")
        if vcon.critical:
            raise Broken(f"it needs extensions that are not known here: {some(vcon.critical)}")
        if self._signed.is_ours:
            _ = self._contents  # their names are part of our form
        parts = (
            f"{len(vcon.parties)} parties",
            f"{len(vcon.dialog)} dialogs",
            f"{len(vcon.analysis)} analyses",
            f"{len(vcon.attachments)} attachments",
        )
        return f"{vcon.uuid}: {', '.join(parts)}"

    def content_hashes(self) -> str:
        """Files that lie beside the vCon; addresses are not fetched."""
        held, wrong = 0, []
        for each in self._vcon.files:
            stated = each.hashes()
            if not stated or (each.url is None and not each.is_inline):
                continue
            fault = self._hash_fault(each, stated)
            held += fault is None
            wrong += [fault] if fault else []
        if wrong:
            raise Broken(some(wrong, "; "))
        return f"{held} files have the stated SHA-512" if held else "everything is inline"

    def sealed_case(self) -> str:
        """What the vCon carries of a case, laid out; or its redaction, checked."""
        vcon = self._vcon
        if not self._signed.is_ours:
            return "made by another program: the signature is all there is to check"
        if f"{PLACE}{LIST}" in self._contents:
            return self._redaction()
        if MANIFEST not in self._contents:
            if vcon.redacted is None:
                raise Broken(f"{MANIFEST} is missing, and the vCon does not say it is redacted")
            return f"not carried ({vcon.redacted.type} left out): the signature above is all"
        case_id = json.loads(self._contents[MANIFEST].content())["case_id"]
        if not isinstance(case_id, str) or not CASE_ID.fullmatch(case_id):
            raise Broken("its manifest names no case")
        case = self._into / case_id
        for name, each in self._contents.items():
            target = (self._into if name in _OUTSIDE else case) / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if each.url is not None:
                shutil.copyfile(self._beside(each), target)
            else:
                target.write_bytes(each.content())
        self.case = case
        return f"case {case_id}, {len(self._contents)} files"

    @cached_property
    def _signed(self) -> SignedVcon:
        if self._path.stat().st_size > LARGEST:
            raise Broken(f"it has more than {LARGEST} bytes")
        try:
            return read_signed(self._path.read_bytes())
        except ValueError as problem:
            raise Broken(str(problem)) from problem

    @cached_property
    def _vcon(self) -> VCon:
        try:
            return VCon.model_validate(parse(self._signed.payload))
        except ValidationError as problem:
            first = problem.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"])) or "vcon"
            raise Broken(f"not by the draft: {where}: {first['msg']}") from problem
        except ValueError as problem:
            raise Broken(f"its payload: {problem}") from problem

    @cached_property
    def _contents(self) -> dict[str, Content]:
        """Everything that has content and a name, by that name."""
        found: dict[str, Content] = {}
        for each in self._vcon.files:
            if each.filename is None or (each.url is None and not each.is_inline):
                continue
            if not all(map(_NAME.fullmatch, each.filename.split("/"))):
                raise Broken(f"{each.filename!r} is no name of a file in a case")
            if each.filename in found:
                raise Broken(f"{each.filename} comes twice")
            found[each.filename] = each
        return found

    @cached_property
    def _ring(self) -> Keyring | None:
        """The reader's keyring, held against the carried one: one must continue the other."""
        carried = None
        if self._signed.is_ours and KEYRING in self._contents:
            carried = self._contents[KEYRING].content()
        try:
            if self._keys.keyring is None:
                return Keyring.parse(carried) if carried else None
            own = self._keys.keyring.read_bytes()
            if carried and not is_continued(carried, own):
                raise Broken("the vCon carries another keyring than the reader has")
            return Keyring.parse(own)
        except IvrError as problem:
            raise Broken(f"{problem.what} {problem.why}") from problem

    def _must_count(self, key_sha256: str) -> str:
        """The key is the trusted one, or the keyring leads to it; and it is not revoked: whoever
        stole it can sign anything anew, and a vCon is made when it is asked for."""
        trusted = None
        if self._keys.trusted is not None:
            pem = self._keys.trusted.read_bytes()
            trusted = fingerprint_of(read_public(pem, "the trusted key"))
        ring = self._ring
        if ring is not None and key_sha256 in ring.revoked:
            line = ring.revoked[key_sha256]
            raise Broken(
                f"{key_sha256} was revoked at {line.at} ({line.reason}): ask for a new one"
            )
        if trusted == key_sha256:
            return f"{key_sha256} is the trusted key"
        is_known = ring is not None and key_sha256 in ring.endorsed
        if trusted is not None and not (ring and is_known and ring.leads(trusted, key_sha256)):
            raise Broken(f"nothing leads from the trusted key {trusted} to {key_sha256}")
        if ring is not None and not is_known:
            raise Broken(f"the keyring of {ring.site} does not know the key {key_sha256}")
        if trusted is None:
            return f"key not compared (no --key): ask the site whether {key_sha256} is theirs"
        return f"the keyring leads from the trusted key {trusted} to {key_sha256}"

    def _hash_fault(self, each: Content, stated: tuple[str, ...]) -> str | None:
        name = each.filename or "a file without a name"
        strong = [one for one in stated if one.startswith("sha512-")]
        if not strong:
            return f"{name} has no SHA-512"
        if each.is_inline:
            digest = hashlib.sha512(each.content()).digest()
        else:
            file = self._beside(each)
            if not file.is_file():
                return f"{file.name} is not beside the vCon (addresses are not fetched)"
            with file.open("rb") as sound:
                digest = hashlib.file_digest(sound, "sha512").digest()
        return None if content_hash(digest) in strong else f"{name} was changed"

    def _beside(self, each: Content) -> Path:
        """Where a file lies that the vCon names by address: by the address's last part."""
        name = (each.url or "").rpartition("/")[2]
        if not _NAME.fullmatch(name):
            raise Broken(f"{each.url} does not end in the name of a file")
        return self._path.parent / name

    def _redaction(self) -> str:
        """The list of what was silenced is signed, and every file is on it."""
        papers = {n: self._contents[f"{PLACE}{n}"].content() for n in (LIST, SIGNATURE, SIGNER)}
        key = read_public(papers[SIGNER], SIGNER)
        self._must_count(fingerprint_of(key))
        listed: dict[str, Any] = listed_in(papers[LIST], papers[SIGNATURE], key)
        if self._vcon.redacted is None:
            raise Broken("it holds a redaction and does not say so")
        stated = {entry["parent"]: entry["sha256"] for entry in listed["files"]}
        wrong = []
        for name, each in self._contents.items():
            if name in _OUTSIDE or name.startswith(PLACE):
                continue
            file = self._beside(each).read_bytes() if each.url else each.content()
            if hashlib.sha256(file).hexdigest() != stated.get(name):
                wrong.append(f"{name} is not what the redaction lists")
        if wrong:
            raise Broken(some(wrong, "; "))
        return f"redacted copy of {listed['case_id']}: {len(listed['spans'])} spans silenced"
