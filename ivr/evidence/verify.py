#!/usr/bin/env python3
"""Check a sealed case without the program that made it.

    python verify.py CASE_FOLDER [--key SITE_PUBLIC_KEY.pem] [--site-log site-log.jsonl]

Needs Python 3.11 and the `cryptography` package, nothing else, no network. Prints numbered steps;
exit 0: every step holds, 1: at least one does not, 2: called wrongly. The format is described in
docs/evidence.md. Shares no code with the rest of ivr on purpose: it is a check on that code.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

FORMAT = "ivr-case/2"
SEAL_FILES = ("manifest.json", "manifest.jws", "signer.pem", "custody.jsonl", "custody.head.jws")
OUTSIDE = "reports/"  # written after the seal, not covered by it
LARGEST_TEXT = 64 << 20  # no manifest or log of a call comes near; a larger one is no case
WIRE, WIRE_CHAIN = "original/wire.pcapng", "original/wire.chain.jsonl"


class Step(NamedTuple):
    n: int
    name: str
    ok: bool
    detail: str


class Broken(Exception):
    """A step does not hold; the message says why."""


def jcs(value: Any) -> str:
    """RFC 8785 text of a parsed JSON value."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{jcs(key)}:{jcs(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    if isinstance(value, float):
        if 1e-6 <= abs(value) < 1e21:
            return f"{Decimal(repr(value)):f}".removesuffix(".0")
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa}e{int(exponent):+d}" if value else "0"
    return json.dumps(value, ensure_ascii=False)


