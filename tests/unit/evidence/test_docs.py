"""The commands of docs/checking.md do what the page says, with standard tools alone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ivr.evidence.bag import BagLabel, write_bag
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.verifier import verify_case
from tests.fakes.evidence_site import Site

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "checking.md").read_text(encoding="utf-8")
# some two hundred short processes each: a loaded machine takes its time to start them
pytestmark = pytest.mark.timeout(300)
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))


def check_by_hand(case: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", COMMANDS],
        cwd=case,
        capture_output=True,
        text=True,
        timeout=280,
    )


def first_key(algorithm: str):
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else None


def exported(root: Path, algorithm: str) -> Path:
    """A court folder of a case sealed by a key of that kind; a later key signs the rest."""
    key = first_key(algorithm)
    if key is not None:
        (root / "keys").mkdir(parents=True)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (root / "keys" / "site.pem").write_bytes(pem)
        (root / "keys" / "site.pem").chmod(0o600)
    site = Site(root)
    site.sealed("01JDHZ0000000000000BEFORE")
    case = site.sealed().path
    KeyRoom(site.evidence, root, site.clock).rotate()
    later = Site(root, site.clock)
    append_custody(case, CustodyAction.VIEWED, later.custodian, actor="Đội 3", reason="YC 12/2026")
    target = root.parent / "bag"
    label = BagLabel(case.name, "dak-lak", "0" * 64, "1" * 64, "2026-11-25", "An", "YC", "ivr")
    write_bag(case, target, label, later.custodian, {})
    return target


def writable(bag: Path, place: Path) -> Path:
    """The case in a copy of the export, which a criminal can write to."""
    copy = shutil.copytree(bag, place / "usb stick" / "bag")
    for file in copy.rglob("*"):
        file.chmod(0o700)
    return copy / "data" / "01JDHZ0000000000000000CASE"


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("site") / "ivr-data", "ES256")


@pytest.fixture
def case(bag, tmp_path) -> Path:
    return writable(bag, tmp_path)


def test_the_tools_are_there():
    for tool in ("jq", "openssl", "sha256sum", "bash"):
        assert shutil.which(tool), f"install {tool}: the page is checked with it"


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256", "RS256"])
def test_an_untouched_case_passes_every_command(bag, tmp_path, algorithm):
    if algorithm != "ES256":
        bag = exported(tmp_path / "ivr-data", algorithm)
    case = writable(bag, tmp_path)
    done = check_by_hand(case)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("endorse ") == 2
    steps = verify_case(case)
    assert [step for step in steps if not step.ok] == []
    assert "shown to be in it" in next(s.detail for s in steps if s.name == "site link")
    by_script = subprocess.run(
        ["bash", "data/kiem-tra-thu-cong.sh"],
        cwd=case.parent.parent,
        capture_output=True,
        text=True,
    )
    assert (by_script.returncode, by_script.stderr) == (0, "")
    assert "verifier.py" in by_script.stdout  # the bag is signed by the later key


CHANGES = [
    ("derived/caller.wav", b"RIFF", b"RIFX"),
    ("manifest.json", b'"score":0.93', b'"score":0.13'),
    ("custody.jsonl", b"the call is over", b"the call is long"),
    ("signer.pem", b"PUBLIC", b"PUBLIK"),
    ("custody.head.jws", b'"payload":"ey', b'"payload":"eY'),
    ("../keyring.jsonl", b'"signature":"', b'"signature":"A'),
    ("../inclusion.json", b'"index":', b'"index":1'),
    ("../inclusion.json", b'"entry":1', b'"entry":0'),
]


@pytest.mark.parametrize(("name", "old", "new"), CHANGES, ids=[each[0] for each in CHANGES])
def test_a_change_fails_a_command(case, name, old, new):
    path = case / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert check_by_hand(case).returncode != 0


def test_an_added_file_fails_a_command(case):
    (case / "derived" / "more.wav").write_bytes(b"")
    assert check_by_hand(case).returncode != 0


def test_the_pages_name_every_step_of_the_verifier_in_order(case):
    names = ", ".join(step.name for step in verify_case(case))
    page = (DOCS / "evidence.md").read_text(encoding="utf-8")
    assert names in " ".join(page.split())
