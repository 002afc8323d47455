"""Deleting a case: nothing of the people is left, a tombstone is; no crash leaves half of it."""

import json
import shutil
from datetime import timedelta

import pytest

from ivr.casework.keeping import Keeper
from ivr.casework.purging import BY_HAND, Order
from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.errors import EvidenceError, UsageError
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.heads import keys_of
from ivr.evidence.holds import hold, release, today
from ivr.evidence.keyring import Keyring
from ivr.evidence.tombstone import read_tombstone, tombstone_path
from ivr.facts.reports import Channel, DeliveryState
from tests.fakes.evidence_site import dies_in, in_child
from tests.fakes.kept_site import KeptSite

CASE = "01JDHZ0000000000000JUDGED"
OTHER = "01JDHZ0000000000000JUDGED2"
BESIDE = "01JDHZ0000000000000BESIDE0"


def order(case_id: str = CASE) -> Order:
    return Order(case_id, "Lê Thị Hoa, phòng pháp chế", "yêu cầu xóa số 12", BY_HAND, "scam")


def purge(site: KeptSite, case_id: str = CASE) -> None:
    site.run(lambda keeper: keeper.purger.purge(order(case_id)))


def stone(site: KeptSite, case_id: str = CASE):
    key_of = keys_of(Keyring.of_site(site.root))
    return read_tombstone(tombstone_path(site.root, case_id), lambda kid: key_of(kid, 0))


def site_lines(site: KeptSite):
    return [json.loads(line) for line in site.log_path.read_bytes().splitlines()]


def held(site, path, until=None):
    return hold(path, site.custodian, actor="CQĐT", reason="QĐ 7", until=until)


def test_nothing_of_the_number_or_the_words_is_left_anywhere(kept):
    path = kept.case()
    kept.file(path, Channel.SMS, Channel.WEBHOOK)
    (kept.root / "outbox" / f"receipt-{CASE}.html").write_text("số 0912345678")
    assert len(kept.remains()) > 10
    purge(kept)
    assert kept.remains() == []
    assert not path.exists()
    assert list((kept.root / "outbox").iterdir()) == []


def test_the_tombstone_says_who_when_why_and_by_which_rule_and_the_log_knows_it(kept):
    path = kept.case()
    seal = json.loads((path / "custody.jsonl").read_bytes().splitlines()[0])["previous"]
    purge(kept)
    told, line = stone(kept), site_lines(kept)[-1]
    assert (told.by, told.reason, told.rule) == (order().actor, order().reason, "by hand")
    assert (told.case_id, told.label, told.site) == (CASE, "scam", "dak-lak")
    assert (line["event"], line["case_id"], line["seal_sha256"]) == ("purged", CASE, seal)
    assert line["custody_chain"] == told.custody_chain
    assert [each["action"] for each in site_lines(kept) if each["event"] == "custody"] == ["purged"]
    assert all(step.ok for step in prove_site(kept.root, SiteTrust()))


def test_a_changed_tombstone_does_not_count(kept):
    kept.case()
    purge(kept)
    file = tombstone_path(kept.root, CASE)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"signature":"', b'"signature":"A'))
    with pytest.raises(EvidenceError, match="no tombstone that counts"):
        stone(kept)


def test_another_case_whose_name_begins_alike_is_not_touched(kept):
    kept.case()
    other = kept.case(OTHER)
    kept.file(other, Channel.SMS)
    before = sorted(path.name for path in (kept.root / "outbox").iterdir())
    purge(kept)
    assert (other / "manifest.json").exists()
    assert sorted(path.name for path in (kept.root / "outbox").iterdir()) == before


def test_a_held_case_does_not_go_until_it_is_released(kept):
    path = kept.case()
    held(kept, path)
    with pytest.raises(UsageError, match="is held") as caught:
        purge(kept)
    assert "QĐ 7" in caught.value.why
    assert kept.run(lambda k: k.ledger.case(CASE)).caller
    assert kept.run(lambda k: k.finish()) == ()
    release(path, kept.custodian, actor="CQĐT", reason="đình chỉ")
    purge(kept)
    assert not path.exists()


