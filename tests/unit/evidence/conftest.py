"""Fixtures over real case folders (tests/fakes/evidence_site.py)."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.evidence_site import Site, in_child


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a folder: SIGKILL is no power cut, what the kernel has taken
    survives it anywhere, and waiting for a busy disk would only make the tests longer."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def forked() -> Callable[..., int]:
    return in_child


@pytest.fixture
def site(quick_disk: Path) -> Site:
    return Site(quick_disk / "ivr-data")


@pytest.fixture(scope="session")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Path]:
    """A site with one sealed case, for tests that only read it or copy it away."""
    site = Site(tmp_path_factory.mktemp("site") / "ivr-data")
    return site, site.sealed().path


@pytest.fixture
def copy_of_case(sealed_once: tuple[Site, Path], tmp_path: Path) -> Path:
    """A copy at another place, writable: what a criminal would work on."""
    copy = shutil.copytree(sealed_once[1], tmp_path / "on another disk" / "copy")
    for file in copy.rglob("*"):
        file.chmod(0o700)
    return copy


@pytest.fixture
def trusted_key(sealed_once: tuple[Site, Path]) -> Path:
    return sealed_once[0].public_key
