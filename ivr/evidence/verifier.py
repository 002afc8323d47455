#!/usr/bin/env python3
"""Check a sealed case without the program that made it. Format and steps: docs/evidence.md.

    python verifier.py CASE [--key KEY.pem] [--keyring KEYRING.jsonl] [--inclusion PROOF.json]

Needs Python 3.11 and `cryptography`, nothing else, no network. Exit 0: every step holds, 1: one
does not, 2: called wrongly. Shares no code with the rest of ivr: it is a check on that code.
"""

import argparse
import json
import sys
from base64 import b64decode, urlsafe_b64encode
from collections import namedtuple
from hashlib import file_digest, sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

SEAL_FILES = ("manifest.json", "manifest.jws", "signer.pem", "custody.jsonl", "custody.head.jws")
WIRE, LARGEST_TEXT = "original/wire.pcapng", 64 << 20  # bytes; no text of a case comes near
STEPS = "structure, manifest, files, wire chain, journal, origins, keyring, signature, custody, "
STEPS += "site link, signing key"
Step = namedtuple("Step", "n name ok detail")


def need(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def dump(value: Any) -> bytes:
    """RFC 8785 of what holds no fractions."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def unb64url(text: str) -> bytes:
    data = b64decode(text + "==", b"-_")  # passes over spare bits and stray letters
    need(urlsafe_b64encode(data).decode().rstrip("=") == text, "was changed in its spelling")
    return data


def read_key(pem: bytes) -> tuple[Any, str]:
    key = load_pem_public_key(pem)
    spelt = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    size = getattr(key, "key_size", 256)  # the kind of key is judged with its signature
    need(spelt == pem and (size == 256 or size >= 2048), "is weak, or was changed in its spelling")
    return key, sha256(b64decode(b"".join(pem.splitlines()[1:-1]))).hexdigest()


def check_signature(key: Any, alg: str, signature: bytes, signed: bytes) -> None:
    """The algorithms of RFC 9864 and RFC 7518, each with its own kind of key only."""
    if isinstance(key, ed25519.Ed25519PublicKey) and alg == "Ed25519":
        key.verify(signature, signed)
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and alg == "RS256":
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    else:
        is_p256 = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
        need(is_p256 and alg == "ES256" and len(signature) == 64, f"no {alg!r} with such a key")
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))


def check_jws(data: bytes, typ: str, keys: dict[str, Any], body: bytes = b"") -> tuple[str, bytes]:
    """Fingerprint of the key, and payload, of a JWS (RFC 7515); ``body``: its detached payload."""
    jws = json.loads(data)
    protected, text = (jws["signatures"][0][name] for name in ("protected", "signature"))
    inner = urlsafe_b64encode(body).decode().rstrip("=") if body else jws["payload"]
    alone: dict[str, Any] = {} if body else {"payload": inner}
    alone["signatures"] = [{"protected": protected, "signature": text}]
    header = json.loads(unb64url(protected))
    is_ours = header["typ"] == typ and header.keys() - {"x5c"} == {"alg", "kid", "typ"}
    need(is_ours and dump(alone) == data, f"is no {typ} signature in its one spelling")
    need(header["kid"] in keys, f"is signed by {header['kid']}, not known as a key of the site")
    key, signed = keys[header["kid"]], f"{protected}.{inner}".encode()
    check_signature(key, header["alg"], unb64url(text), signed)
    return header["kid"], unb64url(inner)


def root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Where a leaf and its audit path (RFC 9162, 2.1.3) lead in a tree of ``size`` leaves."""
    k = 1 << (size - 1).bit_length() >> 1  # leaves on the left of the root
    need(0 <= index < size and bool(k) == bool(path), "holds an audit path that fits no such tree")
    if not k:
        return leaf
    if index < k:
        return sha256(b"\1" + root_from(leaf, index, k, path[:-1]) + path[-1]).digest()
    return sha256(b"\1" + path[-1] + root_from(leaf, index - k, size - k, path[:-1])).digest()


class Case:
    """The folder under check. Each step returns its detail or raises; ``at``: the file in hand."""

    def __init__(self, path: Path, given: dict[str, bytes]) -> None:
        self.path, self.given, self.at, self.custodian = path, given, "", ""
        self.found: dict[str, int] = {}  # regular files: path -> size
        self.revoked: dict[str, int] = {}  # key -> lines in the site's log then
        self.lines = (1 << 53, 1 << 53)  # of seal and last custody in that log, if shown

    def __getattr__(self, name: str) -> Any:
        raise ValueError("not checked: it needs a step above that failed")

    def read(self, name: str) -> bytes:
        self.at = name
        need(name in self.found, "is missing, or no regular file")
        need(self.found[name] <= LARGEST_TEXT, "is larger than any case needs")
        return (self.path / name).read_bytes()

    def given_or_beside(self, option: str, name: str) -> bytes | None:
        self.at = f"--{option}" if option in self.given else name
        beside = self.path.resolve().parent / name
        return self.given.get(option, beside.read_bytes() if beside.is_file() else None)

    def chained(self, data: bytes, previous: str, end: Any = None) -> list[dict[str, Any]]:
        """Records of a log whose first must name ``previous``; ``end``: their count, last chain."""
        name, records = self.at, []
        is_none = not data and end == (0, previous)  # cut off before the first block
        need(is_none or data.endswith(b"\n"), "is empty, or ends within a line")
        for n, line in enumerate(data.split(b"\n")[:-1]):
            self.at, record = f"{name} line {n + 1}", json.loads(line)
            is_next = (record["n"], record["previous"]) == (n, previous)
            need(is_next, "does not continue the lines before it")
            body = line.replace(b'"chain":"%b",' % record["chain"].encode(), b"", 1)
            previous = sha256(body).hexdigest()
            need(record["chain"] == previous, "was changed")
            records.append(record)
        self.at = name
        need(end in (None, (len(records), previous)), "does not end where the manifest says")
        return records

    def structure(self) -> str:
        need(self.path.is_dir(), "not a folder")
        there = {p.relative_to(self.path).as_posix(): p.lstat() for p in self.path.rglob("*")}
        self.found = {name: info.st_size for name, info in there.items() if S_ISREG(info.st_mode)}
        strange = [n for n in there if n not in self.found and not S_ISDIR(there[n].st_mode)]
        need(not strange, f"links or special files: {', '.join(sorted(strange)[:5])}")
        missing = ", ".join(name for name in SEAL_FILES if name not in self.found)
        need(not missing, f"not a sealed case, or not all of it; missing: {missing}")
        return f"{len(self.found)} files, no links"

    def manifest(self) -> str:
        data = self.read("manifest.json")
        case = json.loads(data)
        need(case["format"] == "ivr-case/2", f"is of format {case['format']!r}: use its verifier")
        whole = "complete" if case["is_complete"] else "INCOMPLETE: "
        whole += "; ".join(case["incomplete_reasons"])
        self.listed = {entry["path"]: entry for entry in case["files"]}
        self.sealed, self.seal = case, sha256(data).hexdigest()
        return f"case {case['case_id']}, {len(self.listed)} files, {whole}"

    def files(self) -> str:
        wrong = [f"{name} is missing" for name in self.listed if name not in self.found]
        for name in self.found.keys() & self.listed.keys():
            size, digest = self.listed[name]["size"], self.listed[name]["sha256"]
            with (self.path / name).open("rb") as file:
                if self.found[name] != size or file_digest(file, "sha256").hexdigest() != digest:
                    wrong.append(f"{name} was changed")
        for name in self.found.keys() - self.listed.keys() - {*SEAL_FILES}:
            wrong += [] if name.startswith("reports/") else [f"{name} is not part of the case"]
        need(not wrong, "; ".join(sorted(wrong)[:9]) + f" ({len(wrong)} in all)")
        return f"{len(self.listed)} have the sealed SHA-256; no others, but for reports/"

    def wire_chain(self) -> str:
        stated = self.sealed["wire"]
        if not stated:
            return "no packets: an upload, or a call without media"
        end = (stated["blocks"], stated["chain_head"])
        blocks = self.chained(self.read("original/wire.chain.jsonl"), "0" * 64, end)
        with (self.path / WIRE).open("rb") as file:
            for n, block in enumerate(blocks):
                self.at, data = WIRE, file.read(block["length"])
                need(sha256(data).hexdigest() == block["sha256"], f"was changed in block {n}")
            need(not file.read(1), "has bytes that are in no block")
        return f"{len(blocks)} blocks, {self.found[WIRE]} bytes, none outside"

    def journal(self) -> str:
        stated, name = self.sealed["journal"], f"ivr-journal:{self.sealed['case_id']}"
        first, end = sha256(name.encode()).hexdigest(), (stated["entries"], stated["head"])
        return f"{len(self.chained(self.read('journal.jsonl'), first, end))} events"

    def origins(self) -> str:
        waiting = [each for each in self.listed.values() if each["role"] == "derived"]
        known = {each["sha256"] for each in self.listed.values() if each["role"] != "derived"}
        while ready := {e["sha256"] for e in waiting if known >= {*(e["parent_sha256"] or "?")}}:
            known |= ready
            waiting = [each for each in waiting if each["sha256"] not in ready]
        need(not waiting, f"no parent in the case: {[each['path'] for each in waiting][:5]}")
        return "all derived files descend from the originals"

    def keyring(self) -> str:
        """Each line must count: by an accepted key that is not revoked (the first by itself)."""
        key, self.own = read_key(self.read("signer.pem"))
        self.keys, given = {self.own: key}, self.given_or_beside("key", "site.pub.pem")
        self.led = {self.own if given is None else read_key(given)[1]}  # to others, by the trusted
        ring, previous, size = dict[str, Any](), "0" * 64, 0
        data = self.given_or_beside("keyring", "keyring.jsonl") or b""
        for n, line in enumerate(ended[:-1] for ended in data.splitlines(True)):
            self.at = f"keyring line {n + 1}"
            said = unb64url(json.loads(line)["payload"])
            act = json.loads(said)
            key, name = read_key(act["public_pem"].encode())
            signer, _ = check_jws(line, "ivr-keyring", ring | {name: key})
            place = (act["previous"], act["site"], act["key_sha256"], dump(act), len(act))
            is_next = place == (previous, self.sealed["site"], name, said, 8)
            may = (signer in ring or n == 0) and not {signer, name} & self.revoked.keys()
            is_due = act["act"] == ("revoke" if name in ring else "endorse")
            need(is_next and may and is_due and act["log_size"] >= size, "does not count")
            ring[name], previous, size = key, sha256(line).hexdigest(), act["log_size"]
            self.revoked |= {name: size} if act["act"] == "revoke" else {}
            self.led |= {name} if signer in self.led else set()
        self.keys |= {name: key for name, key in ring.items() if name in self.led}
        return f"{len(ring)} keys, {len(self.revoked)} revoked" if ring else "none given"

    def signature(self) -> str:
        jws, data = self.read("manifest.jws"), self.read("manifest.json")
        self.at = "manifest.jws over manifest.json"
        check_jws(jws, "ivr-manifest", {self.own: self.keys[self.own]}, data)
        need(self.sealed["signer"]["key_sha256"] == self.own, "is not by the key of the manifest")
        return f"manifest {self.seal} signed by key {self.own}"

    def custody(self) -> str:
        self.records = self.chained(self.read("custody.jsonl"), self.seal)
        self.custodian, last = check_jws(self.read("custody.head.jws"), "ivr-custody", self.keys)
        need(self.read("custody.jsonl").endswith(last + b"\n"), "ends otherwise than signed")
        return "{} entries, last: {action} at {at}".format(len(self.records), **self.records[-1])

    def site_link(self) -> str:
        """The site's lines on this case are in its log: audit paths lead to a signed head of it."""
        link, case = self.sealed["site_link"], self.sealed["case_id"]
        data = self.given_or_beside("inclusion", "inclusion.json")
        place = f"line {link['n']} of the site's log, after {link['previous_case_id']}"
        if data is None:
            return f"{place}; not compared with that log (no --inclusion)"
        proof = json.loads(data)
        signer, payload = check_jws(dump(proof["head"]), "ivr-site-head", self.keys)
        head, lines = json.loads(payload), [each["entry"] for each in proof["entries"]]
        is_ours = (proof["format"], head["site"]) == ("ivr-inclusion/1", self.sealed["site"])
        is_ours = is_ours and signer not in self.revoked and dump(proof) == data
        need(is_ours, "has another spelling, or a head of another site or by a revoked key")
        for each, line in zip(proof["entries"], lines, strict=True):
            path, leaf = [*map(bytes.fromhex, each["path"])], sha256(b"\0" + dump(line)).digest()
            root = root_from(leaf, line["n"], head["size"], path).hex()
            is_in = (root, [*map(bytes.hex, path)]) == (head["root"], each["path"])
            need(is_in and each["index"] == line["n"], f"has an entry {line['n']} not in that log")
        seal = {"seal_sha256": self.seal, "n": link["n"], "previous": link["previous_chain"]}
        need(lines[0].items() >= seal.items(), "is not on this seal in its place")
        n, chain = len(self.records) - 1, self.records[-1]["chain"]
        end = {"case_id": case, "entry": n, "custody_chain": chain} if n else lines[0]
        need(lines[-1].items() >= end.items(), f"knows another end of custody.jsonl than entry {n}")
        self.lines = (lines[0]["n"], lines[-1]["n"])
        return f"{place}; shown to be in it"

    def signing_key(self) -> str:
        need(self.own in self.led, f"signer.pem is {self.own}: the trusted key does not lead to it")
        uses = (("manifest.jws", self.own), ("custody.head.jws", self.custodian))
        for (what, key), line in zip(uses, self.lines, strict=True):
            why = f"{what} is by {key}, revoked in the site's log, and not shown to be older"
            need(line < self.revoked.get(key, line + 1), why)
        if "key" in self.given:
            return f"{self.own} is the trusted key, or the keyring leads from that to it"
        return f"key not compared (no --key): ask the site whether {self.own} is theirs"


def verify_case(case: Path, **given: bytes | None) -> list[Step]:
    """Every step, in order, whatever lies at ``case``. Reads only; never raises."""
    check, steps = Case(case, {k: v for k, v in given.items() if v is not None}), []
    for n, name in enumerate(STEPS.split(", "), 1):
        check.at, ok = "", False
        try:
            ok, detail = True, getattr(check, name.replace(" ", "_"))()
        except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
            kind = "" if type(problem) is ValueError else f"is broken: {type(problem).__name__} "
            detail = f"{check.at} {kind}{problem}".strip()
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in detail)
        steps.append(Step(n, name, ok, shown))  # no control codes on a reader's terminal
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(description="Check a sealed case, offline.")
    parser.add_argument("case", type=Path, help="the case folder")
    for option in ("key", "keyring", "inclusion"):
        parser.add_argument(f"--{option}", type=argparse.FileType("rb"), metavar="FILE")
    said = vars(parser.parse_args()).items()
    steps = verify_case(**{k: v.read() if k != "case" and v else v for k, v in said})
    for n, name, ok, detail in steps:
        line = f"{n:2}. {'ok  ' if ok else 'FAIL'} {name}: {detail}\n"
        sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace"))
    ok = all(step.ok for step in steps)
    sys.stdout.write(f"RESULT: {'' if ok else 'NOT '}as it was sealed.\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
