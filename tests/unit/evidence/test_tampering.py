"""Named attacks on a sealed case, on an export and on a site. Each is found, at the step that a
reader would look at, and the finding names what was attacked.

The site of the template has gone over to a second key and revoked its first, which the thief of
these attacks has. Reader and thief have the export; the reader knows the site by its first key.
"""

import hashlib
import json
import shutil
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.evidence.bag import BagLabel, write_bag
from ivr.evidence.bag_check import check_bag
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signer import FileSigner
from ivr.evidence.verifier import verify_case
from tests.fakes.evidence_site import OPENED_AT, Site

ONE, TWO = "01JDHZ00000000000000000ONE", "01JDHZ00000000000000000TWO"
ATTACKED = ("custody.jsonl", "custody.head.jws")


@dataclass(frozen=True)
class World:
    """What there is to attack.

    Args:
        case: in the export of case ONE; what lies beside it in ``case.parent`` is its export's.
        other: the same of case TWO.
        old: earlier copies: custody of ONE, inclusion proof of ONE, head of the log.
        root: the data folder of the site.
        key: the first key, which the reader has (public) and the thief as well (private).
    """

    case: Path
    other: Path
    old: Path
    root: Path
    key: bytes
    stolen: Path

    @property
    def bag(self) -> Path:
        return self.case.parent.parent


def certificate(pem: bytes) -> x509.Certificate:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, Ed25519PrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trạm thử")])
    begin = datetime.fromtimestamp(OPENED_AT.timestamp(), OPENED_AT.tzinfo)
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(begin).not_valid_after(begin + timedelta(days=365))
    return built.sign(key, None)


def export(site: Site, case_id: str, target: Path) -> Path:
    label = BagLabel(case_id, "dak-lak", "0" * 64, "1" * 64, "2026-11-25", "An", "YC", "ivr")
    write_bag(site.vault / case_id, target, label, site.custodian, {})
    return target


def look(site: Site, case_id: str, actor: str = "Đội 3") -> None:
    append_custody(
        site.vault / case_id, CustodyAction.VIEWED, site.custodian, actor=actor, reason="YC 12"
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("template")
    site = Site(top / "site")
    stolen = (site.root / "keys" / "site.pem").read_bytes()
    site.signer.certificates = [certificate(stolen)]
    for case_id in (ONE, TWO):
        site.sealed(case_id)
    look(site, ONE)
    old = top / "old"
    old.mkdir()
    for name in ATTACKED:
        shutil.copy(site.vault / ONE / name, old)
    shutil.copy(site.root / "site-log.head.jws", old)
    (old / "inclusion.json").write_bytes(site.log.inclusion(ONE))
    room = KeyRoom(site.evidence, site.root, site.clock)
    room.rotate()
    room.revoke(site.signer.key_sha256, "bị mất cắp")
    later = Site(site.root, site.clock)
    for case_id in (ONE, TWO):
        look(later, case_id, "Đội 4")
    export(later, ONE, top / "bag")
    export(later, TWO, top / "bag of the other")
    (top / "thief.pem").write_bytes(stolen)
    (top / "thief.pem").chmod(0o600)
    return top


@pytest.fixture
def world(template, tmp_path) -> World:
    top = shutil.copytree(template, tmp_path / "world")
    for path in top.rglob("*"):
        path.chmod(0o700)
    (top / "thief.pem").chmod(0o600)
    return World(
        top / "bag" / "data" / ONE,
        top / "bag of the other" / "data" / TWO,
        top / "old",
        top / "site",
        (top / "site" / "keys" / "first.pub.pem").read_bytes(),
        top / "thief.pem",
    )


def of_case(world: World) -> dict[str, str]:
    """As the reader of an export runs ``verifier.py``."""
    return {s.name: s.detail for s in verify_case(world.case, key=world.key) if not s.ok}


def of_claim(world: World) -> dict[str, str]:
    """The same without a trusted key."""
    return {s.name: s.detail for s in verify_case(world.case) if not s.ok}


def of_case_alone(world: World) -> dict[str, str]:
    """With a trusted keyring, but without the proof of inclusion."""
    ring = (world.root / "keys" / "keyring.jsonl").read_bytes()
    (world.case.parent / "inclusion.json").unlink(missing_ok=True)
    steps = verify_case(world.case, key=world.key, keyring=ring)
    return {s.name: s.detail for s in steps if not s.ok}


def of_bag(world: World) -> dict[str, str]:
    return {s.name: s.detail for s in check_bag(world.bag) if not s.ok}


def of_site(world: World) -> dict[str, str]:
    key = world.root.parent / "first.pem"
    key.write_bytes(world.key)
    steps = prove_site(world.root, SiteTrust(key), [world.old / "site-log.head.jws"])
    return {s.name: s.detail for s in steps if not s.ok}


def flip(path: Path, at: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)


def lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_bytes(rfc8785.dumps(value))


def reword(path: Path, old: str, new: str) -> None:
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode(), 1))


