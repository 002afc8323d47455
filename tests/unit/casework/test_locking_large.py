"""A call of an hour: encrypting and opening it takes pieces of it into memory, never the whole."""

import os
import resource

from pyrage import x25519

from ivr.evidence.age_files import digest_of_plain, lock_files, unlock_files
from tests.fakes.evidence_site import in_child

SIZE = 96 << 20
"""Bytes of sparse files: more than the memory that the child may take besides."""
ALLOWED = 40 << 20


def test_memory_does_not_grow_with_the_call(quick_disk):
    folder = quick_disk / "case"
    folder.mkdir()
    for name in ("wire.pcapng", "call.wav"):
        with (folder / name).open("wb") as file:
            file.truncate(SIZE // 2)
            file.seek(12345)
            file.write(b"sound")

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        identity = x25519.Identity.generate()
        locked = quick_disk / "case.age"
        plain, size = lock_files(folder, ["wire.pcapng", "call.wav"], locked, identity.to_public())
        assert size > SIZE
        assert digest_of_plain(locked, [identity]) == plain
        opened = quick_disk / "opened"
        opened.mkdir()
        unlock_files(locked, opened, [identity])
        assert (opened / "call.wav").stat().st_size == SIZE // 2
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert grown < ALLOWED, f"{grown >> 20} MB"

    _, status = os.waitpid(in_child(work), 0)
    assert os.waitstatus_to_exitcode(status) == 0
