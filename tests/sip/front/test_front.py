"""The front of config/kamailio with real programs: TLS and SRTP end there, strangers get no
answer, and a call finds the worker that has room."""

import asyncio
import os
import signal
import ssl
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.facts.call import Blame
from ivr.media.door import CallDoor
from ivr.media.recordings import read_samples, write_recordings
from ivr.settings import MediaSettings
from tests.fakes.answering_desk import Ledger, UdpDoor, eventually, rms
from tests.fakes.front import INSIDE, OUTSIDE
from tests.fakes.raw_caller import RawCaller, Response, loudest_hertz, tone
from tests.fakes.routed_caller import RoutedCaller
from tests.fakes.soft_phone import calling
from tests.sip.front.conftest import FLOODER, STRANGER, TRUNK, Site

pytestmark = pytest.mark.asyncio(loop_scope="module")
SILENCE_S = 0.7


def caller_at(site: Site, local: str = TRUNK, **options: str) -> RoutedCaller:
    return RoutedCaller(OUTSIDE, site.front.sip_port, local, user="02499990000", **options)


def write_tone(path: Path, hertz: float, seconds: float) -> Path:
    soundfile.write(path, tone(hertz, seconds).astype("int16"), 8000, "PCM_16")
    return path


async def test_a_call_with_tls_and_srtp_arrives_as_plain_rtp_in_the_wire_log(
    site: Site, tmp_path: Path
) -> None:
    case = tmp_path / "case"
    case.mkdir()
    phone = calling(
        tmp_path / "phone",
        f"sip:02499990000@{OUTSIDE}:{site.front.tls_port};transport=tls",
        address=TRUNK,
        authority=site.front.authority,
        sound=write_tone(tmp_path / "said.wav", 440, 8.0),
        ports=f"{site.front.tls_port + 100}-{site.front.tls_port + 120}",
        media="srtp-mand",
    )
    async with phone:
        line = await site.desk.next_line()
        assert b"RTP/AVP" in line.offer.raw
        assert b"a=crypto" not in line.offer.raw
        origin = site.trunks.origin(line.offer)
        assert (origin.address, origin.trunk, origin.is_trusted) == ("127.0.0.1", "trunk", True)
        assert b";transport=tls" in line.offer.raw
        door = await CallDoor.open(case, MediaSettings(block_s=0.25), call_id="tls")
        facts = Ledger(line, door)
        await line.answer(door.endpoint)
        await line.play(write_tone(tmp_path / "prompt.wav", 900, 1.5))
        await eventually(lambda: door.stats()[0].accepted >= 60)
        await line.hang_up("enough")
        assert (await facts.end()).blame is Blame.US
        assert facts.media[-1].remote[0] == INSIDE
        wire = await door.close()
        said = (tmp_path / "phone" / "log").read_text()
        await eventually(lambda: "session closed" in (tmp_path / "phone" / "log").read_text())
        assert "Call established" in said
    recorded = {item.leg.value: item for item in write_recordings(wire, tmp_path)}
    caller = recorded["caller"]
    assert caller.stats.payload_types == ("PCMA/8000",)
    assert caller.stats.foreign == 0
    assert abs(loudest_hertz(read_samples(caller)[-8000:]) - 440) < 5
    (dump,) = (tmp_path / "phone").glob("dump-*dec.wav")
    heard, _ = soundfile.read(dump, dtype="int16")
    parts = [heard[start : start + 160] for start in range(0, len(heard) - 160, 160)]
    loud = np.concatenate([part for part in parts if rms(part) > 1000])
    assert abs(loudest_hertz(loud) - 900) < 10  # what we say was encrypted for the way back


