"""What is refused, and what a worker, a pool and a port survive."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.errors import EnvironmentProblem, SettingsError, TelephonyError
from ivr.facts.call import Blame
from ivr.settings import SipSettings
from ivr.telephony.line import SipLine
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, Ledger, UdpDoor, eventually
from tests.fakes.raw_caller import RawCaller


async def test_four_calls_at_once_and_the_fifth_is_told_when_to_come_back(
    pool: WorkerPool, answer: Callable
) -> None:
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(RawCaller(*pool.addresses[0])) for _ in range(5)]
        for caller in callers[:4]:
            response, _ = await asyncio.gather(caller.call(), answer())
            assert response.status == 200
        fifth = await callers[4].call()
        assert (fifth.status, fifth.header("Retry-After")) == (503, "30")
        again = await callers[0].ask("INVITE", callers[0].sdp("sendonly"))  # a full worker
        callers[0].ack()  # goes on with the calls it has
        assert again.status == 200
        await callers[0].bye()
        response, _ = await asyncio.gather(callers[4].call(), answer())
        assert response.status == 200
        await eventually(lambda: pool.refused == 1)


async def test_a_hundred_calls_in_a_row_leave_slots_and_memory_as_they_were(
    pool: WorkerPool, answer: Callable
) -> None:
    status = Path(f"/proc/{pool.pids[0]}/status")

    def resident_mb() -> float:
        (line,) = (item for item in status.read_text().splitlines() if item.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    answered: asyncio.Queue[tuple[SipLine, Ledger]] = asyncio.Queue()

    async def take_calls() -> None:
        while True:
            try:
                answered.put_nowait(await answer())
            except TimeoutError:
                continue

    async def one_call() -> None:
        async with RawCaller(*pool.addresses[0]) as caller:
            while (  # noqa: ASYNC110 - at most sixteen new calls a second are let in
                response := await caller.call()
            ).status == 503:
                await asyncio.sleep(0.02)
            line, facts = await answered.get()
            assert response.status == 200
            await (line.hang_up("short") if caller.cseq % 2 else caller.bye())
            await facts.end()

    def descriptors() -> int:
        return sum(1 for _ in Path(f"/proc/{pool.pids[0]}/fd").iterdir())

    opened = descriptors()
    taking = asyncio.create_task(take_calls())
    for _ in range(20):
        await one_call()
    warm = resident_mb()
    for _ in range(80):
        await one_call()
    assert resident_mb() - warm < 8
    assert descriptors() <= opened + 2
    taking.cancel()
    await eventually(lambda: pool.slots_in_use == 0)


async def test_calls_set_up_and_cancelled_in_a_rush_do_not_exhaust_the_library(
    pool: WorkerPool, desk: Desk
) -> None:
    pids = pool.pids

    async def call_and_cancel() -> int:
        async with RawCaller(*pool.addresses[0]) as caller:
            caller.invite()
            await eventually(lambda: bool(caller.responses))
            if caller.responses[0].status == 100:
                caller.cancel()
                while (response := await caller.final()).status != 487:
                    assert response.status == 200  # the CANCEL's own answer
                caller.ack()
            return caller.responses[-1].status

    statuses: list[int] = []
    for _ in range(30):  # without a limit the library aborts at the 31st call
        statuses += await asyncio.gather(*(call_and_cancel() for _ in range(4)))
    assert set(statuses) == {487, 503}
    assert pool.pids == pids
    assert (await _options(pool)) == 200


async def _options(pool: WorkerPool) -> int:
    async with RawCaller(*pool.addresses[0]) as caller:
        return (await caller.ask("OPTIONS")).status


async def test_a_caller_who_never_acknowledges_gives_the_slot_back(
    pool: WorkerPool, desk: Desk, door: UdpDoor
) -> None:
    async with RawCaller(*pool.addresses[0], prefers_silence=True) as caller:
        caller.invite()
        line = await desk.next_line()
        facts = Ledger(line)
        with pytest.raises(TelephonyError, match="before it was answered"):
            await line.answer(door)
        end = await facts.end()
        assert (end.blame, end.reason) == (Blame.UPSTREAM, "no ACK for our answer")
        await eventually(lambda: pool.slots_in_use == 0, within_s=10)


async def test_refusals_carry_status_and_retry_after(pool: WorkerPool, desk: Desk) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        calling = asyncio.create_task(caller.call())
        line = await desk.next_line()
        await line.refuse(503, "Service Unavailable", retry_after_s=17)
        response = await calling
        assert (response.status, response.header("Retry-After")) == (503, "17")
        assert line.closed is not None
        assert line.closed.blame is Blame.US
        await line.refuse(503, "twice does no harm")


@pytest.mark.parametrize(("payloads", "why"), [("18", "G.729 alone"), ("111 101", "Opus alone")])
async def test_a_foreign_codec_is_not_acceptable(
    pool: WorkerPool, desk: Desk, payloads: str, why: str
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        assert (await caller.call(caller.sdp(payloads=payloads))).status == 488, why
    assert desk.lines.empty()


async def test_media_that_cannot_be_led_to_the_door_is_not_acceptable(
    pool: WorkerPool, desk: Desk
) -> None:
    many = "".join(f"m=audio {40000 + 2 * n} RTP/AVP 8\r\na=x:{'y' * 30}\r\n" for n in range(15))
    async with RawCaller(*pool.addresses[0]) as caller:
        response = await caller.call(caller.sdp(extra=many))
        assert response.status == 488
    assert desk.lines.empty()


async def test_a_message_too_large_for_the_library_is_told_so(pool: WorkerPool, desk: Desk) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        response = await caller.call(extra=f"X-Padding: {'p' * 4200}\r\n")
        assert response.status == 513
    async with RawCaller(*pool.addresses[0]) as caller:
        data = caller.request("INVITE", caller.sdp())
        caller.send(data[:-40])  # the body ends before Content-Length says
        assert (await caller.final()).status in (400, 513)
    assert desk.lines.empty()


async def test_unknown_extensions_transfers_and_replacements_are_refused(
    pool: WorkerPool, answer: Callable
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller:
        assert (await caller.call(extra="Require: teleportation\r\n")).status == 420
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(), answer())
        refer = await caller.ask("REFER", extra="Refer-To: <sip:0900@127.0.0.1:9>\r\n")
        assert refer.status == 603
        for odd in ("", "Refer-To:\r\n", "Refer-To: <<\r\n", "r: <sip:a@b?Replaces=%00>\r\n"):
            assert (await caller.ask("REFER", extra=odd)).status == 603
        tags = f"to-tag={caller.to_tag.removeprefix(';tag=')};from-tag={caller.from_tag}"
        async with RawCaller(*pool.addresses[0]) as thief:
            replaces = f"Replaces: {caller.call_id};{tags}\r\nRequire: replaces\r\n"
            assert (await thief.call(extra=replaces)).status >= 400
        assert facts.closed is None
        await caller.bye()


async def test_options_are_answered_until_the_agent_drains(
    pool: WorkerPool, answer: Callable
) -> None:
    async with RawCaller(*pool.addresses[0]) as caller, RawCaller(*pool.addresses[0]) as late:
        assert (await late.ask("OPTIONS")).status == 200
        _, (line, facts) = await asyncio.gather(caller.call(), answer())
        await pool.drain()
        refused = await late.call()
        assert (refused.status, refused.header("Retry-After")) == (503, "30")
        async with RawCaller(*pool.addresses[0]) as ping:
            assert (await ping.ask("OPTIONS")).status == 503
        assert facts.closed is None
        await line.hang_up("done")


async def test_strangers_get_no_answer_at_all() -> None:
    settings = SipSettings(port=0, allow_from=("127.0.0.2/32",))
    async with WorkerPool(settings, SystemClock()) as pool:
        desk = Desk(pool)
        async with RawCaller(*pool.addresses[0], local="127.0.0.2") as friend:
            async with RawCaller(*pool.addresses[0]) as stranger:
                for _ in range(200):
                    stranger.send(stranger.request("INVITE", stranger.sdp()))
                stranger.send(stranger.request("OPTIONS"))
                calling = asyncio.create_task(friend.call())
                line = await desk.next_line()
                await line.refuse(486, "Busy Here")
                assert (await calling).status == 486
                assert stranger.responses == []
            assert desk.lines.empty()
            with pytest.raises(OSError, match=r"timed out|refused"):
                await asyncio.to_thread(_connect_tcp, pool.addresses[0])
        await desk.close()


def _connect_tcp(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=0.3):
        pass


async def test_a_killed_worker_closes_its_calls_and_is_replaced_on_its_port(
    pool: WorkerPool, answer: Callable
) -> None:
    address, pid = pool.addresses[0], pool.pids[0]
    async with RawCaller(*address) as caller:
        _, (line, facts) = await asyncio.gather(caller.call(), answer())
        os.kill(pid, signal.SIGKILL)
        end = await facts.end()
        assert (end.blame, end.reason) == (Blame.US, "worker died")
        await line.hang_up("after the end does no harm")
    await eventually(lambda: bool(pool.pids) and pool.pids[0] != pid, within_s=10)
    assert pool.addresses == (address,)
    async with RawCaller(*address) as caller:
        response, (line, _) = await asyncio.gather(caller.call(), answer())
        assert response.status == 200
        await line.hang_up("done")


async def test_a_worker_that_hangs_is_killed_and_replaced(
    pool: WorkerPool, answer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.telephony.worker_process.SILENCE_IS_DEATH_S", 2.5)
    pid = pool.pids[0]
    async with RawCaller(*pool.addresses[0]) as caller:
        _, (_, facts) = await asyncio.gather(caller.call(), answer())
        os.kill(pid, signal.SIGSTOP)
        assert (await facts.end(within_s=15)).reason == "worker died"
    await eventually(lambda: bool(pool.pids) and pool.pids[0] != pid, within_s=10)


async def test_workers_die_when_the_service_does(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from ivr.clock import SystemClock\n"
        "from ivr.settings import SipSettings\n"
        "from ivr.telephony.pool import WorkerPool\n"
        "async def main():\n"
        "    async with WorkerPool(SipSettings(port=0), SystemClock()) as pool:\n"
        "        print(*pool.pids, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    worker = int(await service.stdout.readline())
    assert _is_alive(worker)
    service.kill()
    await service.wait()
    await eventually(lambda: not _is_alive(worker))


def _is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(EnvironmentProblem) as caught:
            async with WorkerPool(SipSettings(port=port), SystemClock()):
                raise AssertionError("the port was taken")
    assert str(port) in caught.value.what
    assert f"sport = :{port}" in caught.value.remedy


async def test_two_workers_listen_on_two_ports_and_share_no_calls() -> None:
    async with WorkerPool(SipSettings(port=0, workers=2), SystemClock()) as pool:
        desk = Desk(pool)
        assert len(set(pool.addresses)) == len(set(pool.pids)) == 2
        for address in pool.addresses:
            async with RawCaller(*address) as caller:
                calling = asyncio.create_task(caller.call())
                line = await desk.next_line()
                assert line.offer.sip_call_id == caller.call_id
                await line.refuse(486, "Busy Here")
                assert (await calling).status == 486
        await desk.close()


async def test_calls_nobody_takes_are_refused_and_leaving_the_pool_ends_the_rest() -> None:
    async with AsyncExitStack() as stack:
        async with WorkerPool(SipSettings(port=0), SystemClock()) as pool:
            caller = await stack.enter_async_context(RawCaller(*pool.addresses[0]))
            calling = asyncio.create_task(caller.call())
            incoming = pool.incoming()
            line = await anext(incoming)
        assert (await calling).status == 480
        assert line.closed is not None
        assert line.closed.reason == "the agent stops"
        with pytest.raises(StopAsyncIteration):
            await anext(incoming)


@pytest.mark.parametrize(
    "settings",
    [SipSettings(bind="sip.example"), SipSettings(allow_from=("10.0.0.0/99",))],
    ids=["bind", "allow_from"],
)
def test_unusable_settings_are_named(settings: SipSettings) -> None:
    with pytest.raises(SettingsError, match="SIP settings"):
        WorkerPool(settings, SystemClock())


async def test_calls_that_end_with_their_prompt_do_the_worker_no_harm(
    pool: WorkerPool, desk: Desk, door: UdpDoor, make_wav: Callable[..., Path]
) -> None:
    """The library's end-of-file callback may come while the player is being given up."""
    wav, pids, played = make_wav(440, 0.06), pool.pids, 0

    async def serve() -> None:
        nonlocal played
        while True:
            line = await desk.lines.get()
            await line.answer(door)
            while line.closed is None:
                await line.play(wav)
                played += 1

    async def call(length_s: float) -> None:
        async with RawCaller(*pool.addresses[0]) as caller:
            if (await caller.call()).status == 200:
                await asyncio.sleep(length_s)
                assert (await caller.bye()).status == 200

    serving = [asyncio.create_task(serve()) for _ in range(4)]
    for number in range(16):
        await asyncio.gather(*(call(0.05 + 0.004 * number + 0.01 * n) for n in range(3)))
    for task in serving:
        task.cancel()
    assert pool.pids == pids
    assert played >= 30