def reheader(path: Path, **members: object) -> None:
    """Change the protected header of a signature and keep the signature."""

    def change(jws: dict[str, Any]) -> None:
        text = jws["signatures"][0]["protected"]
        header = {**json.loads(urlsafe_b64decode(text + "==")), **members}
        header = {name: value for name, value in header.items() if value is not None}
        jws["signatures"][0]["protected"] = (
            urlsafe_b64encode(rfc8785.dumps(header)).decode().rstrip("=")
        )

    edit(path, change)


def swap(one: Path, two: Path) -> None:
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def move_in(world: World, *names: str) -> None:
    """Files of the other case in the place of this one's."""
    for name in names:
        shutil.copy(world.other / name, world.case / name)


def roll_back(case: Path, old: Path) -> None:
    for name in ATTACKED:
        shutil.copy(old / name, case / name)


def forge(case: Path, signer: FileSigner) -> None:
    """Another verdict, and everything made to fit and signed with a key of the thief's."""
    edit(case / "manifest.json", lambda m: m["verdict"].update(score=0.1))
    edit(case / "manifest.json", lambda m: m["signer"].update(key_sha256=signer.key_sha256))
    manifest = (case / "manifest.json").read_bytes()
    signatures = signer.sign(manifest, "ivr-manifest")["signatures"]
    (case / "manifest.jws").write_bytes(rfc8785.dumps({"signatures": signatures}))
    (case / "signer.pem").write_bytes(signer.public_pem)
    seal = hashlib.sha256(manifest).hexdigest()
    entry = {"action": "sealed", "at": "2026-11-25T02:00:12.000000Z", "n": 0, "previous": seal}
    line = rfc8785.dumps({**entry, "chain": hashlib.sha256(rfc8785.dumps(entry)).hexdigest()})
    (case / "custody.jsonl").write_bytes(line + b"\n")
    (case / "custody.head.jws").write_bytes(rfc8785.dumps(signer.sign(line, "ivr-custody")))


def stranger(world: World) -> FileSigner:
    return FileSigner.open(world.stolen.with_name("stranger.pem"))


def beside(world: World, name: str) -> Path:
    return world.case.parent / name


def link(path: Path) -> None:
    """The right content, elsewhere."""
    elsewhere = path.with_name("elsewhere").resolve()
    away = elsewhere.parent.parent.parent / f"away-{path.name}"
    path.rename(away)
    path.symlink_to(away)


def decomposed(path: Path) -> Path:
    return path.with_name(unicodedata.normalize("NFD", "biên bản.txt"))