def parse(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object in its one canonical form: any other byte is found."""
    try:
        value = json.loads(data.decode())
        is_canonical = isinstance(value, dict) and jcs(value).encode() == data
    except (ValueError, RecursionError) as problem:
        raise Broken(f"{what} is not JSON: {problem}") from problem
    if not is_canonical:
        raise Broken(f"{what} is not a canonical JSON object (RFC 8785)")
    return dict(value)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_key(pem: bytes, what: str) -> tuple[Ed25519PublicKey, str]:
    """The key and its fingerprint."""
    try:
        key = load_pem_public_key(pem)
    except Exception as problem:  # whatever the library raises, it is no key
        raise Broken(f"{what} is not a public key in PEM form") from problem
    if not isinstance(key, Ed25519PublicKey):
        raise Broken(f"{what} is not an Ed25519 key")
    return key, sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def is_sane(entry: dict[str, Any]) -> bool:
    """One file of the manifest: a path inside, a size, a role, digests."""
    is_inside = not {"", ".", ".."} & {*entry["path"].split("/")}
    is_known = entry["role"] in {"original", "record", "derived"} and is_count(entry["size"])
    digests = [entry["sha256"], *entry["parent_sha256"]]
    return is_inside and is_known and all(re.fullmatch("[0-9a-f]{64}", d) for d in digests)


def some(items: list[str], glue: str = ", ") -> str:
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return glue.join(items[:5]) + more


def printable(text: str) -> str:
    """Names and reasons come from the case: no control codes on a reader's terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def chained(data: bytes, name: str, previous: str) -> Iterator[dict[str, Any]]:
    """Records of a chained log, each checked; ``previous`` is what the first must name."""
    *lines, rest = data.split(b"\n")
    if rest:
        raise Broken(f"{name} ends within a line")
    for n, line in enumerate(lines):
        record = parse(line, f"{name} line {n + 1}")
        body = {key: value for key, value in record.items() if key != "chain"}
        chain = sha256(jcs(body).encode())
        if not is_count(record["n"]) or (record["n"], record["previous"]) != (n, previous):
            raise Broken(f"{name} line {n + 1} does not continue the lines before it")
        if record["chain"] != chain:
            raise Broken(f"{name} line {n + 1} was changed")
        previous = chain
        yield record


class Case:
    """The folder under check. Each method is a step: returns its detail or raises."""

    def __init__(self, path: Path, key: Path | None, site_log: Path | None) -> None:
        self.path, self.key, self.site_log = path, key, site_log
        self.found: dict[str, int] = {}  # regular files: path -> size
        self._sealed: dict[str, Any] | None = None

    def read(self, name: str) -> bytes:
        size = self.found.get(name)
        if size is None:
            raise Broken(f"{name} is missing or no regular file")
        if size > LARGEST_TEXT:
            raise Broken(f"{name} has {size} bytes, more than any case needs")
        return (self.path / name).read_bytes()

    @property
    def sealed(self) -> dict[str, Any]:
        if self._sealed is None:
            raise Broken("not checked: the manifest cannot be read")
        return self._sealed

    @property
    def listed(self) -> dict[str, dict[str, Any]]:
        return {entry["path"]: entry for entry in self.sealed["files"]}

    def structure(self) -> str:
        if not self.path.is_dir():
            raise Broken("not a folder")
        strange = []
        for root, folders, names in os.walk(self.path):
            for path in (Path(root, name) for name in folders + names):
                info, inside = path.lstat(), path.relative_to(self.path).as_posix()
                if stat.S_ISREG(info.st_mode):
                    self.found[inside] = info.st_size
                elif not stat.S_ISDIR(info.st_mode):
                    strange.append(inside)
        missing = [name for name in SEAL_FILES if name not in self.found]
        if strange:
            raise Broken(f"links or special files: {some(sorted(strange))}")
        if missing:
            raise Broken(f"not a sealed case, or not all of it; missing: {', '.join(missing)}")
        return f"{len(self.found)} files, no links"

    def manifest(self) -> str:
        manifest = parse(self.read("manifest.json"), "manifest.json")
        if manifest.get("format") != FORMAT:
            raise Broken(f"format {manifest.get('format')!r} is not {FORMAT}: use its verifier")
        for entry in manifest["files"]:
            if not is_sane(entry):
                raise Broken(f"the entry of {entry['path']!r} makes no sense")
        paths = [entry["path"] for entry in manifest["files"]]
        if paths != sorted(set(paths)):
            raise Broken("its files are not in order, or named twice")
        why = "; ".join(manifest["incomplete_reasons"])
        whole = "complete" if manifest["is_complete"] else f"INCOMPLETE: {why}"
        detail = f"case {manifest['case_id']}, {len(paths)} files, {whole}"
        self._sealed = manifest
        return detail

    def check_jws(self, name: str, payload: bytes, typ: str, extra: dict[str, str]) -> str:
        """The signature in ``name`` over ``payload``; returns the fingerprint of its key."""
        pem = self.read("signer.pem")
        key, fingerprint = read_key(pem, "signer.pem")
        if key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) != pem:
            raise Broken("signer.pem was changed in its spelling")
        jws = parse(self.read(name), name)
        text = jws["signatures"][0]["signature"]
        header = jcs({"alg": "Ed25519", "kid": fingerprint, "typ": typ})
        protected = b64url(header.encode())
        if jws != {**extra, "signatures": [{"protected": protected, "signature": text}]}:
            raise Broken(f"{name} is no {typ} signature by signer.pem over what is there")
        try:
            signature = base64.urlsafe_b64decode(text + "==")
            key.verify(signature, f"{protected}.{b64url(payload)}".encode())
        except (ValueError, InvalidSignature) as problem:
            raise Broken(f"{name} does not match: one of the two was changed") from problem
        if b64url(signature) != text:  # base64 has spare bits that decode to the same bytes
            raise Broken(f"{name} was changed in its spelling")
        return fingerprint

    def signature(self) -> str:
        manifest = self.read("manifest.json")
        fingerprint = self.check_jws("manifest.jws", manifest, "ivr-manifest", {})
        if self.sealed["signer"] != {"algorithm": "Ed25519", "key_sha256": fingerprint}:
            raise Broken("the manifest names another key")
        return f"manifest {sha256(manifest)} signed by key {fingerprint}"

    def signing_key(self) -> str:
        _, fingerprint = read_key(self.read("signer.pem"), "signer.pem")
        if self.key is None:
            return f"key not compared (no --key): ask the site whether {fingerprint} is theirs"
        _, expected = read_key(self.key.read_bytes(), "the trusted key")
        if fingerprint != expected:
            raise Broken(f"signed by {fingerprint}, trusted is {expected}: the key was replaced")
        return f"it is the trusted key {fingerprint}"

    def files(self) -> str:
        wrong = []
        for name, entry in self.listed.items():
            size = self.found.get(name)
            if size is None:
                wrong.append(f"{name} is missing")
            elif size != entry["size"]:
                wrong.append(f"{name} has {size} bytes, sealed were {entry['size']}")
            else:
                with (self.path / name).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                        wrong.append(f"{name} was changed")
        if wrong:
            raise Broken(some(wrong, "; "))
        return f"{len(self.listed)} files have the sealed size and SHA-256"

    def no_other_files(self) -> str:
        extra = sorted(self.found.keys() - self.listed.keys() - {*SEAL_FILES})
        foreign = [name for name in extra if not name.startswith(OUTSIDE)]
        if foreign:
            raise Broken(f"not part of the sealed case: {some(foreign)}")
        return f"{len(extra)} later files in {OUTSIDE} are not sealed" if extra else "none"

    def wire_chain(self) -> str:
        stated = self.sealed["wire"]
        if stated is None:
            if {WIRE, WIRE_CHAIN} & self.listed.keys():
                raise Broken("there is a wire log that the manifest does not state")
            return "no packets: an upload, or a call without media"
        if self.listed[WIRE]["sha256"] != stated["sha256"]:
            raise Broken("the manifest names another wire log")
        blocks, offset, head = 0, 0, "0" * 64
        with (self.path / WIRE).open("rb") as file:
            for line in chained(self.read(WIRE_CHAIN), WIRE_CHAIN, head):
                end = offset + line["length"]
                if line["offset"] != offset or not offset <= end <= self.found[WIRE]:
                    raise Broken(f"block {blocks} is not where it should be")
                if sha256(file.read(end - offset)) != line["sha256"]:
                    raise Broken(f"block {blocks} (bytes {offset} to {end}) was changed")
                blocks, offset, head = blocks + 1, end, line["chain"]
        if offset != self.found[WIRE]:
            raise Broken(f"{self.found[WIRE] - offset} bytes of the wire log are in no block")
        if (blocks, head) != (stated["blocks"], stated["chain_head"]):
            raise Broken("the chain does not end where the manifest says")
        return f"{blocks} blocks, {offset} bytes, none outside"

    def journal(self) -> str:
        first = sha256(f"ivr-journal:{self.sealed['case_id']}".encode())
        records = list(chained(self.read("journal.jsonl"), "journal.jsonl", first))
        head = records[-1]["chain"] if records else first
        if {"entries": len(records), "head": head} != self.sealed["journal"]:
            raise Broken("the journal does not end where the manifest says")
        return f"{len(records)} events"

    def origins(self) -> str:
        derived = [entry for entry in self.listed.values() if entry["role"] == "derived"]
        known = {e["sha256"] for e in self.listed.values() if e["role"] != "derived"}
        waiting = derived
        while waiting:
            ready = [e for e in waiting if e["parent_sha256"] and known >= {*e["parent_sha256"]}]
            if not ready:
                raise Broken(f"{waiting[0]['path']} names a parent that is not in the case")
            known |= {entry["sha256"] for entry in ready}
            waiting = [entry for entry in waiting if entry not in ready]
        return f"{len(derived)} derived files descend from the originals"

    def custody(self) -> str:
        seal = sha256(self.read("manifest.json"))
        records = list(chained(self.read("custody.jsonl"), "custody.jsonl", seal))
        if not records:
            raise Broken("custody.jsonl is empty")
        last = jcs(records[-1]).encode()
        self.check_jws("custody.head.jws", last, "ivr-custody", {"payload": b64url(last)})
        return f"{len(records)} entries, last: {records[-1]['action']} at {records[-1]['at']}"

    def site_link(self) -> str:
        link, seal = self.sealed["site_link"], sha256(self.read("manifest.json"))
        n, before = link["n"], (link["previous_chain"], link["previous_seal_sha256"])
        if not is_count(n) or n < 1:
            raise Broken("it does not say its place in the log of the site")
        place = f"line {n} of the site's log, after the seal of {link['previous_case_id'] or 'none'}"
        if self.site_log is None:
            return f"{place}; log of the site not compared (no --site-log)"
        first = sha256(f"ivr-site:{self.sealed['site']}".encode())
        log = list(chained(self.site_log.read_bytes(), self.site_log.name, first))
        if n >= len(log) or log[n].get("seal_sha256") != seal:
            raise Broken(f"the log of the site does not know this case as line {n}")
        seals = [None, *(r["seal_sha256"] for r in log[:n] if r["event"] == "sealed")]
        if (log[n - 1]["chain"], seals[-1]) != before:
            raise Broken(f"the log of the site knows another seal before line {n}")
        return f"{place}; as in the log of the site"


