"""A call is answered, heard, understood and ended, and every end has its author."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivr.errors import TelephonyError
from ivr.facts.call import Blame
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually, rms
from tests.fakes.raw_caller import (
    RawCaller,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    loudest_hertz,
    tone,
)


@pytest.mark.parametrize(
    ("payload", "name", "decode"), [("8", "PCMA", decode_alaw), ("0", "PCMU", decode_ulaw)]
)
async def test_a_prompt_is_heard_through_the_door_in_the_offered_codec(
    pool: WorkerPool,
    answer: Callable,
    door: UdpDoor,
    make_wav: Callable[..., Path],
    payload: str,
    name: str,
    decode: Callable[[bytes], np.ndarray],
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        response, (line, facts) = await asyncio.gather(
            caller.call(caller.sdp(payloads=f"{payload} 101")), answer()
        )
        assert response.audio == (door.host, door.port)
        assert "a=rtcp:" not in response.sdp
        await line.play(make_wav(700, 0.6))
        packets = [(data, source) for kind, data, source in caller.heard() if kind == int(payload)]
        through_door = [data for data, source in packets if source == (door.host, door.port)]
        assert len(packets) - len(through_door) <= 2  # pj turns to the door with its first packet
        samples = decode(b"".join(through_door))
        loud = [
            part
            for part in np.split(samples[: len(samples) // 160 * 160], len(samples) // 160)
            if rms(part) > 1000
        ]
        assert 0.56 <= len(loud) * 0.02 <= 0.62
        assert abs(loudest_hertz(np.concatenate(loud)) - 700) < 10
        assert facts.media[0].payload_types[int(payload)] == (name, 8000)
        assert facts.media[0].payload_types[101] == ("telephone-event", 8000)
        assert facts.media[0].remote == ("127.0.0.1", caller.rtp_port)
        assert facts.media[0].direction == "sendrecv"
        assert facts.media[0].signalled_from == "127.0.0.1"
        await caller.bye()
        end = await facts.end()
        assert (end.blame, end.sip_status) == (Blame.CALLER, 200)
        assert 0.5 < end.duration_s < 5


async def test_the_invite_is_kept_byte_for_byte(pool: WorkerPool, desk: Desk) -> None:
    strange = '"Nguy\udcffn V\udcc3\udca2n" <sip:+84901234567@op.example>'
    async with RawCaller(*pool.addresses[0], from_header=strange, user="02499990000") as caller:
        caller.invite(extra="X-Trunk:  two\r\n folded\r\nUser-Agent: SBC 7\r\n")
        line = await desk.next_line()
        assert line.offer.raw == caller.last_invite
        assert line.offer.access == "02499990000"
        assert line.offer.sip_call_id == caller.call_id
        assert line.offer.source == ("127.0.0.1", caller.sip_port)
        assert (line.offer.transport, line.offer.user_agent) == ("udp", "SBC 7")
        assert [item.header for item in line.offer.identities] == ["From", "X-Trunk"]
        assert line.offer.identities[0].raw.startswith('"Nguy\\xffn Vân"')
        await line.refuse(603, "Decline")


async def test_keys_arrive_from_rtp_and_from_info(pool: WorkerPool, answer: Callable) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, facts) = await asyncio.gather(caller.call(), answer())
        await caller.play(encode_alaw(tone(440, 0.1)))
        await caller.press("5")
        await facts.until(lambda it: len(it.keys) == 1)
        relayed = await caller.ask(
            "INFO", "Signal=#\r\nDuration=160\r\n", kind="application/dtmf-relay"
        )
        assert relayed.status == 200
        await facts.until(lambda it: len(it.keys) == 2)
        await caller.ask("INFO", "7", kind="application/dtmf")
        await facts.until(lambda it: len(it.keys) == 3)
        await caller.ask("INFO", "not a key", kind="application/dtmf")
        await line.hang_up("test is over")
        assert [(key.digit, key.method) for key in facts.keys] == [
            ("5", "rfc4733"),
            ("#", "info"),
            ("7", "info"),
        ]
        assert [key.at_s for key in facts.keys] == sorted(key.at_s for key in facts.keys)
        assert all(0 < key.at_s < 5 for key in facts.keys)


async def test_we_hang_up_and_are_named_for_it(pool: WorkerPool, answer: Callable) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, facts) = await asyncio.gather(caller.call(), answer())
        await line.hang_up("the case is complete")
        end = await facts.end()
        assert (end.blame, end.reason) == (Blame.US, "the case is complete")
        await asyncio.wait_for(caller.request_arrived.wait(), 5)
        assert caller.requests[0].startswith("BYE ")
        assert line.closed == end
        await line.hang_up("twice does no harm")


async def test_a_bye_may_say_that_the_network_failed(pool: WorkerPool, answer: Callable) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(), answer())
        await caller.bye('Reason: Q.850;cause=38;text="Network out of order"\r\n')
        end = await facts.end()
        assert end.blame is Blame.UPSTREAM
        assert "Network out of order" in end.reason


async def test_a_call_cancelled_while_ringing_ends_unanswered(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        line = await desk.next_line()
        facts = Ledger(line)
        await line.ring()
        await eventually(lambda: any(item.status == 180 for item in caller.responses))
        caller.cancel()
        end = await facts.end()
        assert (end.blame, end.sip_status, end.duration_s) == (Blame.CALLER, 487, 0.0)
        with pytest.raises(TelephonyError, match="before it was answered"):
            await line.answer(door)
        assert {item.status for item in caller.responses} == {100, 180, 200, 487}


async def test_a_caller_who_hangs_up_at_once_leaves_nothing_behind(
    pool: WorkerPool, answer: Callable
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(), answer())
        assert (await caller.bye()).status == 200
        assert (await facts.end()).blame is Blame.CALLER
    await eventually(lambda: pool.slots_in_use == 0)


async def test_a_prompt_ends_when_the_call_ends(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, facts) = await asyncio.gather(caller.call(), answer())
        playing = asyncio.create_task(line.play(make_wav(500, 10)))
        await eventually(lambda: len(caller.heard()) > 0)
        await caller.bye()
        await asyncio.wait_for(playing, 2)
        assert (await facts.end()).duration_s < 5


async def test_a_cancelled_prompt_falls_silent(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, _) = await asyncio.gather(caller.call(), answer())
        playing = asyncio.create_task(line.play(make_wav(500, 10)))

        def hears_sound() -> bool:
            return any(rms(decode_alaw(data)) > 1000 for _, data, _ in caller.heard())

        await eventually(hears_sound)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing

        def hears_silence() -> bool:
            packets = caller.heard()
            return bool(packets) and all(rms(decode_alaw(data)) < 100 for _, data, _ in packets)

        await eventually(hears_silence)
        await line.play(make_wav(900, 0.2))  # and the next one is heard
        await line.hang_up("done")


async def test_a_prompt_of_the_wrong_form_is_an_error_and_the_call_lives(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\x04\x00\x00\x00WAVE")
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, _) = await asyncio.gather(caller.call(), answer())
        for wav, why in (
            (tmp_path / "missing.wav", "No such file"),
            (make_wav(440, 0.1, 16000), "16000 Hz"),
            (broken, ""),
        ):
            with pytest.raises(TelephonyError) as caught:
                await line.play(wav)
            assert why in caught.value.why
        await line.play(make_wav(440, 0.1))
        assert (await caller.bye()).status == 200


async def test_hold_resume_and_a_new_port_are_agreed_anew(
    pool: WorkerPool, answer: Callable, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(), answer())
        for number, (body, direction, remote_port) in enumerate(
            [
                (caller.sdp("sendonly"), "recvonly", caller.rtp_port),
                (caller.sdp("inactive"), "inactive", caller.rtp_port),
                (caller.sdp("sendrecv"), "sendrecv", caller.rtp_port),
                (caller.sdp(payloads="0 96", port=45678), "sendrecv", 45678),
            ],
            start=2,
        ):
            response = await caller.ask("INVITE", body)
            caller.ack()
            await facts.until(lambda it, number=number: len(it.media) == number)
            assert response.audio == (door.host, door.port)
            assert facts.media[-1].direction == direction
            assert facts.media[-1].remote == ("127.0.0.1", remote_port)
        assert facts.media[-1].payload_types == {
            0: ("PCMU", 8000),
            96: ("telephone-event", 8000),
        }
        assert facts.media[-1].agent[0] == "127.0.0.1"
        await caller.bye()
        await facts.end()


async def test_a_prompt_goes_on_after_hold(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path]
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (line, _) = await asyncio.gather(caller.call(), answer())
        playing = asyncio.create_task(line.play(make_wav(600, 1.0)))
        for direction in ("sendonly", "sendrecv"):
            await caller.ask("INVITE", caller.sdp(direction))
            caller.ack()
        caller.heard()
        await asyncio.wait_for(playing, 5)
        assert any(rms(decode_alaw(data)) > 1000 for _, data, _ in caller.heard())
        await caller.bye()


async def test_an_invite_without_offer_gets_ours_and_its_answer_counts(
    pool: WorkerPool, desk: Desk, answer: Callable, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite("")
        ringing = await desk.next_line()
        await ringing.ring()
        await eventually(lambda: any(item.status == 180 for item in caller.responses))
        desk.lines.put_nowait(ringing)
        taking = asyncio.create_task(answer())
        response = await caller.final()
        assert response.audio == (door.host, door.port)
        caller.ack(caller.sdp())
        _, facts = await taking
        await facts.until(lambda it: len(it.media) == 1)
        assert facts.media[0].remote == ("127.0.0.1", caller.rtp_port)
        await caller.bye()


async def test_an_offer_of_ours_that_stays_unanswered_ends_the_call(
    pool: WorkerPool, answer: Callable
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(""), answer())
        end = await facts.end()
        assert end.blame is Blame.UPSTREAM
        assert "no media was agreed" in end.reason


async def test_an_update_before_the_answer_is_refused_and_the_call_goes_on(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    """Taken, it would leave the library in a state in which answering aborts the process."""
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        line = await desk.next_line()
        facts = Ledger(line, door)
        await line.ring()
        await eventually(lambda: caller.responses[-1:] != [] and caller.responses[-1].status == 180)
        caller.to_tag = ";tag=" + (caller.responses[-1].header("To") or "").partition(";tag=")[2]
        update = await caller.ask("UPDATE", caller.sdp(port=45678))
        assert update.status >= 400
        answering = asyncio.create_task(line.answer(door))
        answered = await caller.final()
        assert (answered.status, answered.audio) == (200, (door.host, door.port))
        caller.send(caller.request("ACK", cseq=1))
        await answering
        await facts.until(lambda it: len(it.media) == 1)
        assert facts.media[0].remote == ("127.0.0.1", caller.rtp_port)
        await line.hang_up("done")


async def test_an_update_with_more_streams_before_the_ack_waits_for_it(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    """Taken at once, it is a failed assertion in the library; the fuzzer found it."""
    pids = pool.pids
    async with RawCaller(*pool.addresses[0]) as caller:
        caller.invite()
        line = await desk.next_line()
        facts = Ledger(line, door)
        answering = asyncio.create_task(line.answer(door))
        assert (await caller.final()).status == 200
        update = caller.request("UPDATE", caller.sdp(extra="m=video 9 RTP/AVP 31\r\n"))
        caller.send(update)
        assert (await caller.ask("OPTIONS")).status in {200, 500}  # the worker lives
        caller.send(caller.request("ACK", cseq=1))
        await answering
        caller.send(update)
        assert (await caller.final()).status == 200
        await facts.until(lambda it: len(it.media) == 2)
        await line.hang_up("done")
    assert pool.pids == pids
