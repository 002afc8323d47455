"""What is bounded, who is not answered, and how sessions end by themselves."""

import asyncio
import re
from contextlib import suppress

import pytest

from ivr.errors import EnvironmentProblem, SettingsError
from ivr.facts.call import Blame
from ivr.settings import MirrorSettings, load
from ivr.siprec.facts import Negotiation, PairIncomplete, SessionEnded
from ivr.siprec.server import RecordingServer
from tests.fakes.recording_client import Leg, RecordingClient, metadata, multipart, until

STRANGER = "127.99.0.1"


async def test_without_a_lawful_basis_nothing_starts(tmp_path):
    with pytest.raises(SettingsError) as refused:
        RecordingServer(MirrorSettings(enabled=False), lambda name, rate: True)
    assert "lawful_basis" in refused.value.remedy
    file = tmp_path / "ivr.toml"
    file.write_text("[mirror]\nenabled = true\n")
    with pytest.raises(SettingsError, match="not usable") as caught:
        load(file)
    assert "lawful_basis" in caught.value.why


async def test_a_port_that_is_taken_is_said(recording):
    async with recording() as recorder:
        settings = MirrorSettings(enabled=True, lawful_basis="by order 1", port=recorder.port)
        with pytest.raises(EnvironmentProblem, match="cannot be taken"):
            async with RecordingServer(settings, lambda name, rate: True):
                raise AssertionError("it started")


async def test_a_stranger_gets_no_answer_and_is_counted(recording):
    async with (
        recording(allow_from=("127.0.0.1/32",)) as recorder,
        RecordingClient("127.0.0.1", recorder.port, local=STRANGER) as stranger,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        stranger.invite()
        stranger.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
        assert (await client.ask("OPTIONS")).status == 200
        assert stranger.every == []
        assert recorder.server.figures["strangers"] == 2
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", recorder.port, local_addr=(STRANGER, 0)
        )
        with suppress(ConnectionError):
            assert await reader.read(10) == b""
        writer.close()
        assert recorder.server.figures["strangers"] == 3
        assert recorder.lines == []


async def test_beyond_the_limit_calls_are_refused_with_the_time_to_come_back(recording):
    async with (
        recording(max_sessions=1, server={"retry_after_s": 7}) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as first,
        RecordingClient("127.0.0.1", recorder.port) as second,
    ):
        await first.call()
        refused = await second.call()
        assert (refused.status, refused.header("Retry-After")) == (503, "7")
        options = await second.ask("OPTIONS")
        assert (options.status, options.header("Retry-After")) == (503, "7")
        await first.hang_up()
        await until(lambda: recorder.ends)
        assert (await second.call()).status == 200


async def test_one_address_may_not_bring_more_than_its_rate(recording):
    async with (
        recording(invites_per_s=0.5) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as first,
        RecordingClient("127.0.0.1", recorder.port) as second,
        RecordingClient("127.0.0.1", recorder.port, local="127.0.0.2") as elsewhere,
    ):
        assert (await first.call()).status == 200
        assert (await second.call()).status == 503
        assert (await elsewhere.call()).status == 200


async def test_draining_or_unwell_it_takes_nothing_new_and_ends_nothing(recording):
    well = [True]
    async with (
        recording(server={"is_well": lambda: well[0]}) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as running,
        RecordingClient("127.0.0.1", recorder.port) as late,
    ):
        await running.call()
        well[0] = False
        assert (await late.ask("OPTIONS")).status == 503
        assert (await late.call()).status == 503
        well[0] = True
        recorder.server.drain()
        assert (await late.call()).status == 503
        assert (await running.call(multipart(running.sdp(), None))).status == 200


async def test_the_end_of_the_server_says_bye(recording):
    client = None
    async with recording(server={"farewell_s": 5.0}) as recorder:
        client = RecordingClient("127.0.0.1", recorder.port)
        await client.__aenter__()
        await client.call()
        await client.ask("OPTIONS")  # answered: the ACK before it has come, too
    assert (await client.asked("BYE")).startswith("BYE sip:src@")
    await client.__aexit__()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_message_beyond_the_limit_is_told_so(recording, transport):
    async with (
        recording(max_message_kb=4) as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport=transport) as client,
    ):
        client.invite(multipart(client.sdp(), metadata() + "<!--" + "x" * 4000 + "-->"))
        assert (await client.final()).status == 513
        assert recorder.server.living == 0


