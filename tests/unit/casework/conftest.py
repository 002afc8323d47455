"""A site with a ledger: judged cases that can be held, deleted, encrypted."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.kept_site import KeptSite


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a folder: SIGKILL is no power cut."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def kept(quick_disk: Path) -> KeptSite:
    return KeptSite(quick_disk / "ivr-data")
