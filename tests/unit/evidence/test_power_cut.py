"""The power goes at any moment of a call or of its sealing: what the disk promised is a case."""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.evidence.layout import case_folders, is_sealed
from ivr.evidence.recovery import find_unsealed
from ivr.evidence.verification import verify_here
from ivr.media.repair import repair
from ivr.media.timeline import read_timelines
from ivr.media.wire_format import LoggedPacket, WireLogReader
from tests.fakes.evidence_site import Site
from tests.fakes.power_cut import Disk, Op, recorded, text_of
from tests.fakes.recorded_call import finish

SECONDS = 3.4
MOST_LOST_S = 1.0 + 0.1 + 0.25
"""A block, what waits in the process, and the disk's own time to flush."""


@dataclass(frozen=True)
class Cut:
    """The disk at one moment. ``said``: what the program had said by then."""

    at_s: float
    said: frozenset[str]
    lay_out: Callable[[Path], None]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    """A site as it was before the call, and everything the call did to its files."""
    folder = tmp_path_factory.mktemp("cut")
    root = folder / "site"
    Site(root)
    Disk(root).lay_out(folder / "before")
    program = (sys.executable, "-m", "tests.fakes.recorded_call", str(root), str(SECONDS))
    return root, [*recorded(program, folder / "strace.log")]


def cuts(root: Path, before: Path, ops: list[Op]):
    """The disk after each call that changed what is promised."""
    disk = Disk(before)
    disk.root = root
    said: set[str] = set()
    for op in ops:
        if op.name == "write" and op.arguments[0] == "2":
            said |= set(text_of(op.arguments[1]).decode().split())
        if disk.apply(op):
            yield op.at_s, frozenset(said), disk


def last_packet_s(wire: Path) -> float:
    times = [entry.at_ns for entry in WireLogReader(wire) if isinstance(entry, LoggedPacket)]
    return max(times, default=0) / 1e9


def check(root: Path, at_s: float, said: frozenset[str]) -> str:
    """Start as after a power cut; what is there must be whole, or be made so and say it."""
    site = Site(root)
    found = find_unsealed(site.vault, site.clock)
    assert found.unusable == ()
    for case in found.cases:
        assert "sealed" not in said, "a sealed case was lost"
        assert case.closed is not None or "over" not in said
        mended = repair(case.folder.wire_path) if case.has_wire else None
        if mended is None:
            assert "answered" not in said
            case.folder.release()
            return "opened"
        wire = mended.wire_log
        finish(site, case.folder, wire, "the power went")
    cases = case_folders(site.vault)
    if not cases:
        assert "answered" not in said
        return "nothing"
    (path,) = cases
    assert is_sealed(path)
    assert [s for s in verify_here(path, site.public_key, site.log_path) if not s.ok] == []
    if "answered" in said:
        begun = at_s if "over" in said else last_packet_s(path / "original/wire.pcapng")
        assert at_s - begun <= MOST_LOST_S, "more than a second is gone"
    assert read_timelines(path / "original/wire.pcapng").legs or "answered" not in said
    return "recovered" if found.cases else "sealed"


def outcomes_of(call, quick_disk: Path, lay_out, every: int = 1) -> set[str]:
    root, ops = call
    outcomes = set()
    before = root.parent / "before"
    for number, (at_s, said, disk) in enumerate(cuts(root, before, ops)):
        if number % every:
            continue
        to = quick_disk / str(number)
        lay_out(disk, to, number)
        try:
            outcomes.add(check(to, at_s, said))
        except AssertionError as problem:
            raise AssertionError(f"cut {number}, after {sorted(said)}: {problem}") from problem
    return outcomes


def test_of_what_was_not_flushed_nothing_survives(call, quick_disk):
    outcomes = outcomes_of(call, quick_disk, lambda disk, to, _: disk.lay_out(to))
    assert outcomes == {"nothing", "recovered", "sealed"} or outcomes == {
        *("nothing", "opened", "recovered", "sealed")
    }


def test_names_survive_without_their_bytes(call, quick_disk):
    outcomes = outcomes_of(call, quick_disk, lambda disk, to, _: disk.lay_out(to, names=True), 3)
    assert {"recovered", "sealed"} <= outcomes


def test_some_of_what_was_not_flushed_survives(call, quick_disk):
    outcomes = outcomes_of(
        call, quick_disk, lambda disk, to, n: disk.lay_out(to, random.Random(n)), 3
    )
    assert {"recovered", "sealed"} <= outcomes
