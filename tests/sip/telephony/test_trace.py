"""Every SIP message of a call reaches whoever keeps its case: byte for byte and in order."""

import asyncio
import ctypes

from ivr.facts.call import Signalling
from ivr.telephony.channel import Message
from ivr.telephony.pj_trace import (
    KEPT_BYTES,
    MOST_MESSAGES,
    WAITING_CALLS,
    WAITING_MESSAGES,
    Trace,
)
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually
from tests.fakes.raw_caller import RawCaller


def first_lines(said: list[Signalling]) -> list[tuple[bool, str]]:
    return [(each.is_sent, each.raw.partition(b" SIP/2.0\r\n")[0].split(b" ")[0].decode())
            if not each.raw.startswith(b"SIP/2.0")
            else (each.is_sent, each.raw[8:11].decode())
            for each in said]  # fmt: skip


async def test_the_trace_of_a_call_is_every_message_as_it_was_on_the_wire(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    extra = "X-Odd: \xff\udc80 tiếng Việt\r\n"
    async with RawCaller(*pool.addresses[0], extra=extra) as caller:
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        facts = Ledger(line, door)
        await line.ring()
        await line.answer(door)
        await calling
        info = caller.request("INFO", "Signal=1", kind="application/dtmf")
        caller.send(info)
        await caller.final()
        await caller.bye()
        await facts.end()
        said: list[Signalling] = []
        line.trace(said.append)
        answered = [
            response.text.encode("utf-8", "surrogateescape") for response in caller.responses
        ]
    assert first_lines(said) == [
        *((False, "INVITE"), (True, "100"), (True, "180"), (True, "200"), (False, "ACK")),
        *((False, "INFO"), (True, said[6].raw[8:11].decode()), (False, "BYE"), (True, "200")),
    ]
    assert said[0].raw == caller.last_invite
    assert said[5].raw == info
    assert [each.raw for each in said if each.is_sent] == answered
    assert {each.peer for each in said} == {("127.0.0.1", caller.sip_port)}
    assert [each.at_ns for each in said] == sorted(each.at_ns for each in said)


async def test_our_own_bye_and_its_answer_are_in_the_trace(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        said: list[Signalling] = []
        line.trace(said.append)
        facts = Ledger(line, door)
        await line.answer(door)
        await calling
        await line.hang_up("enough")
        await facts.end()
        await eventually(lambda: len(said) >= 6)
    assert first_lines(said)[-2:] == [(True, "BYE"), (False, "200")]


def invite(call_id: str, size: int = 0) -> bytes:
    return f"INVITE sip:a@b SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n{'x' * size}".encode()


def test_a_call_that_says_too_much_is_cut_and_that_is_told() -> None:
    told: list[Message] = []
    trace = Trace(ctypes.CDLL(None), told.append)
    trace.follow("one", 7)
    for _ in range(MOST_MESSAGES + 5):
        trace.passed(invite("one", 1000), ("192.0.2.1", 5060), is_sent=False)
    assert len(told) == MOST_MESSAGES
    assert [message["is_last"] for message in told].index(True) == MOST_MESSAGES - 1
    whole = [message for message in told if message["raw"]]
    assert KEPT_BYTES - 2000 < sum(len(message["raw"]) for message in whole) <= KEPT_BYTES


def test_calls_that_nobody_takes_are_forgotten() -> None:
    told: list[Message] = []
    trace = Trace(ctypes.CDLL(None), told.append)
    for number in range(WAITING_CALLS + 1):
        for _ in range(WAITING_MESSAGES + 3):
            trace.passed(invite(f"call-{number}"), ("192.0.2.1", 5060), is_sent=False)
    trace.passed(b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: ping\r\n\r\n", ("", 0), is_sent=False)
    for name in ("call-0", "ping"):
        trace.follow(name, 1)
    assert not told
    trace.follow("call-1", 2)
    assert len(told) == WAITING_MESSAGES