Attack = Callable[[World], object]
Judge = Callable[[World], dict[str, str]]
TABLE: dict[str, tuple[Attack, Judge, str, str]] = {
    # a sealed case
    "a file added": (
        lambda w: (w.case / "derived/more.wav").write_bytes(b""),
        of_case, "files", "derived/more.wav is not part",
    ),
    "a file added under a name in NFD": (
        lambda w: decomposed(w.case / "derived/x").write_bytes(b""),
        of_case, "files", "derived/bie",
    ),
    "custody entries in another order": (
        lambda w: lines(w.case / "custody.jsonl", lambda x: [x[1], x[0], *x[2:]]),
        of_case, "custody", "custody.jsonl line 1",
    ),
    "journal entries in another order": (
        lambda w: lines(w.case / "journal.jsonl", lambda x: [x[1], x[0], *x[2:]]),
        of_case, "journal", "journal.jsonl line 1",
    ),
    "blocks of the wire log in another order": (
        lambda w: lines(w.case / "original/wire.chain.jsonl", lambda x: [x[1], x[0], *x[2:]]),
        of_case, "wire chain", "wire.chain.jsonl line 1",
    ),
    "an entry taken out of the journal": (
        lambda w: lines(w.case / "journal.jsonl", lambda x: [x[0], *x[2:]]),
        of_case, "journal", "journal.jsonl line 2",
    ),
    "the wire log truncated": (
        lambda w: (w.case / "original/wire.pcapng").write_bytes(
            (w.case / "original/wire.pcapng").read_bytes()[:-4]
        ),
        of_case, "wire chain", "original/wire.pcapng",
    ),
    "custody truncated within a line": (
        lambda w: (w.case / "custody.jsonl").write_bytes(
            (w.case / "custody.jsonl").read_bytes()[:-9]
        ),
        of_case, "custody", "custody.jsonl",
    ),
    "the last custody entry cut off": (
        lambda w: lines(w.case / "custody.jsonl", lambda x: x[:-1]),
        of_case, "custody", "custody.jsonl ends otherwise",
    ),
    "a name in custody edited": (
        lambda w: reword(w.case / "custody.jsonl", "Đội 3", "Đội 5"),
        of_case, "custody", "custody.jsonl line 2 was changed",
    ),
    "a name in custody spelt in NFD": (
        lambda w: reword(w.case / "custody.jsonl", "Đội 3", unicodedata.normalize("NFD", "Đội 3")),
        of_case, "custody", "custody.jsonl line 2 was changed",
    ),
    "the wire log of another case": (
        lambda w: (flip(w.other / "original/wire.pcapng"), move_in(w, "original/wire.pcapng")),
        of_case, "files", "original/wire.pcapng was changed",
    ),
    "the journal of another case": (
        lambda w: move_in(w, "journal.jsonl"),
        of_case, "journal", "journal.jsonl line 1",
    ),
    "custody of another case": (
        lambda w: move_in(w, *ATTACKED),
        of_case, "custody", "custody.jsonl line 1",
    ),
    "the manifest of another case": (
        lambda w: move_in(w, "manifest.json"),
        of_case, "signature", "manifest.jws over manifest.json",
    ),
    "manifest and signature of another case": (
        lambda w: move_in(w, "manifest.json", "manifest.jws"),
        of_case, "custody", "custody.jsonl line 1",
    ),
    "a verdict changed and all signed by a stranger": (
        lambda w: forge(w.case, stranger(w)),
        of_case, "signing key", "does not lead to it",
    ),
    "a verdict changed and all signed by the revoked key": (
        lambda w: forge(w.case, FileSigner.open(w.stolen)),
        of_case, "site link", "inclusion.json is not on this seal",
    ),
    "the same, with no proof of inclusion": (
        lambda w: forge(w.case, FileSigner.open(w.stolen)),
        of_case_alone, "signing key", "manifest.jws is by",
    ),
    "custody put back with its old head": (
        lambda w: roll_back(w.case, w.old),
        of_case, "site link", "custody.jsonl",
    ),
    "custody and proof put back: the old head is by a key that was revoked": (
        lambda w: (roll_back(w.case, w.old), shutil.copy(w.old / "inclusion.json", w.case.parent)),
        of_case, "site link", "head of another site or by a revoked key",
    ),
    "a digest in the proof of inclusion edited": (
        lambda w: edit(
            beside(w, "inclusion.json"), lambda p: p["entries"][0]["path"].__setitem__(0, "0" * 64)
        ),
        of_case, "site link", "inclusion.json has an entry",
    ),
    "a digest in the proof spelt in capitals": (
        lambda w: edit(
            beside(w, "inclusion.json"),
            lambda p: p["entries"][0].update(path=[n.upper() for n in p["entries"][0]["path"]]),
        ),
        of_case, "site link", "inclusion.json has an entry",
    ),
    "an index in the proof edited": (
        lambda w: edit(beside(w, "inclusion.json"), lambda p: p["entries"][0].update(index=0)),
        of_case, "site link", "inclusion.json",
    ),
    "the custody line left out of the proof": (
        lambda w: edit(beside(w, "inclusion.json"), lambda p: p["entries"].pop()),
        of_case, "site link", "inclusion.json",
    ),
    "a line of the proof edited": (
        lambda w: edit(
            beside(w, "inclusion.json"), lambda p: p["entries"][1]["entry"].update(entry=1)
        ),
        of_case, "site link", "inclusion.json has an entry",
    ),
    "the head in the proof edited": (
        lambda w: edit(beside(w, "inclusion.json"), lambda p: p["head"].update(payload="e30")),
        of_case, "site link", "inclusion.json is broken",
    ),
    "a name twice in the proof": (
        lambda w: reword(beside(w, "inclusion.json"), '"format"', '"format":"x","format"'),
        of_case, "site link", "inclusion.json has another spelling",
    ),
    "the proofs of two cases exchanged": (
        lambda w: swap(beside(w, "inclusion.json"), w.other.parent / "inclusion.json"),
        of_case, "site link", "inclusion.json is not on this seal",
    ),
    "the case's key exchanged": (
        lambda w: (w.case / "signer.pem").write_bytes(stranger(w).public_pem),
        of_case, "signing key", "does not lead to it",
    ),
    "the claimed key exchanged": (
        lambda w: beside(w, "site.pub.pem").write_bytes(stranger(w).public_pem),
        of_claim, "signing key", "does not lead to it",
    ),
    "the revocation cut out of the keyring": (
        lambda w: lines(beside(w, "keyring.jsonl"), lambda x: x[:-1]),
        of_bag, "bag payload", "data/keyring.jsonl was changed",
    ),
    "the keyring cut within a line": (
        lambda w: beside(w, "keyring.jsonl").write_bytes(
            beside(w, "keyring.jsonl").read_bytes()[:-2]
        ),
        of_case, "keyring", "keyring line 3",
    ),
    "a stranger endorsed by the revoked key": (
        lambda w: beside(w, "keyring.jsonl").write_bytes(
            beside(w, "keyring.jsonl").read_bytes() + endorsement(w)
        ),
        of_case, "keyring", "keyring line 4 does not count",
    ),
    "the certificate (x5c) struck from the header": (
        lambda w: reheader(w.case / "manifest.jws", x5c=None),
        of_case, "signature", "manifest.jws over manifest.json is broken: InvalidSignature",
    ),
    "algorithm none": (
        lambda w: reheader(w.case / "manifest.jws", alg="none"),
        of_case, "signature", "manifest.jws over manifest.json no 'none'",
    ),
    "algorithm ES256 for an Ed25519 key": (
        lambda w: reheader(w.case / "custody.head.jws", alg="ES256"),
        of_case, "custody", "custody.head.jws no 'ES256'",
    ),
    "the public key as a shared secret": (
        lambda w: reheader(w.case / "manifest.jws", alg="HS256"),
        of_case, "signature", "manifest.jws over manifest.json no 'HS256'",
    ),
    "a signature for another purpose": (
        lambda w: edit(
            w.case / "manifest.jws",
            lambda j: j.update(
                signatures=json.loads((w.case / "custody.head.jws").read_bytes())["signatures"]
            ),
        ),
        of_case, "signature", "is no ivr-manifest signature",
    ),
    "a second signature": (
        lambda w: edit(w.case / "manifest.jws", lambda j: j["signatures"].append({})),
        of_case, "signature", "manifest.jws",
    ),
    "a name twice in the manifest": (
        lambda w: reword(w.case / "manifest.json", '{"call":', '{"call":{},"call":'),
        of_case, "signature", "manifest.jws over manifest.json",
    ),
    "a name twice in a signature": (
        lambda w: reword(w.case / "manifest.jws", '{"signatures"', '{"signatures":[],"signatures"'),
        of_case, "signature", "manifest.jws over manifest.json is no ivr-manifest signature",
    ),
    "a path of the manifest in NFD": (
        lambda w: reword(w.case / "manifest.json", "derived/caller.wav", "derived/cầller.wav"),
        of_case, "signature", "manifest.json",
    ),
    "a link in place of a recording": (
        lambda w: link(w.case / "derived/caller.wav"),
        of_case, "structure", "derived/caller.wav",
    ),
    "a link in place of a folder": (
        lambda w: link(w.case / "original"),
        of_case, "structure", "original",
    ),
    "a link in place of custody": (
        lambda w: link(w.case / "custody.jsonl"),
        of_case, "custody", "custody.jsonl is missing, or no regular file",
    ),
    # an export
    "a file added to the export": (
        lambda w: (w.bag / "data/more.pdf").write_bytes(b"%PDF"),
        of_bag, "bag payload", "data/more.pdf was added",
    ),
    "custody and proof in the export put back": (
        lambda w: (roll_back(w.case, w.old), shutil.copy(w.old / "inclusion.json", w.case.parent)),
        of_bag, "bag payload", "data/inclusion.json was changed",
    ),
    "a link in the export": (
        lambda w: link(w.bag / "data/custody.csv"),
        of_bag, "bag structure", "data/custody.csv",
    ),
    "the verifier in the export exchanged": (
        lambda w: (w.bag / "data/verifier.py").write_bytes(b"print('ok')"),
        of_bag, "bag payload", "data/verifier.py was changed",
    ),
    "the key in the export exchanged": (
        lambda w: beside(w, "site.pub.pem").write_bytes(stranger(w).public_pem),
        of_bag, "bag signature", "site.pub.pem",
    ),
    "the export's signature by the revoked key": (
        lambda w: (w.bag / "bag.jws").write_bytes(
            rfc8785.dumps(
                {
                    "signatures": FileSigner.open(w.stolen).sign(
                        (w.bag / "tagmanifest-sha256.txt").read_bytes(), "ivr-bag"
                    )["signatures"]
                }
            )
        ),
        of_bag, "bag signature", "revoked in data/keyring.jsonl",
    ),
    "the cases of two exports exchanged": (
        lambda w: (shutil.rmtree(w.case), shutil.copytree(w.other, w.case.parent / TWO)),
        of_bag, "bag payload", f"data/{TWO}/",
    ),
    # a site
    "a case taken away": (
        lambda w: shutil.rmtree(w.root / "cases" / TWO),
        of_site, "cases in their place", TWO,
    ),
    "a case put in": (
        lambda w: (
            shutil.copytree(w.root / "cases" / TWO, w.root / "cases" / "01STRANGER"),
            forge(w.root / "cases" / "01STRANGER", FileSigner.open(w.stolen)),
        ),
        of_site, "no other cases", "01STRANGER",
    ),
    "custody in the vault put back with its old head": (
        lambda w: roll_back(w.root / "cases" / ONE, w.old),
        of_site, "custody", ONE,
    ),
    "the old head replayed": (
        lambda w: shutil.copy(w.old / "site-log.head.jws", w.root),
        of_site, "signed head", "",
    ),
    "a line of the log edited": (
        lambda w: reword(w.root / "site-log.jsonl", f'"case_id":"{TWO}"', '"case_id":"01OTHER"'),
        of_site, "site log", "site-log.jsonl",
    ),
    "the log cut": (
        lambda w: lines(w.root / "site-log.jsonl", lambda x: x[:-2]),
        of_site, "signed head", "",
    ),
    "the revocation cut out of the site's keyring": (
        lambda w: lines(w.root / "keys" / "keyring.jsonl", lambda x: x[:-1]),
        of_site, "keys", "",
    ),
}  # fmt: skip


