"""INVITEs above what one Ethernet frame holds: over UDP, over TCP in pieces, and too large."""

import asyncio
import json
import sys

from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, UdpDoor
from tests.fakes.fragmented_call import IDENTITY
from tests.fakes.raw_caller import RawCaller

MTU = 1500


async def test_over_udp_it_is_taken_whole(pool: WorkerPool, desk: Desk, door: UdpDoor) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        calling = asyncio.create_task(caller.call(extra=IDENTITY))
        line = await desk.next_line()
        assert line.offer.raw == caller.last_invite
        assert MTU < len(line.offer.raw) < 4000
        assert "Identity" in [item.header for item in line.offer.identities]
        await line.answer(door)
        assert (await calling).status == 200
        await line.hang_up("done")


async def test_in_ip_fragments_it_is_taken_whole() -> None:
    """A network of its own wants root, as CI has."""
    program = ("unshare", "--net", sys.executable, "-m", "tests.fakes.fragmented_call")
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    told = json.loads(out)
    assert told["reassembled"] >= 1
    assert (told["status"], told["is_whole"]) == (486, True)


async def test_over_tcp_it_may_come_in_pieces_and_with_another_behind_it(
    pool: WorkerPool, desk: Desk
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        reader, writer = await asyncio.open_connection(*pool.addresses[0])

        def over_tcp(data: bytes) -> bytes:
            return data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP", 1)

        invite = over_tcp(caller.request("INVITE", caller.sdp(), extra=IDENTITY))
        ping = over_tcp(elsewhere(caller).request("OPTIONS"))
        whole = b"\r\n\r\n" + invite + ping  # a keep-alive before, a request behind
        for start in range(0, len(whole), 700):
            writer.write(whole[start : start + 700])
            await writer.drain()
            await asyncio.sleep(0.005)
        line = await desk.next_line()
        assert line.offer.raw == invite
        assert line.offer.transport == "tcp"
        await line.refuse(486, "Busy Here")
        answers = b""
        async with asyncio.timeout(5):
            while b"486 Busy Here" not in answers or b"200 OK" not in answers:
                answers += await reader.read(4096)
        writer.close()
        await writer.wait_closed()


def elsewhere(caller: RawCaller) -> RawCaller:
    """Another dialog from the same place."""
    other = RawCaller(caller.host, caller.port)
    other.sip_port = caller.sip_port
    return other