async def test_a_call_with_too_many_lines_is_refused(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[]) as client,
    ):
        lines = "m=audio 4000 RTP/AVP 8\r\n" * 65
        assert (await client.call(f"v=0\r\n{lines}".encode(), "application/sdp")).status == 488


async def test_a_session_that_is_refreshed_lives_and_one_that_is_not_ends(recording, monkeypatch):
    monkeypatch.setattr("ivr.siprec.session_timer.MIN_SE_S", 1)
    timer = "Supported: timer\r\nSession-Expires: 2;refresher=uac\r\n"
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        answer = await client.call(extra=timer)
        assert answer.header("Session-Expires") == "2;refresher=uac"
        assert answer.header("Require") == "timer"
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() < begun + 1.6:  # longer than the 1.3 s after which it would end
            await asyncio.sleep(0.4)
            assert (await client.ask("UPDATE", extra=timer)).status == 200
        assert recorder.server.living == 1
        await client.asked("BYE")
        (end,) = recorder.ends
        assert end.blame is Blame.UPSTREAM
        assert "timer" in end.reason


async def test_we_refresh_when_the_other_side_wants_us_to(recording, monkeypatch):
    monkeypatch.setattr("ivr.siprec.session_timer.MIN_SE_S", 1)
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        extra = "Supported: timer\r\nSession-Expires: 1;refresher=uas\r\n"
        assert (await client.call(extra=extra)).header("Session-Expires") == "1;refresher=uas"
        for _ in range(2):
            update = await client.asked("UPDATE")
            assert "Session-Expires: 1;refresher=uac" in update
        assert recorder.server.living == 1


async def test_a_session_timer_that_is_too_short_is_refused_with_the_least(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        answer = await client.call(extra="Supported: timer\r\nSession-Expires: 30\r\n")
        assert (answer.status, answer.header("Min-SE")) == (422, "90")
        assert recorder.server.living == 0
        extra = "Session-Expires: 30\r\n"  # a proxy's wish: the peer itself knows no timers
        answer = await client.call(extra=extra)
        assert answer.header("Session-Expires") == "90;refresher=uas"


def fork(leg: str, call: str = "77") -> str:
    return f"X-Mirror-Call: {call}\r\nX-Mirror-Leg: {leg}\r\n"


async def test_the_two_invites_of_a_plain_fork_are_one_call(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg(None)]) as caller,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg(None)]) as callee,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg(None)]) as other,
    ):
        for client, extra in (
            (caller, fork("caller")),
            (callee, fork("callee")),
            (other, fork("caller", "78")),
        ):
            sdp, client.feature = client.sdp().encode(), ""
            assert (await client.call(sdp, "application/sdp", extra=extra)).status == 200
        await until(lambda: len(recorder.of(Negotiation)) == 3)
        assert len(recorder.lines) == 2
        first, second, _ = recorder.of(Negotiation)
        assert [first.leg_hint, second.leg_hint] == ["caller", "callee"]
        assert not recorder.lines[0].is_siprec
        assert first.streams[0].key != second.streams[0].key
        await caller.hang_up()
        (half,) = await until(lambda: recorder.of(SessionEnded))
        assert half.session == first.session
        assert recorder.lines[0].closed is None
        await callee.hang_up()
        await until(lambda: recorder.lines[0].closed)


async def test_a_second_leg_that_does_not_come_is_said(recording):
    async with (
        recording(pair_wait_s=0.1) as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg(None)]) as caller,
    ):
        sdp = caller.sdp().encode()
        await caller.call(sdp, "application/sdp", extra=fork("caller"))
        (fact,) = await until(lambda: recorder.of(PairIncomplete))
        assert fact.waited_s == 0.1
        assert recorder.server.living == 1


async def test_a_connection_that_sends_rubbish_is_closed_and_the_others_live(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport="tcp") as client,
    ):
        await client.call()
        reader, writer = await asyncio.open_connection("127.0.0.1", recorder.port)
        writer.write(b"INVITE sip:a@b SIP/2.0\r\nContent-Length: -4\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert (await client.hang_up()).status == 200
        assert recorder.server.figures["unreadable_streams"] == 1


async def test_the_way_back_is_the_one_that_the_request_came(recording):
    """RFC 3581: a peer behind a NAT finds its outside in the answer."""
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        raw = client.request("OPTIONS").replace(
            f"127.0.0.1:{client.sip_port};rport".encode(), b"10.0.0.9:5060;rport"
        )
        client.send(raw)
        via = (await client.final()).header("Via") or ""
        assert re.search(rf";rport={client.sip_port};.*;received=127\.0\.0\.1", via)
