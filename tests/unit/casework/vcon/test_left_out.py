"""What does not leave the house, and that its place stays."""

import shutil

import pytest

from ivr.casework.redacting import Span, redact
from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical
from ivr.evidence.custody import read_custody
from ivr.facts.call import LegName
from tests.fakes.evidence_site import Site
from tests.fakes.exported_vcon import (
    CASE,
    SCHEMA,
    WHO,
    WHY,
    bytes_of,
    export,
    failed,
    files_in,
    flip,
    said_in,
    steps_of,
)
from tests.fakes.judged_case import judged_case


def test_without_the_callee_nothing_in_it_holds_their_number(house, tmp_path):
    done = export(house, tmp_path / "out", is_callee_named=False)
    said = said_in(done.path)
    everything = canonical(said) + b"".join(
        bytes_of(file) for file in files_in(said).values() if "body" in file
    )
    assert b"987654321" not in everything
    assert said["parties"][1] == {"name": "anonymous", "validation": "none"}
    assert said["redacted"]["type"] == "number of the callee"
    assert {"manifest.json", "opened.json", "original/invite.sip"} <= set(done.left_out)
    SCHEMA.validate(said)
    assert failed(done.path, house[0]) == {}


def test_what_is_left_out_keeps_its_place(house, whole, tmp_path):
    done = export(house, tmp_path / "out", is_callee_named=False)
    for kind in ("parties", "dialog", "analysis", "attachments"):
        assert len(said_in(done.path)[kind]) == len(said_in(whole.path)[kind])


@pytest.fixture(scope="module")
def copy(house, tmp_path_factory):
    """A copy by `ivr redact`."""
    site, path = house
    target = tmp_path_factory.mktemp("redacted") / "copy"
    spans = (Span(LegName.AGENT, 3.0, 3.5),)
    redact(path, target, spans, site.custodian, is_automatic=True, actor=WHO, reason=WHY)
    return target


def test_a_redacted_copy_names_the_vcon_it_was_made_from(house, copy, tmp_path):
    full = export(house, tmp_path / "full")
    done = export(house, tmp_path / "out", redacted=copy)
    said = said_in(done.path)
    assert said["redacted"] == {"type": "spoken numbers and chosen spans", "uuid": full.uuid}
    assert "amended" not in said
    (dialog,) = said["dialog"]
    assert bytes_of(dialog) == (copy / "call.wav").read_bytes()
    assert "███" in files_in(said)["derived/transcript.json"]["body"]
    assert b"kh\xc3\xb4ng ch\xc3\xadn" not in canonical(said)
    assert "original/wire.pcapng" in done.left_out
    SCHEMA.validate(said)
    told = {step.name: step for step in steps_of(done.path, house[0])}
    assert all(step.ok for step in told.values()), told
    assert f"redacted copy of {CASE}: 2 spans" in told["vcon sealed case"].detail


@pytest.mark.parametrize("name", ["call.wav", "transcript.json", "redaction.json"])
def test_a_redacted_copy_that_was_changed_is_refused(house, copy, tmp_path, name):
    changed = shutil.copytree(copy, tmp_path / "copy")
    flip(changed / name)
    before = read_custody(house[1])
    with pytest.raises(EvidenceError, match="no redacted copy"):
        export(house, tmp_path / "out", redacted=changed)
    assert read_custody(house[1]) == before


def test_a_redacted_copy_of_another_case_is_refused(copy, tmp_path):
    site = Site(tmp_path / "ivr-data")
    with pytest.raises(EvidenceError, match="no redacted copy"):
        export((site, judged_case(site)), tmp_path / "out", redacted=copy)