def test_one_order_does_not_release_what_another_holds(kept):
    path = kept.case()
    first, second = held(kept, path), held(kept, path)
    with pytest.raises(UsageError, match="No such hold"):
        release(path, kept.custodian, actor="A", reason="")
    release(path, kept.custodian, actor="A", reason="", entries=[first["n"]])
    with pytest.raises(UsageError, match="is held"):
        purge(kept)
    with pytest.raises(UsageError, match="No such hold"):
        release(path, kept.custodian, actor="A", reason="", entries=[first["n"]])
    release(path, kept.custodian, actor="A", reason="", entries=[second["n"]])
    purge(kept)


def test_a_hold_with_a_last_day_ends_with_that_day_in_vietnam(kept):
    path = kept.case()
    held(kept, path, until=today(kept.clock))
    with pytest.raises(UsageError, match="is held"):
        purge(kept)
    kept.clock.set_by = timedelta(hours=16)  # 01:00 of the next day, at +07:00
    purge(kept)
    kept.case(OTHER)
    with pytest.raises(UsageError, match="over before"):
        held(kept, kept.vault / OTHER, until=today(kept.clock) - timedelta(days=1))


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
def test_a_case_with_an_open_report_does_not_go(kept, state):
    path = kept.case()
    kept.file(path, Channel.SMS, state=state)
    with pytest.raises(UsageError, match="is open"):
        purge(kept)
    assert (path / "manifest.json").exists()
    assert not list((kept.root / "tombstones").iterdir())


def test_what_is_deleted_cannot_be_looked_at_or_held_again(kept):
    path = kept.case()
    copy = shutil.copytree(path, kept.root.parent / "copy" / path.name)
    purge(kept)
    with pytest.raises(UsageError, match="cannot be deleted"):
        purge(kept, "01NEVER")
    with pytest.raises(EvidenceError):
        append_custody(copy, CustodyAction.VIEWED, kept.custodian, actor="x", reason="")
    purge(kept)  # again: nothing to do, nothing told twice
    assert [line["event"] for line in site_lines(kept)].count("purged") == 1


def test_a_case_that_is_going_can_neither_be_held_nor_viewed(kept):
    path = kept.case()
    entry = {"actor": "x", "reason": ""}
    append_custody(path, CustodyAction.PURGED, kept.custodian, **entry)
    with pytest.raises(EvidenceError, match="being deleted"):
        held(kept, path)


def test_killed_at_any_moment_the_next_start_finishes_the_deletion_or_nothing_happened(
    kept, quick_disk
):
    kept.case()
    kept.case(BESIDE)
    kept.file(kept.vault / CASE, Channel.SMS)
    model = quick_disk / "model"
    kept.root.rename(model)

    def die(root, at: int) -> int:
        shutil.copytree(model, root)

        def prepare():
            return KeptSite(root)

        return dies_in(in_child, prepare, purge, at)

    operations = die(quick_disk / "whole", 0)
    assert operations > 30
    outcomes = set()
    for at in range(1, operations + 1):
        root = quick_disk / str(at)
        die(root, at)
        after = KeptSite(root)  # opens the log of the site, as a restart does
        done, case = after.run(_finish)
        assert [each.problem for each in done] == [None] * len(done), f"at {at}"
        is_gone = not (after.vault / CASE).exists()
        outcomes.add(is_gone)
        if is_gone:
            marks = [f"{CASE}."]  # neither order nor draft nor key
            own = {"tombstones/" + tombstone_path(root, CASE).name}
            left = [m for m in after.remains(marks) if m.split(" in ")[1] not in own]
            assert left == [], f"at {at}"
            assert stone(after).by == order().actor
            lines = [line["event"] for line in site_lines(after)]
            assert lines.count("purged") == 1, f"at {at}"
            assert not list(after.vault.glob(f"*{CASE}.*"))
            assert (case.caller, case.subscriber) == (None, None)
        else:
            assert case.caller, f"at {at}"
            assert case.purged_at is None
        assert all(step.ok for step in prove_site(after.root, SiteTrust()))
        assert (after.vault / BESIDE / "manifest.json").exists()
        shutil.rmtree(root)
    assert outcomes == {True, False}


async def _finish(keeper: Keeper):
    done = await keeper.finish()
    cases = await keeper.ledger.cases(with_purged=True)
    return done, next(case for case in cases if case.case_id == CASE)
