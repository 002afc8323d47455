"""A call through a real rtpengine, mirrored by its subscription: nothing here is our own but us."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from tests.fakes.media_proxy import MediaProxy
from tests.fakes.mirror_house import derived, proven
from tests.fakes.recording_client import CALLER, SUBSCRIBER, Leg, RecordingClient
from tests.fakes.serving_house import manifest_of
from tests.flow.mirror.test_mirrored_calls import tones


@pytest.fixture
async def proxy() -> AsyncIterator[MediaProxy]:
    running = await MediaProxy.start()
    yield running
    await running.stop()


def sdp_of(leg: Leg) -> str:
    port = leg.sock.getsockname()[1]
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )


def port_in(sdp: str) -> int:
    return int(re.findall(r"^m=audio (\d+)", sdp, re.M)[0])


async def test_both_legs_of_a_call_through_rtpengine_are_recorded(house, proxy):
    party = {"a": Leg(None), "b": Leg(None)}
    call = {"call_id": "through-the-proxy"}
    headers = {"from_header": f"<sip:{CALLER}@op.example>", "user": SUBSCRIBER}
    offered = await proxy.ask("offer", **call, from_tag="a", sdp=sdp_of(party["a"]))
    answered = await proxy.ask("answer", **call, from_tag="a", to_tag="b", sdp=sdp_of(party["b"]))
    subscription = await proxy.ask("subscribe request", **call, flags=["all"])
    async with RecordingClient("127.0.0.1", house.port, legs=[], **headers) as mirror:
        mirror.feature, mirror.extra = "", ""
        offer = subscription["sdp"].encode()
        answer = await mirror.call(offer, "application/sdp")
        assert answer.status == 200
        assert answer.directions == ["recvonly", "recvonly"]
        await proxy.ask("subscribe answer", **call, to_tag=subscription["to-tag"], sdp=answer.sdp)
        await asyncio.gather(
            party["a"].say(440, 1.0, ("127.0.0.1", port_in(answered["sdp"]))),
            party["b"].say(1000, 1.0, ("127.0.0.1", port_in(offered["sdp"]))),
        )
        await mirror.hang_up()
        case = await house.sealed(mirror.call_id)
    for leg in party.values():
        leg.sock.close()
    assert tones(case) == {"channel_1": 440, "channel_2": 1000}
    manifest = manifest_of(case)
    assert manifest["is_complete"]
    assert all(leg["stats"]["lost"] == 0 for leg in manifest["legs"])
    assert manifest["call"]["caller"]["number"] == CALLER
    assert manifest["call"]["subscriber"] == SUBSCRIBER
    assert derived(case, "verdict.json")["label"] == "unsure"
    assert await proven(case)
