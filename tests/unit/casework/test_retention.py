"""Which cases go by the rule of their label, when, and what keeps one whose time has come."""

from datetime import timedelta

import pytest

from ivr.casework import retention
from ivr.casework.keeping import Keeper
from ivr.evidence.holds import hold
from ivr.facts.reports import Channel, DeliveryState
from ivr.settings import RetentionSettings
from tests.fakes.kept_site import KeptSite

CASE = "01JDHZ0000000000000JUDGED"


def plan(site: KeptSite, *, due_only: bool = False):
    return site.run(lambda k: retention.plan(k.settings, k.ledger, k.clock, due_only=due_only))


def sweep(site: KeptSite):
    return site.run(Keeper.sweep)


@pytest.fixture
def site(quick_disk) -> KeptSite:
    """Scam is kept for 30 days here."""
    return KeptSite(quick_disk / "ivr-data", retention={"scam_days": 30})


@pytest.mark.parametrize(
    ("label", "days"),
    [("clean", 1), ("unsure", 30), ("spam", 90), ("suspicious", 90), ("scam", 0), ("new", 0)],
)
def test_days_by_label_and_none_for_scam_or_an_unknown_one(label, days):
    assert RetentionSettings().days(label) == days


def test_scam_never_goes_by_itself_unless_the_settings_say_so(kept):
    kept.case()
    (case,) = plan(kept)
    assert (case.due_at, case.rule) == (None, "retention.scam_days=0")
    assert plan(kept, due_only=True) == ()
    kept.clock.set_by = timedelta(days=4000)
    assert sweep(kept) == ()


def test_days_count_from_the_seal(site):
    path = site.case()
    (case,) = plan(site)
    assert case.due_at == site.clock.wall + timedelta(days=30, seconds=_seconds_to_seal(path))
    assert not case.goes(case.due_at - timedelta(seconds=1))
    assert case.goes(case.due_at)


def _seconds_to_seal(path) -> float:
    from datetime import datetime

    from ivr.evidence.custody import read_custody

    sealed = datetime.fromisoformat(read_custody(path)[0]["at"])
    return (sealed - datetime.fromisoformat("2026-11-25T02:00:00+00:00")).total_seconds()


def test_what_is_due_goes_and_what_is_not_stays(site):
    site.case()
    assert sweep(site) == ()
    site.clock.set_by = timedelta(days=31)
    site.case("01JDHZ000000000000000YOUNG")
    assert [each.case_id for each in sweep(site)] == [CASE]
    assert [case.case_id for case in plan(site)] == ["01JDHZ000000000000000YOUNG"]


def test_a_case_that_was_reported_is_kept_for_the_authority_whatever_its_label_says(site):
    path = site.case()
    site.file(path, Channel.SMS)
    site.clock.set_by = timedelta(days=4000)
    (case,) = plan(site)
    assert (case.due_at, case.rule) == (None, "retention.reported_days=0")
    assert sweep(site) == ()


def test_advertising_goes_though_it_was_reported():
    assert RetentionSettings().rule("spam", is_reported=True) == ("spam_days", 90)
    assert RetentionSettings().rule("clean", is_reported=True) == ("reported_days", 0)


def keep_by_hold(site, path):
    hold(path, site.custodian, actor="CQĐT", reason="QĐ 7", until=None)


def keep_by_report(site, path):
    site.file(path, Channel.SMS, state=DeliveryState.PENDING)


def keep_by_stamp(site, _):
    timestamp = {"url": "http://127.0.0.1:1/tsa", "ca_file": "ca.pem"}
    site.settings = KeptSite(site.root, retention={"scam_days": 30}, timestamp=timestamp).settings


def keep_by_damage(_, path):
    (path / "custody.jsonl").write_bytes(b"{}\n")


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (keep_by_hold, "held by CQĐT"),
        (keep_by_report, "is pending"),
        (keep_by_stamp, "time-stamp"),
        (keep_by_damage, "custody cannot be read"),
    ],
)
def test_a_due_case_stays_and_the_plan_says_why(site, keep, why):
    path = site.case()
    keep(site, path)
    site.clock.set_by = timedelta(days=31)
    (case,) = plan(site)
    assert not case.goes(site.clock.now())
    assert why in "; ".join(case.obstacles)
    assert sweep(site) == ()
    assert (path / "manifest.json").exists()


def test_one_case_that_cannot_go_does_not_keep_the_others(site, monkeypatch):
    first = site.case()
    site.case("01JDHZ00000000000000SECOND")
    site.clock.set_by = timedelta(days=31)
    look = retention._look

    def hold_after_the_look(case, *given):
        found = look(case, *given)
        if case.case_id == CASE:
            keep_by_hold(site, first)
        return found

    monkeypatch.setattr(retention, "_look", hold_after_the_look)
    done = {each.case_id: each.problem for each in sweep(site)}
    assert done["01JDHZ00000000000000SECOND"] is None
    assert "is held" in done[CASE].what
    assert first.exists()
