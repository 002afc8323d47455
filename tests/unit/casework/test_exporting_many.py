"""Many cases into one folder: each a court folder, all in a table, a bad one named."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.evidence.custody import read_custody
from tests.fakes.evidence_site import AT_SITE
from tests.fakes.kept_site import KeptSite

IDS = ("01JDHZ000000000000000FIRST", "01JDHZ00000000000000SECOND")


@pytest.fixture
def cases(kept: KeptSite) -> list[Path]:
    return [kept.case(name) for name in IDS]


def export(kept: KeptSite, target: Path, *more: str):
    given = ["--data", str(kept.root), "export", "--to", str(target), "--who", "An", "--why", "7"]
    return CliRunner(env=AT_SITE).invoke(app, [*given, "--no-papers", *more])


def index(target: Path) -> dict[str, dict[str, str]]:
    text = (target / "index.csv").read_bytes().decode("utf-8-sig")
    return {row["case_id"]: row for row in csv.DictReader(io.StringIO(text))}


def test_every_case_with_the_label_leaves_as_a_bag_that_holds(kept, cases, tmp_path):
    target = tmp_path / "out"
    done = export(kept, target, "--label", "scam", "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["cases"], shown["exported"], shown["failed"]) == (2, 2, 0)
    told = [f"{n} of 2: {name} exported" for n, name in enumerate(IDS, 1)]
    assert done.stderr.splitlines() == told
    rows = index(target)
    assert set(rows) == set(IDS)
    for case in cases:
        steps = prove_files(target / case.name, kept.public_key, None)
        assert [step for step in steps if not step.ok] == []
        assert read_custody(case)[-1]["facts"] == {"format": "bagit"}
        assert rows[case.name]["outcome"] == "exported"
        assert int(rows[case.name]["files"]) > 10
    assert rows[IDS[0]]["caller"] == "'+84912345678"  # a spreadsheet would reckon with it


def test_a_changed_case_is_named_and_does_not_keep_the_others(kept, cases, tmp_path):
    verdict = cases[0] / "derived/verdict.json"
    verdict.chmod(0o600)
    verdict.write_bytes(verdict.read_bytes() + b" ")
    done = export(kept, tmp_path / "out", "--all-since", "2026-11-25")
    assert done.exit_code == 1
    rows = index(tmp_path / "out")
    assert [rows[name]["outcome"] for name in IDS] == ["failed", "exported"]
    assert "not as it was sealed" in rows[IDS[0]]["problem"]
    assert not (tmp_path / "out" / IDS[0]).exists()


def test_a_second_run_takes_up_what_is_not_there(kept, cases, tmp_path):
    export(kept, tmp_path / "out", "--label", "scam")
    kept_bag = (tmp_path / "out" / IDS[0] / "bag.jws").read_bytes()
    entries = len(read_custody(cases[0]))
    kept.case("01JDHZ00000000000000FOURTH")
    done = export(kept, tmp_path / "out", "--label", "scam")
    assert done.exit_code == 0, done.output
    outcomes = {name: row["outcome"] for name, row in index(tmp_path / "out").items()}
    assert outcomes == {
        **dict.fromkeys(IDS, "was there"), "01JDHZ00000000000000FOURTH": "exported",
    }  # fmt: skip
    assert (tmp_path / "out" / IDS[0] / "bag.jws").read_bytes() == kept_bag
    assert len(read_custody(cases[0])) == entries


@pytest.mark.parametrize("more", [["--label", "clean"], ["--all-since", "2027-01-01"]])
def test_what_fits_nothing_makes_an_empty_table(kept, cases, tmp_path, more):
    done = export(kept, tmp_path / "out", *more)
    assert done.exit_code == 0, done.output
    assert index(tmp_path / "out") == {}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["index.csv"]


def test_the_exports_do_not_go_among_the_cases(kept, cases):
    done = export(kept, kept.vault / "out", "--label", "scam")
    assert type(done.exception).__name__ == "EvidenceError"
    assert not (kept.vault / "out").exists()


@pytest.mark.parametrize(
    "more",
    [
        [],
        [IDS[0], "--label", "scam"],
        ["--label", "scam", "--format", "vcon"],
        ["--all-since", "x"],
    ],
)
def test_one_case_or_many_as_court_folders(kept, tmp_path, more):
    assert export(kept, tmp_path / "out", *more).exit_code == 2
    assert not (tmp_path / "out").exists()