def endorsement(world: World) -> bytes:
    """A line as the revoked key would have to write it to bring in a key of the thief's."""
    thief, ring = FileSigner.open(world.stolen), beside(world, "keyring.jsonl").read_bytes()
    last = ring.splitlines()[-1]
    said = json.loads(urlsafe_b64decode(json.loads(last)["payload"] + "=="))
    new = stranger(world)
    said |= {"act": "endorse", "previous": hashlib.sha256(last).hexdigest(), "reason": ""}
    said |= {"key_sha256": new.key_sha256, "public_pem": new.public_pem.decode()}
    return rfc8785.dumps(thief.sign(rfc8785.dumps(said), "ivr-keyring")) + b"\n"


def test_nothing_is_found_where_nothing_was_attacked(world):
    assert (of_case(world), of_claim(world), of_bag(world), of_site(world)) == ({}, {}, {}, {})


@pytest.mark.parametrize("name", TABLE)
def test_an_attack_is_found_and_named(world, name):
    attack, judge, step, said = TABLE[name]
    attack(world)
    found = judge(world)
    assert step in found, found
    assert said in found[step]


def test_a_flipped_byte_in_any_file_of_an_export_is_found_and_the_file_named(world):
    for file in sorted(path for path in world.bag.rglob("*") if path.is_file()):
        flip(file)
        found = {**of_bag(world), **of_case(world)}
        name = file.name.partition(".")[0]
        assert any(name in detail for detail in found.values()), (file, found)
        flip(file)
    assert (of_bag(world), of_case(world)) == ({}, {})


def test_a_flipped_byte_in_any_file_of_a_case_is_found_and_the_file_named(world):
    for file in sorted(path for path in world.case.rglob("*") if path.is_file()):
        flip(file)
        found = of_case(world)
        assert any(file.name in detail for detail in found.values()), (file, found)
        flip(file)


def test_any_file_of_a_case_taken_away_is_found_and_named(world):
    for file in sorted(path for path in world.case.rglob("*") if path.is_file()):
        content = file.read_bytes()
        file.unlink()
        assert any(file.name in detail for detail in of_case(world).values()), file
        file.write_bytes(content)