@pytest.mark.parametrize(
    ("version", "is_spoken"), [("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]
)
async def test_only_tls_1_2_and_1_3_are_spoken(site: Site, version: str, is_spoken: bool) -> None:
    spoken = await asyncio.to_thread(
        subprocess.run,
        (
            *("openssl", "s_client", f"-{version}", "-cipher", "ALL:@SECLEVEL=0"),
            *("-connect", f"{OUTSIDE}:{site.front.tls_port}", "-CAfile", site.front.authority),
        ),
        input=b"",
        capture_output=True,
        timeout=10,
    )
    said = (spoken.stdout + spoken.stderr).decode()
    assert ("Verify return code: 0 (ok)" in said and "Cipher is (NONE)" not in said) == is_spoken
    assert ("alert protocol version" in said) == (not is_spoken)


async def silence(caller: RawCaller, **invite: str) -> bool:
    """Whether an INVITE gets no answer of any kind."""
    caller.invite(**invite)
    await asyncio.sleep(SILENCE_S)  # nothing is what is waited for
    return not caller.responses


async def test_strangers_get_no_answer(site: Site) -> None:
    before = site.front.count("strangers")
    async with caller_at(site, STRANGER) as caller:
        assert await silence(caller)
        caller.send(caller.request("OPTIONS"))
        await eventually(lambda: site.front.count("strangers") >= before + 2)
        assert not caller.responses


async def test_a_stranger_with_tls_is_hung_up_on_without_a_word(site: Site) -> None:
    context = ssl.create_default_context(cafile=site.front.authority)
    reader, writer = await asyncio.open_connection(
        OUTSIDE, site.front.tls_port, ssl=context, local_addr=(STRANGER, 0)
    )
    async with caller_at(site, STRANGER) as caller:
        writer.write(caller.request("OPTIONS").replace(b"/UDP", b"/TLS"))
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "name", ["friendly-scanner", "Sipvicious/0.3", "sipcli/v1.8", "VaxSIPUserAgent"]
)
async def test_scanners_get_no_answer_even_from_a_trunk(site: Site, name: str) -> None:
    before = site.front.count("scanners")
    async with caller_at(site) as caller:
        caller.invite(extra=f"User-Agent: {name}\r\n")
        await eventually(lambda: site.front.count("scanners") > before)
        assert not caller.responses


async def test_an_invite_above_4000_bytes_is_too_large(site: Site) -> None:
    async with caller_at(site) as caller:
        response = await caller.call(extra=f"X-Long: {'a' * 4000}\r\n")
        assert response.status == 513


async def test_only_the_front_says_where_a_call_came_from(site: Site) -> None:
    forged = "X-Ivr-Source: 10.8.0.1;port=1\r\nx-ivr-source : 10.8.0.2\r\nX-IVR-Trunk: state\r\n"
    asserted = "P-Asserted-Identity: <tel:+84912345678>\r\n"
    async with caller_at(site) as caller:
        caller.invite(extra=forged + asserted)
        line = await site.desk.next_line()
        shown = [each for each in line.offer.identities if each.header.lower().startswith("x-ivr")]
        assert [each.raw.partition(";")[0] for each in shown] == [TRUNK]
        origin = site.trunks.origin(line.offer)
        assert (origin.trunk, origin.is_trusted, line.offer.source[0]) == ("trunk", True, INSIDE)
        await line.refuse(603, "Decline")
        assert (await caller.final()).status == 603
        caller.ack()


async def test_a_call_over_udp_holds_goes_on_and_ends_through_the_front(site: Site) -> None:
    """With a private address in the SDP, as behind a NAT: rtpengine follows the packets."""
    door = await UdpDoor().open()
    async with caller_at(site) as caller:
        inside_nat = caller.sdp().replace(f"c=IN IP4 {TRUNK}", "c=IN IP4 10.66.0.5")
        caller.invite(inside_nat)
        line = await site.desk.next_line()
        facts = Ledger(line, door)
        _, answered = await asyncio.gather(line.answer(door), acknowledged(caller))
        assert answered.audio[0] == OUTSIDE
        caller.media_to = answered.audio
        await caller.play(b"\x55" * 160 * 15)
        await eventually(lambda: door.from_world >= 14)
        await eventually(lambda: caller.heard() != [])  # back to where the packets came from
        held = await caller.ask("INVITE", caller.sdp("sendonly"))
        caller.ack()
        assert held.status == 200
        assert "a=recvonly" in held.sdp
        assert (await caller.bye()).status == 200
        assert (await facts.end()).blame is Blame.CALLER
    door.close()


async def acknowledged(caller: RoutedCaller) -> Response:
    response = await caller.final()
    caller.ack()
    return response


async def test_a_full_worker_is_passed_over_and_two_full_ones_say_when_to_come_back(
    site: Site,
) -> None:
    async with AsyncExitStack() as stack:

        async def fill(number: int) -> None:
            for _ in range(4):
                direct = RawCaller(*site.pool.addresses[number])
                filler = await stack.enter_async_context(direct)
                stack.callback(filler.cancel)
                filler.invite()
                await site.desk.next_line()

        await fill(0)
        for _ in range(3):
            async with caller_at(site) as caller:
                caller.invite()
                line = await site.desk.next_line()
                assert site.worker_of(line) == 1
                await line.refuse(603, "Decline")
                assert (await caller.final()).status == 603
                caller.ack()
        await eventually(lambda: site.pool.slots_in_use == 4)
        await fill(1)
        async with caller_at(site) as caller:
            refused = await caller.call()
            assert (refused.status, refused.header("Retry-After")) == (503, "30")
    await eventually(lambda: site.pool.slots_in_use == 0, 10)


async def test_a_worker_that_hangs_loses_no_call(site: Site) -> None:
    """The front waits 1.5 s for its 100, tries the next, and then leaves the dead one alone."""
    hung = site.pool.pids[0]
    os.kill(hung, signal.SIGSTOP)
    try:
        for _ in range(2):
            async with caller_at(site) as caller:
                caller.invite()
                line = await site.desk.next_line()
                assert site.worker_of(line) == 1
                await line.refuse(603, "Decline")
                assert (await caller.final()).status == 603
                caller.ack()
    finally:
        os.kill(hung, signal.SIGCONT)
    await site.front.until_workers("AP", "AP")


async def test_a_flood_is_dropped(site: Site) -> None:
    async with caller_at(site, FLOODER) as caller:
        for _ in range(200):
            caller.send(caller.request("OPTIONS"))
        await eventually(lambda: site.front.count("floods") > 50)
        assert len(caller.responses) < 150
    async with caller_at(site) as caller:
        assert (await caller.ask("OPTIONS")).status == 200  # others are heard all the same


async def test_workers_that_drain_leave_the_set_and_the_front_says_so(site: Site) -> None:
    """The last test of this file: a drained pool takes no more calls."""
    await site.pool.drain()
    await site.front.until_workers("IP", "IP")
    async with caller_at(site) as caller:
        told = await caller.ask("OPTIONS")
        assert (told.status, told.header("Retry-After")) == (503, "30")
        refused = await caller.call()
        assert (refused.status, refused.header("Retry-After")) == (503, "30")
