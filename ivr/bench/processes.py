"""What the processes of a house use, read from the kernel's counters."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """By class of process (agent, sip, recognition): processor time and proportional memory.

    Args:
        cpu: seconds since the start; after ``since`` per cent of one core.
        machine: seconds that all cores were busy; after ``since`` per cent of all cores.
    """

    cpu: dict[str, float]
    pss_mb: dict[str, float]
    machine: float

    def since(self, before: "Usage", seconds: float) -> "Usage":
        """Shares of the time between two readings."""
        cpu = {part: 100 * (self.cpu[part] - before.cpu[part]) / seconds for part in self.cpu}
        cores = os.cpu_count() or 1
        machine = 100 * (self.machine - before.machine) / seconds / cores
        return Usage(cpu, self.pss_mb, machine)

    def as_figures(self) -> dict[str, float]:
        figures = {f"cpu_{part}": round(value, 1) for part, value in self.cpu.items()}
        figures |= {f"pss_mb_{part}": round(value, 1) for part, value in self.pss_mb.items()}
        return figures | {"cpu_machine": round(self.machine, 1)}


def usage(sip_pids: tuple[int, ...]) -> Usage:
    """Of this process (agent), its SIP workers and its recognisers, now."""
    found = _by_part(sip_pids)
    memory = {part: sum(_pss_mb(pid) for pid in pids) for part, pids in found.items()}
    return Usage(cpu_seconds(sip_pids), memory, _busy_s())


def cpu_seconds(sip_pids: tuple[int, ...]) -> dict[str, float]:
    """Processor seconds so far of this process (agent), its SIP workers, and its recognisers."""
    found = _by_part(sip_pids)
    return {part: sum(_cpu_s(pid) for pid in pids) for part, pids in found.items()}


def _by_part(sip_pids: tuple[int, ...]) -> dict[str, list[int]]:
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            names[int(entry.name)] = (entry / "cmdline").read_text()
        except OSError:  # it ended while we looked
            continue
        parents[int(entry.name)] = int(fields[1])
    own = os.getpid()
    recognisers = [
        pid
        for pid in parents
        if "ivr.recognition.host" in names[pid] and _descends(pid, own, parents)
    ]
    return {"agent": [own], "sip": list(sip_pids), "recognition": recognisers}


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid]
    return pid == ancestor


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended while we looked
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it ended while we looked
        return 0.0
    found = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(found.split()[1]) / 1024


def _busy_s() -> float:
    user, nice, system, _idle, _waiting, irq, softirq, *_ = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS
