"""Checks a court folder made by `ivr.evidence.bag`: the bag's own steps, before the case's."""

import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ivr.evidence.bag import (
    BAG_TYPE,
    DECLARATION,
    DECLARED,
    INFO,
    KEY,
    PAYLOAD,
    PAYLOAD_MANIFEST,
    SIGNATURE,
    TAG_FILES,
    TAG_MANIFEST,
)
from ivr.evidence.keyring import NAME
from ivr.evidence.layout import CASE_ID, SIGNER
from ivr.evidence.steps import Broken, Step, answered, some
from ivr.evidence.verifier import Case, check_jws

_LINE = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)")
_LARGEST_TAG = 64 << 20


def is_bag(path: Path) -> bool:
    """Whether ``path`` says that it is a bag."""
    return (path / DECLARATION).is_file()


def bagged_case(path: Path) -> Path | None:
    """The one case folder in the payload; None unless there is exactly one."""
    payload = path / PAYLOAD
    if payload.is_symlink() or not payload.is_dir():
        return None
    found = [e for e in payload.iterdir() if e.is_dir() and CASE_ID.fullmatch(e.name)]
    return found[0] if len(found) == 1 and not found[0].is_symlink() else None


def check_bag(path: Path) -> tuple[Step, ...]:
    """The bag's steps, numbered from 1. Reads only; never raises."""
    bag = _Bag(path)
    checks: tuple[Callable[[], str], ...] = (
        bag.structure,
        bag.tag_files,
        bag.payload,
        bag.oxum,
        bag.signature,
    )
    return tuple(
        answered(n, f"bag {check.__name__.replace('_', ' ')}", check)
        for n, check in enumerate(checks, 1)
    )


class _Bag:
    """The folder under check. Each public method is a step: returns its detail or raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, int] = {}  # regular files: path -> size

    def structure(self) -> str:
        """Bag declaration (RFC 8493, 2.1.1), one case, no links, nothing but what belongs."""
        strange = []
        for root, folders, names in os.walk(self._path):
            for path in (Path(root, name) for name in folders + names):
                info, inside = path.lstat(), path.relative_to(self._path).as_posix()
                if stat.S_ISREG(info.st_mode):
                    self._found[inside] = info.st_size
                elif not stat.S_ISDIR(info.st_mode):
                    strange.append(inside)
        if strange:
            raise Broken(f"links or special files: {some(sorted(strange))}")
        if self._read(DECLARATION) != DECLARED:
            raise Broken(f"{DECLARATION} does not declare BagIt 1.0 in UTF-8")
        if bagged_case(self._path) is None:
            raise Broken(f"{PAYLOAD}/ does not hold exactly one case")
        return f"{len(self._found)} files, no links"

    def tag_files(self) -> str:
        self._compare(TAG_MANIFEST, set(TAG_FILES))
        return f"{len(TAG_FILES)} tag files have the stated SHA-256"

    def payload(self) -> str:
        there = {name for name in self._found if name.startswith(f"{PAYLOAD}/")}
        self._compare(PAYLOAD_MANIFEST, there)
        known = {*TAG_FILES, TAG_MANIFEST, SIGNATURE}
        foreign = sorted(self._found.keys() - there - known)
        if foreign:
            raise Broken(f"not part of the bag: {some(foreign)}")
        return f"{len(there)} files have the stated SHA-256, none is missing, none was added"

    def oxum(self) -> str:
        """Payload-Oxum (RFC 8493, 2.2.2): bytes and files."""
        sizes = [n for name, n in self._found.items() if name.startswith(f"{PAYLOAD}/")]
        there = f"{sum(sizes)}.{len(sizes)}"
        lines = self._read(INFO).decode().splitlines()
        if f"Payload-Oxum: {there}" not in lines:
            raise Broken(f"{INFO} does not state the {there} that are there")
        return there

    def signature(self) -> str:
        """bag.jws over the tag manifest, by the key of the seal or one that it leads to: the site
        may have gone over to another key since."""
        case = bagged_case(self._path)
        if case is None:
            raise Broken("not checked: there is no case")
        tags, signed = self._read(TAG_MANIFEST), self._read(SIGNATURE)
        if self._read(f"{PAYLOAD}/{KEY}") != (case / SIGNER).read_bytes():
            raise Broken(f"{KEY} is not the key of the seal")
        of_case = Case(case, {})
        for find in (of_case.structure, of_case.manifest, of_case.keyring):
            find()
        try:
            signer, _ = check_jws(signed, BAG_TYPE, of_case.keys, tags)
        except Exception as problem:  # whatever broken input makes a library raise
            raise Broken(
                f"{SIGNATURE} over {TAG_MANIFEST}: {type(problem).__name__} {problem}"
            ) from problem
        if signer in of_case.revoked:
            raise Broken(f"signed by key {signer}, which is revoked in {PAYLOAD}/{NAME}")
        return f"signed by key {signer}"

    def _read(self, name: str) -> bytes:
        size = self._found.get(name)
        if size is None:
            raise Broken(f"{name} is missing or no regular file")
        if size > _LARGEST_TAG:
            raise Broken(f"{name} has {size} bytes, more than any bag needs")
        return (self._path / name).read_bytes()

    def _compare(self, manifest: str, there: set[str]) -> None:
        stated: dict[str, str] = {}
        for line in self._read(manifest).decode().splitlines():
            match = _LINE.fullmatch(line)
            if match is None or match[2] in stated:
                raise Broken(f"{manifest} has a line that is none, or names a file twice")
            stated[match[2]] = match[1]
        wrong = [f"{name} was added" for name in sorted(there - stated.keys())]
        for name, digest in stated.items():
            if name not in there or name not in self._found:
                wrong.append(f"{name} is missing")
                continue
            with (self._path / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    wrong.append(f"{name} was changed")
        if wrong:
            raise Broken(some(wrong, "; "))
