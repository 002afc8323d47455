"""One call whose INVITE comes in IP fragments; to be run by ``unshare --net``.

In a network of its own the loopback device may be given the MTU of a real link. Prints the answer
to the INVITE and how many datagrams the kernel had to put together.
"""

import asyncio
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from ivr.clock import SystemClock
from ivr.settings import SipSettings
from ivr.telephony.pool import WorkerPool
from tests.fakes.raw_caller import RawCaller

MTU = 1280
IDENTITY = "Identity: " + "e" * 2600 + ";info=<https://stir.example/c.pem>;ppt=shaken\r\n"
_SIOCSIFMTU, _SIOCSIFFLAGS = 0x8922, 0x8914  # linux/sockios.h
_IFF_UP = 1


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFMTU, struct.pack("16si12x", b"lo", MTU))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def reassembled() -> int:
    names, values = (
        line.split()
        for line in Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
        if line.startswith("Ip:")
    )
    return int(dict(zip(names, values, strict=True))["ReasmOKs"])


async def main() -> None:
    raise_loopback()
    async with (
        WorkerPool(SipSettings(port=0), SystemClock()) as pool,
        RawCaller(*pool.addresses[0]) as caller,
    ):
        calling = asyncio.create_task(caller.call(extra=IDENTITY))
        line = await anext(pool.incoming())
        is_whole = line.offer.raw == caller.last_invite
        await line.refuse(486, "Busy Here")
        told = {"status": (await calling).status, "reassembled": reassembled()}
        sys.stdout.write(json.dumps({**told, "is_whole": is_whole}))


if __name__ == "__main__":
    asyncio.run(main())
