"""A disk that refuses at any moment of a seal: it is said, nothing half is taken for whole, and
when there is room again the case is sealed."""

import errno
import os
import sys
from typing import Any

import pytest

from ivr.errors import EvidenceError
from ivr.evidence.layout import is_sealed
from ivr.evidence.recovery import find_unsealed
from ivr.evidence.verification import verify_here

CHANGES = {"os.rename", "os.mkdir", "os.chmod", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Refusal:
    """From the ``at``-th change of a file on, while it is on, every change fails."""

    def __init__(self) -> None:
        self.at, self.seen = 0, 0
        sys.addaudithook(self._hook)  # stays for the life of the process, switched off

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.at and (event in CHANGES or (event == "open" and args[2] & WRITES)):
            self.seen += 1
            if self.seen >= self.at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def refusal() -> Refusal:
    return Refusal()


def test_a_disk_that_fills_at_any_moment_of_a_seal_leaves_a_case_to_be_sealed(
    site, quick_disk, refusal
):
    make_site = type(site)
    outcomes = set()
    at = 0
    while "went through" not in outcomes:
        at += 1
        own = make_site(quick_disk / str(at))
        folder = own.open_case()
        materials = own.fill(folder)
        refusal.at, refusal.seen = at, 0
        try:
            own.seal(folder, materials)
            outcomes.add("went through" if refusal.seen < at else "sealed, told later")
        except (EvidenceError, OSError) as problem:
            outcomes.add(type(problem).__name__)
        finally:
            refusal.at = 0
        folder.release()
        after = make_site(own.root)
        for case in find_unsealed(after.vault, after.clock).cases:
            assert not is_sealed(case.folder.path)
            after.seal(case.folder, after.fill(case.folder))
        (path,) = after.vault.iterdir()
        steps = verify_here(path, after.public_key, after.log_path)
        assert [s for s in steps if not s.ok] == [], f"refused from change {at} on"
    assert at > 20
    assert outcomes == {"went through", "sealed, told later", "EvidenceError"}
