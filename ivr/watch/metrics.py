"""What is counted and measured, as OpenMetrics. No label ever comes from a caller.

Counters are counted where something happens; gauges are set once a second by `ivr.watching`.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ivr.facts.alarms import Alarm, AlarmCode
from ivr.facts.audio import LegStats
from ivr.facts.reports import DeliveryState

HIT_DELAY_S = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
RIGHTS = ("request", "breach")
PACKETS = ("accepted", "lost", "late", "duplicate", "foreign", "malformed")


class Metrics:
    """One registry of its own, so that a test or a second house has another."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls()
        self._packets()
        self._process()

    def _calls(self) -> None:
        self.calls = self._counter(
            "ivr_calls", "Calls that ended.", "mode", "outcome"
        )  # sealed, incomplete, failed
        self.verdicts = self._counter("ivr_verdicts", "Sealed cases by verdict.", "mode", "label")
        self.refused = self._counter(
            "ivr_calls_refused", "Calls refused by the house.", "reason"
        )  # unknown_access, trunk, and the causes of ivr.watch.capacity
        self.unacknowledged = self._counter("ivr_calls_unacknowledged", "Answers without an ACK.")
        self.calls_now = self._gauge("ivr_calls_now", "Calls being recorded now.", "mode")
        self.ready = self._gauge("ivr_ready", "1 while a call would be taken.")
        self.slots = self._gauge("ivr_sip_slots", "Calls the workers can hold.")
        self.slots_in_use = self._gauge("ivr_sip_slots_in_use", "Calls the workers hold.")
        self.hit_delay = Histogram(
            "ivr_hit_delay_seconds",
            "From the end of a phrase to its hit, on the leg's own clock.",
            registry=self.registry,
            buckets=HIT_DELAY_S,
        )
        self.lag = self._gauge("ivr_recognition_lag_seconds", "The slowest ear is behind.")
        self.recogniser_deaths = self._counter(
            "ivr_recogniser_deaths", "Recogniser processes that died or hung."
        )

    def _packets(self) -> None:
        self.packets = self._counter(
            "ivr_rtp_packets", "RTP packets of ended calls.", "leg", "fate"
        )
        self.wire_log_troubles = self._counter(
            "ivr_wire_log_troubles", "Calls whose packets could not all be written in time."
        )
        self.at_gate = self._counter("ivr_sip_refused_at_gate", "Requests refused by the workers.")
        self.strangers = self._counter(
            "ivr_sip_strangers_dropped", "Datagrams the kernel dropped at the SIP ports."
        )

    def _process(self) -> None:
        self.disk_free = self._gauge("ivr_disk_free_bytes", "Free on the disk of the cases.")
        self.reports = self._gauge("ivr_reports", "Reports in the ledger by state.", "state")
        self.rights_overdue = self._gauge(
            "ivr_rights_overdue", "Requests and breaches that are late.", "kind"
        )
        self.rights_open = self._gauge(
            "ivr_rights_open", "Requests not answered, breaches not told.", "kind"
        )
        self.alarms = self._gauge("ivr_alarms", "Alarms that stand now.", "code")
        self.worker_restarts = self._counter("ivr_worker_restarts", "SIP workers that died.")
        self.worker_reliefs = self._counter("ivr_worker_reliefs", "SIP workers relieved in peace.")
        self.agent_restarts = self._gauge(
            "ivr_agent_restarts", "Starts of the agent by its supervisor beyond the first."
        )
        self.loop_delay = self._gauge(
            "ivr_loop_delay_seconds", "How late the event loop was in the last second."
        )
        self.show_rights({}, {})
        for code in AlarmCode:
            self.alarms.labels(code.value).set(0)
        for state in DeliveryState:
            self.reports.labels(state.value).set(0)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def count_packets(self, legs: Sequence[LegStats]) -> None:
        """The legs of a call that is over."""
        for leg in legs:
            for fate in PACKETS:
                self.packets.labels(leg.leg.value, fate).inc(getattr(leg, fate))

    def show_alarms(self, standing: Sequence[Alarm]) -> None:
        for code in AlarmCode:
            count = sum(alarm.code is code for alarm in standing)
            self.alarms.labels(code.value).set(count)

    def show_rights(self, overdue: Mapping[str, int], open_now: Mapping[str, int]) -> None:
        for kind in RIGHTS:
            self.rights_overdue.labels(kind).set(overdue.get(kind, 0))
            self.rights_open.labels(kind).set(open_now.get(kind, 0))

    def show_reports(self, states: Mapping[DeliveryState, int]) -> None:
        for state in DeliveryState:
            self.reports.labels(state.value).set(states.get(state, 0))
