"""A site with a ledger: judged cases that can be held, deleted, encrypted."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.evidence.heads import publish
from tests.fakes.evidence_site import Site
from tests.fakes.kept_site import KeptSite
from tests.fakes.logged_site import CASES, viewed


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


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Three cases with custody after the seal, and heads of three moments laid out."""
    site = Site(tmp_path_factory.mktemp("site") / "ivr-data")
    for case_id in CASES:
        site.sealed(case_id)
        publish(site.root, site.root / "heads")
    for case_id in ("01A", "01B", "01A"):
        viewed(site, case_id)
    publish(site.root, site.root / "heads")
    return site


@pytest.fixture
def crime_scene(once: Site, quick_disk: Path) -> Site:
    """A copy to commit crimes in, as a site that goes on working."""
    root = quick_disk / "ivr-data"
    shutil.copytree(once.root, root)
    for file in root.rglob("*.json*"):
        file.chmod(0o600)
    return Site(root, clock=once.clock)
