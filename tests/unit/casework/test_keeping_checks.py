"""What the doctor says of deletions and encryption before somebody needs a key that is lost."""

import pytest
from pyrage import x25519

from ivr import keeping_checks
from ivr.casework.keeping import Keeper
from ivr.checks import Level
from ivr.errors import SettingsError
from tests.fakes.kept_site import KeptSite


@pytest.fixture
def site(quick_disk) -> KeptSite:
    return KeptSite.encrypting(quick_disk / "ivr-data")


def seen(site: KeptSite):
    return keeping_checks.encryption(site.settings)


def test_without_recipients_it_is_said_that_cases_lie_readable(kept):
    assert (seen(kept).level, "readable" in seen(kept).detail) == (Level.OK, True)


def test_keys_beside_the_data_are_told_one_by_one(site):
    check = seen(site)
    assert check.level is Level.WARNING
    for what in ("the identity", "the keys of the cases", "the recipients"):
        assert f"with the data lie {what}" in check.detail


def test_keys_elsewhere_are_well(site, monkeypatch):
    monkeypatch.setattr(keeping_checks, "_on_one_device", lambda *_: False)
    site.case()
    site.run(Keeper.lock)
    assert seen(site).level is Level.OK
    assert seen(site).detail.startswith("1 cases encrypted")


def test_an_identity_that_does_not_open_what_is_written_is_told_before_it_is_needed(site):
    site.settings.encryption.identity_file.write_text(str(x25519.Identity.generate()))
    assert "does not open what is encrypted" in seen(site).detail


def test_no_identity_and_no_recipients_any_more_are_told(site):
    site.case()
    site.run(Keeper.lock)
    blind = KeptSite.encrypting(site.root, identity_file=None)
    assert "elsewhere only" in seen(blind).detail
    open_again = KeptSite.encrypting(site.root, identity_file=None, recipients_file=None)
    assert "no recipients are set" in seen(open_again).detail


def test_a_lost_case_key_is_a_failure_that_names_the_case(site):
    path = site.case()
    site.run(Keeper.lock)
    (site.settings.encryption.case_keys_dir / f"{path.name}.age").unlink()
    assert seen(site).level is Level.FAILED
    assert path.name in seen(site).detail


def test_recipients_that_cannot_be_read_are_an_error_of_the_settings(site):
    site.settings.encryption.recipients_file.unlink()
    with pytest.raises(SettingsError, match="cannot be used"):
        seen(site)


def test_a_deletion_that_was_cut_off_is_told(kept):
    assert keeping_checks.deletions(kept.settings).level is Level.OK
    (kept.root / "tombstones").mkdir()
    (kept.root / "tombstones" / ".01JCASE.purging").write_bytes(b"{}")
    check = keeping_checks.deletions(kept.settings)
    assert (check.level, check.detail) == (Level.WARNING, "1 not finished")
