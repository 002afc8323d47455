"""What real border controllers do, over real sockets, and what they get for it."""

import asyncio

import pytest

from ivr.facts.call import Blame
from ivr.siprec.facts import MetadataReceived, Negotiation, StreamsAgreed, Unacknowledged
from tests.fakes.recording_client import (
    CALLER,
    Leg,
    RecordingClient,
    metadata,
    multipart,
    until,
)

BOTH = pytest.mark.parametrize("transport", ["udp", "tcp"])


@BOTH
async def test_two_streams_are_taken_receive_only_with_their_labels(recording, transport):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport=transport) as client,
    ):
        answer = await client.call()
        assert answer.status == 200
        assert answer.directions == ["recvonly", "recvonly"]
        assert answer.labels == ["1", "2"]
        assert all(answer.ports)
        assert "+sip.srs" in (answer.header("Contact") or "")
        assert "siprec" in (answer.header("Supported") or "")
        (offer,) = await until(lambda: recorder.of(Negotiation))
        assert offer.message.flags == ()
        assert offer.message.metadata.senders("1")[0].aors == (f"sip:{CALLER}@op.example",)
        assert offer.message.raw == client.last_invite
        assert (await client.hang_up()).status == 200
        (end,) = await until(lambda: recorder.ends)
        assert end.blame is Blame.UNKNOWN
        assert recorder.server.living == 0


async def test_each_stream_reaches_the_port_that_was_named_for_it(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        await client.say(0.2)
        keys = [stream.key for stream in recorder.of(Negotiation)[0].streams]
        heard = [recorder.ears[key].heard() for key in keys]
        assert [len(packets) for packets in heard] == [10, 10]
        ssrcs = [{packet[8:12] for packet in packets} for packets in heard]
        senders = [{leg.sock.getsockname()[1].to_bytes(4, "big")} for leg in client.legs]
        assert ssrcs == senders


@BOTH
async def test_an_invite_of_60_kb_is_taken(recording, transport):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport=transport) as client,
    ):
        numbers = [f"+8498{n:07d}" for n in range(60)]
        xml = metadata(labels=("1", "2"), numbers=numbers)
        padding = "<!-- " + "x" * (59_500 - len(xml)) + " -->"
        body = multipart(client.sdp(), xml.replace("</recording>", padding + "</recording>"))
        answer = await client.call(body)
        assert answer.status == 200
        assert len(client.last_invite) > 59_000
        (offer,) = recorder.of(Negotiation)
        assert offer.message.raw == client.last_invite
        assert len(offer.message.metadata.participants) == 60


async def test_messages_on_tcp_may_be_torn_or_joined_anywhere(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport="tcp") as client,
    ):
        client.send(b"\r\n\r\n")
        options = client.request("OPTIONS")
        invite = client.request(
            "INVITE", multipart(client.sdp(), metadata()), extra="Require: siprec\r\n"
        )
        whole = options + b"\r\n\r\n" + invite
        for start in range(0, len(whole), 97):
            client.send(whole[start : start + 97])
            await asyncio.sleep(0)
        assert [(await client.final()).status for _ in range(2)] == [200, 200]
        assert recorder.server.living == 1


async def test_a_repeated_invite_gets_the_same_answer_and_makes_no_second_call(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        first = await client.call(ack=False)
        client.send(client.last_invite)
        client.send(client.last_invite)
        again = [await client.final() for _ in range(2)]
        assert [answer.text for answer in again] == [first.text, first.text]
        client.ack()
        assert len(recorder.lines) == 1
        assert recorder.server.figures["repeated"] == 2


@BOTH
async def test_the_answer_is_said_again_until_its_ack_comes(recording, transport):
    async with (
        recording(t1_s=0.05) as recorder,
        RecordingClient("127.0.0.1", recorder.port, transport=transport) as client,
    ):
        first = await client.call(ack=False)
        again = await client.final()
        assert again.text == first.text
        client.ack()
        assert (await client.ask("OPTIONS")).status == 200
        await asyncio.sleep(0.5)  # ten times the first wait: silence is what is to be seen
        assert client.answers.empty()


async def test_an_answer_that_is_never_acknowledged_is_told_to_the_recorder(recording):
    async with (
        recording(t1_s=0.02) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call(ack=False)
        await until(lambda: recorder.of(Unacknowledged))
        assert recorder.server.living == 1, "its sound may flow all the same"
        recorder.lines[0].hang_up("no ACK and no sound", Blame.UPSTREAM)
        await client.asked("BYE")
        assert recorder.server.living == 0


async def test_a_refusal_is_said_again_until_its_ack_comes(recording):
    async with (
        recording(t1_s=0.05) as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg("1", payloads="18")]) as client,
    ):
        client.invite()
        first, again = await client.final(), await client.final()
        assert first.text == again.text
        assert first.status == 488
        assert "G729" in (first.header("Warning") or "")


