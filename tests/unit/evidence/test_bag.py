"""The court folder: what is in it, that it checks anywhere, and that no change goes unseen."""

import csv
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.casework.exporting import export_bag
from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.errors import EvidenceError
from ivr.evidence.bag import BagLabel, write_bag
from ivr.evidence.bag_check import check_bag
from ivr.evidence.custody import Custodian, CustodyAction, append_custody, read_custody
from ivr.evidence.signer import FileSigner
from tests.fakes.evidence_site import AT_SITE, Site, in_child
from tests.fakes.judged_case import judged_case

WHO, WHY = "Nguyễn Văn A, cán bộ tiếp nhận", "Yêu cầu số 12/2026"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A site with one judged case, and its court folder."""
    site = Site(tmp_path_factory.mktemp("house") / "ivr-data")
    path = judged_case(site)
    target = site.root.parent / "bag"
    export_bag(path, target, site.custodian, actor=WHO, reason=WHY)
    return site, path, target


@pytest.fixture
def bag(house, tmp_path):
    """A copy that a criminal can write to."""
    copy = shutil.copytree(house[2], tmp_path / "usb stick" / "bag")
    for file in copy.rglob("*"):
        file.chmod(0o700)
    return copy


def failed(bag: Path, key: Path | None = None) -> dict[str, str]:
    return {step.name: step.detail for step in prove_files(bag, key, None) if not step.ok}


def tree(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def by_hand(bag: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", "data/kiem-tra-thu-cong.sh"]
    return subprocess.run(command, cwd=bag, capture_output=True, text=True, timeout=60)


def test_the_case_in_it_is_the_sealed_case_byte_for_byte(house):
    _, path, bag = house
    assert tree(bag / "data" / path.name) == tree(path)


def test_every_step_holds_on_another_disk(house, bag):
    steps = prove_files(bag, house[0].public_key, house[0].log_path)
    assert [step.n for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.ok for step in steps), steps


def test_custody_tells_of_the_export_in_the_vault_and_in_the_bag(house):
    _, path, bag = house
    last = read_custody(bag / "data" / path.name)[-1]
    assert (last["action"], last["actor"], last["reason"]) == (CustodyAction.EXPORTED, WHO, WHY)
    assert read_custody(path)[-1] == last


def test_the_custody_table_has_a_row_for_each_entry(house):
    _, path, bag = house
    text = (bag / "data/custody.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["chain"] for row in rows] == [each["chain"] for each in read_custody(path)]
    assert rows[-1]["actor"] == WHO


def test_a_name_is_no_formula_in_the_custody_table(site):
    path = judged_case(site)
    formula = '=HYPERLINK("http://example.org")'
    append_custody(path, CustodyAction.VIEWED, site.custodian, actor=formula, reason="")
    target = site.root.parent / "bag"
    export_bag(path, target, site.custodian, actor=WHO, reason=WHY)
    text = (target / "data/custody.csv").read_bytes().decode("utf-8-sig")
    assert f"'{formula}" in [row["actor"] for row in csv.DictReader(io.StringIO(text))]


def test_bag_info_names_the_case_who_and_why(house):
    _, path, bag = house
    info = (bag / "bag-info.txt").read_text(encoding="utf-8").splitlines()
    assert f"Ivr-Case-Id: {path.name}" in info
    assert f"Contact-Name: {WHO}" in info
    assert f"External-Description: {WHY}" in info


LABEL = BagLabel(
    "01JDHZ0000000000000JUDGED", "dak-lak", "0" * 64, "1" * 64, "2026-11-25", "A", "B", "ivr"
)


def test_the_same_case_makes_the_same_bag_byte_for_byte(house, tmp_path):
    site, path, _ = house
    for name in ("one", "two"):
        write_bag(path, tmp_path / name, LABEL, site.custodian, {"to-trinh.txt": b"x"})
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_line_break_in_a_reason_makes_no_member_of_bag_info(house, tmp_path):
    site, path, _ = house
    label = BagLabel(
        path.name, "x", "0" * 64, "1" * 64, "2026-11-25", "A\nPayload-Oxum: 1.1", "", "ivr"
    )
    write_bag(path, tmp_path / "bag", label, site.custodian, {})
    info = (tmp_path / "bag/bag-info.txt").read_text(encoding="utf-8")
    assert len(re.findall("^Payload-Oxum", info, re.MULTILINE)) == 1
    assert failed(tmp_path / "bag") == {}


def test_a_folder_with_something_in_it_is_refused_and_nothing_is_entered(house, tmp_path):
    site, path, _ = house
    (tmp_path / "kept.txt").write_text("mine")
    before = read_custody(path)
    with pytest.raises(EvidenceError, match="cannot go to"):
        export_bag(path, tmp_path, site.custodian, actor=WHO, reason=WHY)
    assert read_custody(path) == before
    assert tree(tmp_path) == {"kept.txt": b"mine"}


def test_an_export_into_the_case_itself_is_refused(house):
    site, path, _ = house
    inside = path / "reports" / "bag"
    with pytest.raises(EvidenceError, match="cannot go to"):
        export_bag(path, inside, site.custodian, actor=WHO, reason=WHY)
    assert not inside.parent.exists()


def test_a_disk_that_is_full_leaves_no_half_bag(house, tmp_path):
    """A limit on the size of files stands for the disk; it holds in a child process alone."""
    site, path, _ = house

    def export():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(EvidenceError, match="could not be written"):
            write_bag(path, tmp_path / "bag", LABEL, site.custodian, {})

    _, status = os.waitpid(in_child(export, is_killed=True), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL  # it came to the end
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken(house, tmp_path):
    site, path, _ = house
    write_bag(path, tmp_path, LABEL, site.custodian, {})
    assert failed(tmp_path) == {}


def test_a_case_that_was_changed_does_not_leave_the_house(site, tmp_path):
    path = judged_case(site)
    changed = path / "derived/verdict.json"
    changed.chmod(0o600)
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(EvidenceError, match="not as it was sealed"):
        export_bag(path, tmp_path / "bag", site.custodian, actor=WHO, reason=WHY)
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("name", sorted(tree(Path(__file__).parents[3] / "ivr/evidence/handout")))
def test_the_handouts_lie_in_it(house, name):
    assert (house[2] / "data" / name).stat().st_size > 500


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FILES = (
    "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "bag.jws",
    "data/custody.csv", "data/verifier.py", "data/site.pub.pem", "data/HUONG-DAN.txt",
    "data/CASE/manifest.json", "data/CASE/original/upload.m4a", "data/CASE/custody.jsonl",
)  # fmt: skip


def named(house, bag: Path, name: str) -> Path:
    return bag / name.replace("CASE", house[1].name)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found(house, bag, name):
    flip(named(house, bag, name))
    assert failed(bag)
    assert by_hand(bag).returncode != 0


@pytest.mark.parametrize("name", FILES)
def test_a_dropped_file_is_found(house, bag, name):
    named(house, bag, name).unlink()
    assert failed(bag)


@pytest.mark.parametrize("name", ["extra.txt", "data/extra.txt", "data/CASE/derived/extra.json"])
def test_an_added_file_is_found_and_named(house, bag, name):
    named(house, bag, name).write_text("more")
    assert "extra" in failed(bag)["bag payload"]


def test_a_link_is_found(house, bag):
    (bag / "data/link").symlink_to("/etc/passwd")
    assert "data/link" in failed(bag)["bag structure"]


def test_a_paper_that_was_changed_with_all_the_sums_is_found_by_the_signature(house, bag):
    """Manifests alone prove nothing: whoever changes a file can count them anew."""
    old = (bag / "data/custody.csv").read_bytes()
    (bag / "data/custody.csv").write_bytes(old.replace(b"12/2026", b"13/2026"))
    sums = subprocess.run(
        "sha256sum $(cut -c 67- manifest-sha256.txt) > m; mv m manifest-sha256.txt;"
        "sha256sum $(cut -c 67- tagmanifest-sha256.txt) > t; mv t tagmanifest-sha256.txt",
        shell=True, cwd=bag, check=True,
    )  # fmt: skip
    assert sums.returncode == 0
    assert failed(bag).keys() == {"bag signature"}
    assert by_hand(bag).returncode != 0


def test_a_bag_signed_anew_with_another_key_is_found_with_the_trusted_key(house, bag, tmp_path):
    site, path, _ = house
    other = FileSigner.open(tmp_path / "other.pem")
    shutil.rmtree(bag)
    write_bag(path, bag, LABEL, Custodian(other, site.clock, site.log), {})
    assert "bag signature" in failed(bag, site.public_key)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"no sum\n", b"0" * 64 + b"  ../x\n"])
@pytest.mark.parametrize("name", ["manifest-sha256.txt", "bag-info.txt", "bag.jws"])
def test_rubbish_is_an_answer_and_no_crash(bag, name, content):
    (bag / name).write_bytes(content)
    assert not all(step.ok for step in check_bag(bag))


def test_the_page_for_openssl_alone_passes(bag):
    done = by_hand(bag)
    assert (done.returncode, done.stderr) == (0, "")
    assert "RESULT: as it was sealed." in done.stdout


def test_the_verifier_in_the_bag_stands_alone(house, bag, tmp_path):
    command = [sys.executable, "-I", "data/verifier.py", f"data/{house[1].name}"]
    key = ["--key", "data/site.pub.pem"]
    done = subprocess.run([*command, *key], cwd=bag, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    flip(bag / "data" / house[1].name / "original/upload.m4a")
    done = subprocess.run([*command, *key], cwd=bag, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1


def test_the_command_makes_a_bag_that_verify_accepts(house, tmp_path):
    site, path, _ = house
    target = tmp_path / "bag"
    given = ["--to", str(target), "--who", WHO, "--why", WHY, "--json"]
    data = ["--data", str(site.root)]
    done = CliRunner(env=AT_SITE).invoke(app, [*data, "export", path.name[:20], *given])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["case_id"] == path.name
    assert shown["files"] == len(tree(target / "data"))
    done = CliRunner(env=AT_SITE).invoke(app, [*data, "verify", str(target), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["ok"]


def test_who_and_why_must_be_said(house, tmp_path):
    given = ["--to", str(tmp_path / "bag"), "--who", " ", "--why", WHY]
    done = CliRunner(env=AT_SITE).invoke(
        app, ["--data", str(house[0].root), "export", house[1].name, *given]
    )
    assert done.exit_code == 2
    assert not (tmp_path / "bag").exists()
