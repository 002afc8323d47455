"""A site with one call of five seconds, and its vCon."""

from pathlib import Path

import pytest

from ivr.casework.vcon_export import Exported
from tests.fakes.evidence_site import Site
from tests.fakes.exported_vcon import CASE, export
from tests.fakes.spoken_case import spoken_case


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Path]:
    site = Site(tmp_path_factory.mktemp("house") / "ivr-data")
    return site, spoken_case(site, CASE)


@pytest.fixture(scope="package")
def whole(house: tuple[Site, Path], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The case in one file."""
    return export(house, tmp_path_factory.mktemp("whole"))
