"""What systemd wants to hear (sd_notify(3)): datagrams to the socket that it names."""

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """Tell systemd, when it asked to be told; never waits, never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract name space
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
    ):
        line.setblocking(False)
        line.sendto("\n".join(lines).encode(), address)
