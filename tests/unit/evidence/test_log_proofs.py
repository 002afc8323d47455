"""Heads and proofs that leave the house: what they show, and that nothing else passes for them."""

import asyncio
import json
import shutil
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.errors import EvidenceError
from ivr.evidence.canonical import canonical
from ivr.evidence.custody import Custodian, CustodyAction, append_custody, read_custody
from ivr.evidence.heads import keys_of, publish, published, read_head
from ivr.evidence.log_proofs import check_consistency, check_inclusion
from ivr.evidence.publishing import Publisher
from ivr.evidence.reconciling import reconcile
from ivr.evidence.signer import FileSigner
from ivr.settings import EvidenceSettings
from tests.fakes.evidence_site import Site


def note(site, path):
    return append_custody(path, CustodyAction.VIEWED, site.custodian, actor="An", reason="")


def head(site):
    return (site.root / "site-log.head.jws").read_bytes()


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A site of some lines, with two heads of earlier days."""
    site = Site(tmp_path_factory.mktemp("site") / "ivr-data")
    heads = []
    for n in range(7):
        path = site.sealed(f"01CASE{n}").path
        heads.append(head(site))
        note(site, path)
    return site, heads


@pytest.fixture(scope="module")
def key_of(grown):
    return keys_of(None, grown[0].signer.public_pem)


def test_an_inclusion_file_shows_the_seal_and_the_last_custody_entry(grown, key_of):
    site, _ = grown
    note(site, site.vault / "01CASE3")
    proven = check_inclusion(site.log.inclusion("01CASE3"), key_of)
    (_, seal), (_, last) = proven.lines
    entry = read_custody(site.vault / "01CASE3")[-1]
    assert (seal["event"], seal["case_id"]) == ("sealed", "01CASE3")
    assert (last["entry"], last["custody_chain"]) == (entry["n"], entry["chain"])
    assert proven.head.site == "dak-lak"


def test_a_case_that_nobody_touched_is_proven_by_its_seal_alone(site):
    site.sealed("01A")
    proven = check_inclusion(site.log.inclusion("01A"), keys_of(None, site.signer.public_pem))
    assert [line["event"] for _, line in proven.lines] == ["sealed"]


def test_no_inclusion_file_is_made_for_a_case_that_the_log_does_not_know(grown):
    with pytest.raises(EvidenceError, match="does not know the case 01OTHER"):
        grown[0].log.inclusion("01OTHER")


def test_an_older_head_is_the_beginning_of_the_log(grown, key_of):
    site, heads = grown
    for older in heads:
        first, second = check_consistency(site.log.consistency(older), key_of)
        assert first == read_head(older, key_of)
        assert second == read_head(head(site), key_of)


def test_no_consistency_file_is_made_for_a_head_of_another_log(grown, tmp_path):
    """The same key, the same site name, another history: what a rolled back site would sign."""
    site, _ = grown
    other = tmp_path / "again"
    shutil.copytree(site.root / "keys", other / "keys")
    again = Site(other)
    again.sealed("01OTHER")
    with pytest.raises(EvidenceError, match="its first 2 lines are others"):
        site.log.consistency(head(again))
    for _ in range(20):
        note(again, again.vault / "01OTHER")
    with pytest.raises(EvidenceError, match="does not lead to this log"):
        site.log.consistency(head(again))


def change_somewhere(data, value):
    """``value`` with one member, item, letter or number changed."""
    if isinstance(value, dict):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: change_somewhere(data, value[name])}
    if isinstance(value, list):
        at = data.draw(st.integers(0, len(value)))
        if at == len(value) or not value:
            return [*value, value[-1] if value else "0" * 64]
        if data.draw(st.booleans()):
            return [*value[:at], *value[at + 1 :]]
        return [*value[:at], change_somewhere(data, value[at]), *value[at + 1 :]]
    if isinstance(value, int):
        return value + data.draw(st.sampled_from([-1, 1, 256]))
    at = data.draw(st.integers(0, max(0, len(value) - 1)))
    letter = data.draw(st.sampled_from("0aA_").filter(lambda c: c != value[at : at + 1]))
    return value[:at] + letter + value[at + 1 :]


MANY = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@MANY
@given(data=st.data())
def test_an_inclusion_file_that_was_changed_anywhere_proves_no_other_line(grown, key_of, data):
    """A line may be left out or named twice; none that the log has not is ever proven."""
    whole = grown[0].log.inclusion("01CASE5")
    changed = canonical(change_somewhere(data, json.loads(whole)))
    true = {str(line) for line in check_inclusion(whole, key_of).lines}
    try:
        proven = check_inclusion(changed, key_of)
    except EvidenceError:
        return
    assert {str(line) for line in proven.lines} <= true


@MANY
@given(data=st.data())
def test_a_consistency_file_that_was_changed_anywhere_is_refused(grown, key_of, data):
    site, heads = grown
    whole = site.log.consistency(heads[4])
    changed = canonical(change_somewhere(data, json.loads(whole)))
    with pytest.raises(EvidenceError):
        check_consistency(changed, key_of)


@pytest.mark.parametrize("check", [check_inclusion, check_consistency])
@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"\xff", b"7", b'{"format":"ivr-inclusion/1"}']
)
def test_rubbish_is_an_answer_and_no_crash(check, text, key_of):
    with pytest.raises(EvidenceError, match="proves nothing"):
        check(text, key_of)


def test_a_head_signed_by_a_key_that_is_not_known_does_not_count(grown, tmp_path):
    other = FileSigner.open(tmp_path / "other.pem")
    with pytest.raises(EvidenceError, match="a key that does not count here"):
        read_head(grown[1][0], keys_of(None, other.public_pem))


# --- heads for outsiders --------------------------------------------------------------------------


def test_a_head_is_laid_out_once_for_each_length_of_the_log(site):
    folder = site.root / "heads"
    assert publish(site.root, folder) == folder / "1.jws"
    assert publish(site.root, folder) is None
    site.sealed("01A")
    assert publish(site.root, folder) == folder / "2.jws"
    assert (folder / "2.jws").read_bytes() == head(site)
    assert [path.name for path in published(folder)] == ["1.jws", "2.jws"]


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(site):
    (site.root / "heads").write_bytes(b"a file in its place")
    with pytest.raises(EvidenceError, match="could not be laid into"):
        publish(site.root, site.root / "heads")


async def test_a_serving_house_lays_heads_out_at_once_and_whenever_the_log_has_grown(
    site, tmp_path
):
    wanted = EvidenceSettings(heads_dir=tmp_path / "for partners", heads_every_s=0.01)
    loop = asyncio.create_task(Publisher(site.log, wanted).run())

    async def laid(name):
        deadline = time.monotonic() + 10
        while not (tmp_path / "for partners" / name).exists():
            assert time.monotonic() < deadline
            assert not loop.done()
            await asyncio.sleep(0.005)

    await laid("1.jws")
    await asyncio.to_thread(site.sealed, "01A")
    await laid("2.jws")
    loop.cancel()


# --- after a crash --------------------------------------------------------------------------------


def test_reconciling_makes_a_torn_custody_log_whole(site):
    path = site.sealed("01A").path
    note(site, path)
    entry = note(site, path)
    whole = (path / "custody.jsonl").read_bytes()
    (path / "custody.jsonl").write_bytes(whole[:-30])
    done = reconcile(site.open_log())
    assert (done.entered, done.unreadable) == ((), ())
    assert (path / "custody.jsonl").read_bytes() == whole
    assert read_custody(path)[-1] == entry


def test_reconciling_names_a_case_whose_custody_is_not_as_it_was_signed(site):
    path = site.sealed("01A").path
    for _ in range(3):
        note(site, path)
    lines = (path / "custody.jsonl").read_bytes().splitlines(keepends=True)
    (path / "custody.jsonl").write_bytes(b"".join(lines[:2]))
    ((case_id, problem),) = reconcile(site.open_log()).unreadable
    assert case_id == "01A"
    assert "does not end where it was signed" in problem.what


def test_a_custodian_of_one_site_enters_nothing_at_another(site, tmp_path):
    other = Site(tmp_path / "other")
    path = other.sealed("01A").path
    mixed = Custodian(other.signer, other.clock, site.log)
    with pytest.raises(EvidenceError, match="it is a copy"):
        append_custody(path, CustodyAction.VIEWED, mixed, actor="An", reason="")
