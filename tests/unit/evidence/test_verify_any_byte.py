"""Whatever byte of whatever file of a case is changed, the verifier finds it."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.verification import verify_here
from tests.fakes.evidence_site import Site


def is_intact(case: Path) -> bool:
    return all(step.ok for step in verify_here(case))


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    """A copy with a longer custody log, to be damaged and mended again and again."""
    site = Site(tmp_path_factory.mktemp("site") / "ivr-data")
    path = site.sealed().path
    append_custody(path, CustodyAction.PLAYED, site.custodian, actor="An", reason="")
    copy = shutil.copytree(path, tmp_path_factory.mktemp("bytes") / "case")
    for file in copy.rglob("*"):
        file.chmod(0o700)
    assert is_intact(copy)
    return copy


def names(case: Path) -> list[str]:
    return sorted(p.relative_to(case).as_posix() for p in case.rglob("*") if p.is_file())


ONE_CASE = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ONE_CASE
@given(data=st.data())
def test_a_changed_byte_anywhere_is_found(case, data):
    file = case / data.draw(st.sampled_from(names(case)))
    before = file.read_bytes()
    at = data.draw(st.integers(0, len(before) - 1))
    mask = data.draw(st.integers(1, 255))
    try:
        file.write_bytes(before[:at] + bytes([before[at] ^ mask]) + before[at + 1 :])
        assert not is_intact(case)
    finally:
        file.write_bytes(before)


@ONE_CASE
@given(data=st.data())
def test_a_span_taken_out_put_in_or_doubled_anywhere_is_found(case, data):
    file = case / data.draw(st.sampled_from(names(case)))
    before = file.read_bytes()
    start = data.draw(st.integers(0, len(before) - 1))
    end = data.draw(st.integers(start, len(before)))
    filling = data.draw(st.sampled_from([b"", b" ", b"\n", b"\x00" * 8, before[start:end] * 2]))
    after = before[:start] + filling + before[end:]
    if after == before:
        return
    try:
        file.write_bytes(after)
        assert not is_intact(case)
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("name", ["manifest.jws", "signer.pem"])
def test_every_single_bit_of_a_signature_and_its_key_counts(case, name):
    file = case / name
    before = file.read_bytes()
    unfound = []
    try:
        for at in range(len(before)):
            flipped = before[at] ^ (1 << at % 8)
            file.write_bytes(before[:at] + bytes([flipped]) + before[at + 1 :])
            if is_intact(case):
                unfound.append(at)
    finally:
        file.write_bytes(before)
    assert unfound == []


def test_any_file_taken_away_is_found(case):
    for name in names(case):
        hidden = case.parent / "hidden"
        (case / name).rename(hidden)
        assert not is_intact(case), name
        hidden.rename(case / name)
    assert is_intact(case)


def test_any_two_files_exchanged_are_found(case):
    everything = names(case)
    for one, two in pairwise(everything):
        first, second = (case / one).read_bytes(), (case / two).read_bytes()
        (case / one).write_bytes(second)
        (case / two).write_bytes(first)
        assert not is_intact(case), (one, two)
        (case / one).write_bytes(first)
        (case / two).write_bytes(second)
    assert is_intact(case)
