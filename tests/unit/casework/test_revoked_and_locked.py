"""A case that was encrypted, and whose key was revoked since, is still read and handed over."""

import pytest

from ivr.casework.exporting import export_bag
from ivr.casework.keeping import Keeper
from ivr.casework.key_proof import KeyTrust
from ivr.casework.proof import prove_files
from ivr.casework.unlocking import unlocked
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.verification import verification_steps
from tests.fakes.evidence_site import DAK_LAK, SteppingClock
from tests.fakes.kept_site import KeptSite


@pytest.fixture
def root(quick_disk):
    return quick_disk / "ivr-data"


def test_its_age_is_shown_from_the_log_of_the_site(root, tmp_path):
    site = KeptSite.encrypting(root)
    path = site.case()
    site.run(Keeper.lock)
    keys = KeyRoom(DAK_LAK, root, SteppingClock())
    keys.revoke(keys.rotate().former, "bị lấy cắp")
    site = KeptSite.encrypting(root)  # as after a restart
    with unlocked(path, site.settings) as clear:
        assert [step for step in verification_steps(clear) if not step.ok] == []
        export_bag(clear, tmp_path / "bag", site.custodian, actor="Hạnh", reason="12/2026")
    first = root / "keys" / "first.pub.pem"
    steps = prove_files(tmp_path / "bag", first, None, keys=KeyTrust(first))
    assert [step for step in steps if not step.ok] == []
