"""Datagrams that the kernel dropped at our SIP ports: those of strangers (``source_filter``), and
those that came too fast. Linux counts them a socket, in ``/proc/net/udp`` (proc(5))."""

from collections.abc import Collection
from pathlib import Path

TABLES = (Path("/proc/net/udp"), Path("/proc/net/udp6"))


def dropped_at(ports: Collection[int], tables: Collection[Path] = TABLES) -> int:
    """Since the sockets were opened. 0 where the kernel does not say. Blocking."""
    total = 0
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if int(columns[1].rpartition(":")[2], 16) in ports:
                total += int(columns[-1])
    return total
