"""One house that takes mirrored calls, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.fakes.mirror_house import MirrorHouse


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MirrorHouse]:
    running = MirrorHouse.start(tmp_path_factory.mktemp("mirror"))
    yield running
    assert running.stop() == 0, "\n".join(running.lines[-30:])
