"""What the running agent answers on its control socket: status, drain, undrain."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ivr.house import House
from ivr.ports import WatchedCase
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool
from ivr.telephony.sources import SourceTable
from ivr.watch.heartbeat import Heartbeat
from ivr.watching import Watch

TOP_SOURCES = 20


@dataclass(frozen=True, slots=True)
class Control:
    """The desk that the socket leads to. Reading and setting flags only: nothing here waits."""

    house: House
    pool: WorkerPool
    watch: Watch
    heartbeat: Heartbeat

    async def handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request: ``{"do": "status" | "drain" | "undrain"}``; status takes
        ``show_numbers``."""
        match request.get("do"):
            case "status":
                return self._status(show_numbers=request.get("show_numbers") is True)
            case "drain" | "undrain" as wish:
                self.house.capacity.is_draining = wish == "drain"
                self.house.log.warning(wish, calls=len(self.house.running))
                self.watch.look()  # tells the workers at once
                return self._status(show_numbers=False)
            case other:
                return {"error": f"unknown request: {str(other)[:50]!r}"}

    def _status(self, *, show_numbers: bool) -> dict[str, Any]:
        house, pool, capacity = self.house, self.pool, self.house.capacity
        refusal = capacity.refusal()
        return {
            "version": metadata.version("ivr"),
            "pid": os.getpid(),
            "key_sha256": house.signer.key_sha256,
            "restarts": self.heartbeat.restarts,
            "takes_calls": refusal is None,
            "refusal": None
            if refusal is None
            else {"cause": refusal.cause.value, "detail": refusal.detail},
            "is_draining": capacity.is_draining,
            "calls": [self._call(case, show_numbers) for case in house.running.values()],
            "calls_counted": capacity.calls,
            "max_calls": capacity.max_calls,
            "slots": CALLS_PER_WORKER * len(pool.addresses),
            "slots_in_use": pool.slots_in_use,
            "workers": [f"{host}:{port}" for host, port in pool.addresses],
            "worker_pids": list(pool.pids),
            "workers_died": pool.died,
            "recognition_lag_s": round(capacity.lag_s, 1),
            "free_mb": capacity.free_mb,
            "alarms": [
                {
                    "code": alarm.code.value,
                    "text_vi": alarm.text_vi,
                    "text_en": alarm.text_en,
                    "since": alarm.since.isoformat(timespec="seconds"),
                    "call_id": alarm.call_id,
                    "detail": alarm.detail,
                }
                for alarm in house.alarms.standing
            ],
            "refused_at_gate": pool.refused,
            "refused_sources": self._sources(),
            "strangers_dropped": self.watch.dropped,
            "strangers": self.watch.strangers.table.top(TOP_SOURCES),
        }

    def _sources(self) -> dict[str, int]:
        """Whose calls were refused, by workers and house, most frequent first."""
        table = SourceTable()
        table.add(self.pool.sources.top(TOP_SOURCES))
        table.add(self.house.sources.top(TOP_SOURCES))
        return table.top(TOP_SOURCES)

    def _call(self, case: WatchedCase, show_numbers: bool) -> dict[str, Any]:
        opened, verdict = case.opened, case.verdict
        since_s = (self.house.clock.now() - opened.opened_at).total_seconds()
        shown: dict[str, Any] = {
            "call_id": opened.call_id,
            "mode": opened.mode.value,
            "since_s": round(since_s, 1),
            "trunk": opened.trunk,
            "level": verdict.level.value if verdict is not None else "none",
        }
        if show_numbers:
            shown |= {"caller": opened.caller.number, "subscriber": opened.subscriber}
        return shown
