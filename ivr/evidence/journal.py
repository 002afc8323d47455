"""journal.jsonl: what happened in a call while it happened, chained line by line."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from ivr.clock import Clock, to_iso
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.chained import ChainedLog, Record, genesis

JOURNAL = "journal.jsonl"


class Journal:
    """The event log of one case; every line is on the disk when `append` returns.

    Each record: ``n``, ``event``, ``at`` (wall time), ``monotonic_us`` (microseconds of a clock
    that is never set; nanoseconds would leave JSON's exact integers after 104 days of uptime),
    ``session`` (which process wrote it, counted from 0: monotonic times compare only within
    one), ``facts``, ``previous``, ``chain``. Safe to call from any thread; not for an event
    loop, as it waits for the disk.
    """

    def __init__(self, folder: Path, case_id: str, clock: Clock) -> None:
        self._log = ChainedLog(folder / JOURNAL, genesis("journal", case_id))
        self._clock = clock
        self._guard = threading.Lock()
        self._session = 0
        self.records: list[Record] = self._log.read()

    @property
    def head(self) -> str:
        return self._log.head

    @property
    def count(self) -> int:
        return self._log.count

    def append(self, event: str, facts: Mapping[str, Any] | None = None) -> Record:
        """Note ``event`` now.

        Raises:
            EvidenceError: a fact has no JSON form, or the disk refused.
        """
        with self._guard:
            record = self._log.append(
                {
                    "event": event,
                    "at": to_iso(self._clock.now()),
                    "monotonic_us": self._clock.monotonic_ns() // 1000,
                    "session": self._session,
                    "facts": dict(facts or {}),
                }
            )
            self.records.append(record)
            return record

    def resume(self) -> None:
        """Continue after the process that wrote it died: cut the torn last line, say so."""
        torn = self._log.cut_torn_tail()
        self._session = 1 + max((r.get("session", 0) for r in self.records), default=-1)
        cut = {"torn_bytes": len(torn), "torn_sha256": sha256_hex(torn)} if torn else {}
        self.append("resumed", cut)

    def find(self, event: str) -> Record | None:
        """The first record of that event."""
        return next((r for r in self.records if r["event"] == event), None)

    def largest_clock_step_us(self) -> int | None:
        """How far the wall clock moved against the monotonic one between two neighbouring
        records of a session, at most, with its sign; None when there is nothing to compare.
        A clock that was set during the call shows here."""
        moments = [(_wall_us(r["at"]), r["monotonic_us"], r["session"]) for r in self.records]
        steps = [
            (wall - wall_before) - (mono - mono_before)
            for (wall_before, mono_before, session_before), (wall, mono, session) in pairwise(
                moments
            )
            if session == session_before
        ]
        return max(steps, key=abs, default=None)


def _wall_us(at: str) -> int:
    return (datetime.fromisoformat(at) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
