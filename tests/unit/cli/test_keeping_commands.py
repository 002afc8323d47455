"""Hold, release, purge and the plan of retention, as a person types them."""

import json

import pytest
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import IvrError
from ivr.evidence.custody import read_custody
from ivr.facts.reports import Channel, DeliveryState
from tests.fakes.evidence_site import AT_SITE
from tests.fakes.kept_site import KeptSite

CASE = "01JDHZ0000000000000JUDGED"


@pytest.fixture
def site(tmp_path) -> KeptSite:
    return KeptSite(tmp_path / "ivr-data")


def ivr(site: KeptSite, *arguments: str, answer: str | None = None):
    given = ["--data", str(site.root), *arguments]
    return CliRunner().invoke(app, given, input=answer, env=AT_SITE)


def lines(result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_hold_and_release_say_what_stands_and_custody_says_who_and_why(site):
    path = site.case()
    held = ivr(site, "cases", "hold", CASE, "--who", "CQĐT", "--why", "QĐ 7", "--json")
    assert held.exit_code == 0, held.output
    (shape,) = lines(held)
    assert [(h["actor"], h["reason"], h["until"]) for h in shape["holds"]] == [
        ("CQĐT", "QĐ 7", None)
    ]
    released = ivr(site, "cases", "release", CASE, "--why", "đình chỉ", "--json")
    assert lines(released)[0]["holds"] == []
    last = read_custody(path)[-1]
    assert (last["action"], last["reason"]) == ("released", "đình chỉ")
    assert last["seal_sha256"] == shape["entry"]["seal_sha256"]


def test_purge_asks_first(site):
    path = site.case()
    assert ivr(site, "cases", "purge", CASE, "--why", "hết hạn", answer="n\n").exit_code == 1
    assert path.exists()
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", answer="y\n")
    assert done.exit_code == 0, done.output
    assert not path.exists()


def test_purge_as_json_deletes_and_names_the_tombstone(site):
    path = site.case()
    assert ivr(site, "cases", "purge", CASE, "--why", "x", "--json").exit_code == 2
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", "--yes", "--json")
    (shape,) = lines(done)
    assert shape["case_id"] == CASE
    assert shape["tombstone"].endswith(f"tombstones/{CASE}.jws.json")
    assert not path.exists()
    gone = ivr(site, "cases", "show", CASE, "--json")
    assert isinstance(gone.exception, IvrError)
    assert "was deleted" in gone.exception.what


def test_purge_of_a_held_case_ends_with_one_and_says_why(site):
    path = site.case()
    ivr(site, "cases", "hold", CASE, "--why", "QĐ 7")
    done = ivr(site, "cases", "purge", CASE, "--why", "hết hạn", "--yes", "--json")
    assert done.exit_code == 1
    assert "is held" in lines(done)[0]["error"]["what"]
    assert path.exists()


def test_a_reason_that_names_the_number_is_refused(site):
    path = site.case()
    done = ivr(site, "cases", "purge", CASE, "--why", "khách 0912.345.678 xin xóa", "--yes")
    assert "names a number" in done.exception.what
    assert path.exists()


def test_the_plan_deletes_nothing_and_says_what_keeps_a_case(site):
    path = site.case()
    site.file(path, Channel.SMS, state=DeliveryState.PENDING)
    shown = ivr(site, "retention", "plan", "--all", "--json")
    (shape,) = lines(shown)
    assert (shape["label"], shape["due_at"], shape["goes"]) == ("scam", None, False)
    assert "pending" in shape["obstacles"][0]
    assert "only by hand" in ivr(site, "retention", "plan").output
    assert ivr(site, "retention", "run").exit_code == 0
    assert path.exists()
