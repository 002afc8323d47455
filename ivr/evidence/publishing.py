"""Lays heads of the site's log out for those who keep them: partners, a regulator, a mail list."""

import asyncio
from pathlib import Path

from ivr.errors import EvidenceError
from ivr.evidence.heads import publish
from ivr.evidence.layout import HEADS
from ivr.evidence.site_log import SiteLog
from ivr.settings import EvidenceSettings
from ivr.telemetry import logger

_log = logger(__name__)


def heads_folder(root: Path, settings: EvidenceSettings) -> Path:
    """Where the heads of a data folder lie."""
    return settings.heads_dir or root / HEADS


class Publisher:
    """A new file whenever the log has grown, at once and then every ``heads_every_s``."""

    def __init__(self, site_log: SiteLog, settings: EvidenceSettings) -> None:
        self._root = site_log.root
        self._folder = heads_folder(site_log.root, settings)
        self._every_s = settings.heads_every_s

    async def run(self) -> None:
        """Rounds until cancelled. A disk that refuses is told: it ends no calls."""
        while True:
            try:
                await asyncio.to_thread(publish, self._root, self._folder)
            except EvidenceError as problem:
                _log.error("head.not_published", **problem.as_dict())
            await asyncio.sleep(self._every_s)