async def test_hold_and_resume_by_direction(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        first = await client.call()
        client.legs[0].direction = "inactive"
        held = await client.call(multipart(client.sdp(), None))
        assert held.directions == ["inactive", "recvonly"]
        assert held.ports == first.ports
        assert [s.is_on_hold for s in recorder.of(Negotiation)[-1].streams] == [True, False]
        client.legs[0].direction = "sendonly"
        resumed = await client.call(multipart(client.sdp(), None))
        assert resumed.directions == ["recvonly", "recvonly"]
        assert resumed.ports == first.ports
        versions = [answer.sdp.split("\r\n")[1].split()[2] for answer in (first, held, resumed)]
        assert len(set(versions)) == 3


async def test_a_stream_is_added_removed_and_comes_back(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        first = await client.call()
        client.legs.append(Leg("3"))
        added = await client.call(multipart(client.sdp(), None))
        assert added.labels == ["1", "2", "3"]
        assert all(added.ports)
        client.legs[1].is_closed = True
        removed = await client.call(multipart(client.sdp(), None))
        assert [bool(port) for port in removed.ports] == [True, False, True]
        client.legs[1].is_closed = False
        back = await client.call(multipart(client.sdp(), None))
        assert back.ports[:2] == first.ports


async def test_streams_that_change_places_keep_their_ports(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        first = await client.call()
        client.legs[0].label, client.legs[1].label = "2", "1"
        swapped = await client.call(multipart(client.sdp(), None))
        assert swapped.labels == ["2", "1"]
        assert swapped.ports == first.ports[::-1]


async def test_an_update_moves_a_stream_without_any_ack(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        client.replace(1, Leg("2", payloads="0"))
        answer = await client.ask("UPDATE", client.sdp().encode(), "application/sdp")
        assert answer.status == 200
        assert "m=audio" in answer.lines[1]
        moved = recorder.of(Negotiation)[-1].streams[1].media
        assert moved.remote[1] == client.legs[1].sock.getsockname()[1]
        assert moved.payload_types == {0: ("PCMU", 8000)}


@pytest.mark.parametrize("method", ["UPDATE", "INFO"])
async def test_metadata_alone_is_taken_by(recording, method):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        update = metadata((), ("+84911111111",), mode="partial").replace('"p1"', '"p3"')
        answer = await client.ask(method, update.encode(), "application/rs-metadata+xml")
        assert answer.status == 200
        (fact,) = await until(lambda: recorder.of(MetadataReceived))
        assert set(fact.message.metadata.participants) == {"p1", "p2", "p3"}


async def test_an_invite_without_offer_gets_ours_by_the_metadata(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg("a"), Leg("b")]) as client,
    ):
        xml = metadata(labels=("a", "b"))
        offer = await client.call(xml.encode(), "application/rs-metadata+xml", ack=False)
        assert offer.status == 200
        assert offer.labels == ["a", "b"]
        assert offer.directions == ["recvonly", "recvonly"]
        assert recorder.of(Negotiation)[0].streams[0].media is None
        client.ack(client.sdp().encode())
        (agreed,) = await until(lambda: recorder.of(StreamsAgreed))
        named = [stream.media.remote[1] for stream in agreed.streams]
        assert named == [leg.sock.getsockname()[1] for leg in client.legs]


async def test_an_offer_of_ours_that_nobody_answers_ends_the_call(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call(b"", ack=True)
        await client.asked("BYE")
        (end,) = await until(lambda: recorder.ends)
        assert end.blame is Blame.UPSTREAM


async def test_require_of_anything_else_is_refused_by_name(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        answer = await client.call(extra="Require: siprec, 100rel, x-vendor\r\n")
        assert answer.status == 420
        assert answer.header("Unsupported") == "100rel, x-vendor"
        assert (await client.call(extra="Require: siprec, timer\r\n")).status == 200


async def test_video_and_unknown_codecs_are_refused_line_by_line(recording):
    legs = [
        Leg("v", kind="video", payloads="96"),
        Leg("1"),
        Leg("x", payloads="96"),
        Leg("s", protocol="RTP/SAVP"),
        Leg("2", payloads="9 101"),
    ]
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=legs) as client,
    ):
        answer = await client.call()
        assert [bool(port) for port in answer.ports] == [False, True, False, False, True]
        assert answer.labels == ["v", "1", "x", "s", "2"]
        assert "a=rtpmap:101 telephone-event/8000" in answer.lines[4]
        why = [stream.why_closed for stream in recorder.of(Negotiation)[0].streams]
        assert ["video" in why[0], "opus" in why[2], "SAVP" in why[3]] == [True, True, True]


@pytest.mark.parametrize("label", ["1", "01", "audio-a", "{8b1e-4f}", "96@sbc.example", None, "né"])
async def test_labels_of_any_shape_come_back_as_they_were(recording, label):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port, legs=[Leg(label), Leg("z")]) as client,
    ):
        answer = await client.call(multipart(client.sdp(), None))
        assert answer.status == 200
        assert answer.labels == [label or "", "z"]


