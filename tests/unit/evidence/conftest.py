"""Fixtures over real case folders (tests/fakes/evidence_site.py)."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.evidence_site import Site, in_child
from tests.fakes.soft_token import EC, EC384, RSA, RSA1024, SoftToken, forget_sessions


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


@pytest.fixture(scope="session")
def token_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where SoftHSM keeps its tokens in this run."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "softhsm").mkdir()
    words = f"directories.tokendir = {folder / 'softhsm'}\nobjectstore.backend = file\n"
    (folder / "softhsm2.conf").write_text(words + "log.level = ERROR\n", encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    yield folder
    del os.environ["SOFTHSM2_CONF"]


@pytest.fixture(scope="session")
def token_once(token_folder: Path) -> SoftToken:
    """A token as an authority hands it out, with keys of every kind."""
    token = SoftToken.make(token_folder, "site")
    for number, (label, kind) in enumerate(
        {"ec": EC, "rsa": RSA, "weak": RSA1024, "wrong-curve": EC384}.items(), 1
    ):
        token.add(label, f"{number:02}", *kind)
    return token


@pytest.fixture
def token(token_once: SoftToken) -> SoftToken:
    """The same, freshly plugged in: nobody is logged in."""
    forget_sessions()
    return token_once