def verify_case(
    path: Path, trusted_key: Path | None = None, site_log: Path | None = None
) -> list[Step]:
    """Every step, in order, whatever lies at ``path``. Reads only; never raises.

    Args:
        trusted_key: PEM file with the public key the site is known by; without it a replaced
            key cannot be found, and the step says so.
        site_log: the site's log of seals, to find a case that was put in or exchanged.
    """
    case = Case(path, trusted_key, site_log)
    checks = [case.structure, case.manifest, case.signature, case.signing_key, case.files]
    checks += [case.no_other_files, case.wire_chain, case.journal, case.origins]
    checks += [case.custody, case.site_link]
    steps = []
    for n, check in enumerate(checks, 1):
        name = check.__name__.replace("_", " ")
        try:
            steps.append(Step(n, name, True, printable(check())))
        except Broken as problem:
            steps.append(Step(n, name, False, printable(str(problem))))
        except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
            why = f"cannot be read: {type(problem).__name__} {problem}"
            steps.append(Step(n, name, False, printable(why)))
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a sealed case, offline.")
    parser.add_argument("case", type=Path, help="the case folder")
    parser.add_argument("--key", type=Path, help="public key (PEM) the site is known by")
    parser.add_argument("--site-log", type=Path, help="the site's log of seals")
    options = parser.parse_args()
    steps = verify_case(options.case, options.key, options.site_log)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without Vietnamese letters
        sys.stdout.reconfigure(errors="backslashreplace")
    for step in steps:
        mark = "ok  " if step.ok else "FAIL"
        sys.stdout.write(f"{step.n:2}. {mark} {step.name}: {step.detail}\n")
    ok = all(step.ok for step in steps)
    sys.stdout.write("RESULT: as it was sealed.\n" if ok else "RESULT: NOT as it was sealed.\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