async def test_without_metadata_the_call_is_taken_and_flagged(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        broken = "<?xml version='1.0'?><recording><session></recording>"
        assert (await client.call(multipart(client.sdp(), broken))).status == 200
        (offer,) = recorder.of(Negotiation)
        assert offer.message.flags == ("metadata_unreadable",)
        assert not offer.message.metadata.participants


async def test_cancel_ends_a_call_that_was_not_answered(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        recorder.answers = lambda line, offer: False
        client.invite()
        await until(lambda: recorder.of(Negotiation))
        client.send(client.request("CANCEL", branch=client.invite_branch, cseq=client.cseq))
        statuses = {(await client.final()).status for _ in range(2)}
        assert statuses == {200, 487}
        (end,) = await until(lambda: recorder.ends)
        assert end.sip_status == 487
        recorder.of(Negotiation)[0].answer({})  # too late: nothing happens
        assert recorder.server.living == 0


async def test_a_cancel_that_comes_too_late_changes_nothing(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        client.send(client.request("CANCEL", branch=client.invite_branch, cseq=client.cseq))
        assert (await client.final()).status == 200
        assert recorder.server.living == 1


async def test_a_second_offer_while_one_waits_is_put_off(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        recorder.answers = lambda line, offer: False
        client.invite(multipart(client.sdp(), None))
        await until(lambda: len(recorder.of(Negotiation)) == 2)
        answer = await client.ask("UPDATE", client.sdp().encode(), "application/sdp")
        assert answer.status == 500
        assert answer.header("Retry-After")


async def test_the_same_communication_session_twice_is_two_calls_that_know_of_each_other(
    recording,
):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as first,
        RecordingClient("127.0.0.1", recorder.port) as second,
    ):
        await first.call()
        await second.call()
        await until(lambda: len(recorder.lines) == 2)
        assert recorder.lines[0].same_session_as == ()
        assert recorder.lines[1].same_session_as == (first.call_id,)


async def test_the_same_invite_by_two_ways_is_one_call(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        client.invite()
        other = client.last_invite.replace(client.invite_branch.encode(), b"z9hG4bKother")
        client.send(other)
        assert {(await client.final()).status for _ in range(2)} == {200, 482}
        assert len(recorder.lines) == 1


async def test_requests_for_dialogs_nobody_knows_are_told_so(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        client.to_tag = ";tag=gone"
        for method in ("BYE", "UPDATE", "INFO", "INVITE"):
            assert (await client.ask(method)).status == 481
        client.to_tag = ""
        answer = await client.ask("MESSAGE")
        assert answer.status == 405
        assert "INVITE" in (answer.header("Allow") or "")
        assert recorder.server.living == 0


async def test_old_requests_that_come_late_are_refused(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        await client.call()
        await client.call(multipart(client.sdp(), None))
        client.send(client.request("UPDATE", cseq=1))
        assert (await client.final()).status == 500


@BOTH
async def test_border_controllers_may_speak_ipv6(recording, transport):
    async with (
        recording(bind="::1") as recorder,
        RecordingClient("::1", recorder.port, transport=transport, local="::1") as client,
    ):
        answer = await client.call()
        assert answer.status == 200
        assert "sip:srs@[::1]:" in (answer.header("Contact") or "")
        assert (await client.hang_up()).status == 200
