"""Mirrored calls through the whole house: from a border controller's INVITE to a sealed case."""

import asyncio
import json
import wave
from pathlib import Path

import numpy as np
import soundfile

from ivr.journeys.signalling import read_signalling
from ivr.settings import PROJECT_ROOT
from tests.fakes.mirror_house import BASIS, derived, noted, proven
from tests.fakes.recording_client import (
    CALLER,
    SUBSCRIBER,
    Leg,
    RecordingClient,
    metadata,
    multipart,
)
from tests.fakes.rtp_sender import on_time, packets, play, strongest_hz
from tests.fakes.serving_house import manifest_of

SPEECH = PROJECT_ROOT / "tests/assets/speech"


def scam() -> np.ndarray:
    """From the first word of the demonstration's impersonation to its threat."""
    samples, rate = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")
    return samples[int(2.5 * rate) : 14 * rate]


def small_talk(seconds: float = 11.0) -> np.ndarray:
    clips = [soundfile.read(SPEECH / f"{name}.flac", dtype="int16")[0] for name in
             ("an-com", "thu-hoi-cong-no", "chuyen-tien-bac")]  # fmt: skip
    return np.concatenate(clips)[: int(seconds * 8000)]


async def say(client: RecordingClient, *voices: np.ndarray) -> None:
    """Each voice on the leg of its place, in real time."""
    await asyncio.gather(
        *(
            play(leg.sock, (client.host, port), on_time(packets(voice, ssrc=port)))
            for leg, port, voice in zip(client.legs, client.ports, voices, strict=True)
        )
    )


def leg_samples(case: Path, leg: str) -> np.ndarray:
    with wave.open(str(case / "derived" / f"{leg}.wav")) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def tones(case: Path) -> dict[str, int]:
    """Leg → strongest frequency, in whole Hz."""
    legs = [entry["leg"] for entry in manifest_of(case)["legs"]]
    return {leg: round(strongest_hz(leg_samples(case, leg))) for leg in legs}


async def test_a_mirrored_scam_is_heard_on_the_right_leg_sealed_verified_and_filed(house):
    async with RecordingClient("127.0.0.1", house.port) as client:
        # the subscriber's stream comes first: the metadata alone say who is who
        xml = metadata(labels=("1", "2"), numbers=(SUBSCRIBER, CALLER))
        assert (await client.call(multipart(client.sdp(), xml))).status == 200
        await say(client, small_talk(), scam())
        await client.hang_up()
        case = await house.sealed(client.call_id)
    manifest = manifest_of(case)
    assert manifest["mode"] == "mirror"
    assert manifest["is_complete"]
    assert manifest["call"]["lawful_basis"] == BASIS
    assert manifest["lawful_basis"]["ground"] == "mirror"
    assert manifest["lawful_basis"]["stated"] == BASIS
    assert manifest["call"]["caller"]["number"] == CALLER
    assert manifest["call"]["caller"]["source_header"] == "rs-metadata"
    assert manifest["call"]["subscriber"] == SUBSCRIBER
    assert [leg["leg"] for leg in manifest["legs"]] == ["caller", "callee"]
    assert manifest["verdict"]["label"] == "scam"
    hits = derived(case, "hits.json")
    assert {hit["leg"] for hit in hits if hit["concept"] == "thu_hoi_so_thue_bao"} == {"caller"}
    spoken = {"caller": "", "callee": ""}
    for utterance in derived(case, "transcript.json"):
        for word in utterance["words"]:
            spoken[utterance["leg"]] += f" {word['text']}"
    assert "sở thông tin" in spoken["caller"]
    assert "ăn cơm" in spoken["callee"]
    assert (case / "original/invite.sip").read_bytes() == client.last_invite
    assert await proven(case)
    outbox = house.data / "outbox"
    filed = await house.until(lambda: [p for p in outbox.rglob("*") if case.name in p.name])
    assert filed


async def test_streams_that_come_go_hold_and_change_places_stay_on_their_legs(house):
    unlike = [Leg("1", payloads="8"), Leg("2", payloads="0")]
    async with RecordingClient("127.0.0.1", house.port, legs=unlike) as client:
        await client.call()
        assert len(client.ports) == 2
        await client.say(0.6, (440, 1000))
        client.legs[0].direction = "inactive"
        await client.call(multipart(client.sdp(), None))
        await client.legs[1].say(1000, 0.4, (client.host, client.ports[1]))
        client.legs[0].direction = "sendonly"
        client.legs.append(Leg("3"))
        update = metadata(("1", "2", "3"), (CALLER, SUBSCRIBER, "+84911111111"))
        await client.call(multipart(client.sdp(), update))
        await client.say(0.6, (440, 1000, 2000))
        client.legs[0].label, client.legs[1].label = "2", "1"  # now the other way round
        await client.call(multipart(client.sdp(), None))
        await client.say(0.6, (1000, 440, 2000))
        client.legs[2].is_closed = True
        await client.call(multipart(client.sdp(), None))
        await client.hang_up()
        case = await house.sealed(client.call_id)
    assert tones(case) == {"caller": 440, "callee": 1000, "party_3": 2000}
    both = leg_samples(case, "call").reshape(-1, 2)
    assert round(strongest_hz(both[:4800, 0])) == 440
    assert round(strongest_hz(both[:4800, 1])) == 1000
    assert manifest_of(case)["is_complete"]
    assert [fact["leg"] for fact in noted(case, "stream closed")] == ["party_3"]
    flags = [fact["flags"] for fact in noted(case, "recording metadata")]
    assert flags == [[], [], [], [], []]
    wire = (case / "original/wire.pcapng").read_bytes()
    assert wire.count(b'"sip_message"') == 5 * 4 + 2  # INVITE, 100, 200, ACK; BYE, 200
    assert await proven(case)


async def test_without_metadata_both_channels_are_recorded_judged_and_nobody_is_accused(house):
    async with RecordingClient("127.0.0.1", house.port) as client:
        await client.call(multipart(client.sdp(), "<recording><oops></recording>"))
        await client.say(0.5, (440, 1000))
        await client.hang_up()
        case = await house.sealed(client.call_id)
    assert tones(case) == {"channel_1": 440, "channel_2": 1000}
    assert manifest_of(case)["call"]["caller"]["number"] is None
    (fact,) = noted(case, "recording metadata")
    assert fact["flags"] == ["metadata_unreadable"]


async def test_the_two_invites_of_a_plain_fork_become_one_case(house):
    sender = f"<sip:{CALLER}@op.example>"
    options = {"from_header": sender, "user": SUBSCRIBER}
    async with (
        RecordingClient("127.0.0.1", house.port, legs=[Leg(None)], **options) as caller,
        RecordingClient("127.0.0.1", house.port, legs=[Leg(None)], **options) as callee,
    ):
        for client, leg in ((callee, "callee"), (caller, "caller")):
            client.feature = ""
            extra = f"X-Mirror-Call: 4711\r\nX-Mirror-Leg: {leg}\r\n"
            sdp = client.sdp().encode()
            assert (await client.call(sdp, "application/sdp", extra=extra)).status == 200
        await asyncio.gather(caller.say(0.5, (440,)), callee.say(0.5, (1000,)))
        await caller.hang_up()
        await callee.hang_up()
        case = await house.sealed(callee.call_id)
    assert tones(case) == {"callee": 1000, "caller": 440}
    manifest = manifest_of(case)
    assert manifest["call"]["caller"]["number"] == CALLER
    assert manifest["call"]["subscriber"] == SUBSCRIBER
    assert manifest["is_complete"]
    assert house.case_of(caller.call_id) is None


async def test_a_fork_whose_other_leg_never_comes_says_so(house):
    async with RecordingClient("127.0.0.1", house.port, legs=[Leg(None)]) as client:
        client.feature = ""
        extra = "X-Mirror-Call: 4712\r\nX-Mirror-Leg: caller\r\n"
        await client.call(client.sdp().encode(), "application/sdp", extra=extra)
        case = await house.until(lambda: house.case_of(client.call_id))
        await asyncio.gather(
            client.say(0.5, (440,)), house.until(lambda: noted(case, "one leg only"))
        )
        await client.hang_up()
        await house.sealed(client.call_id)
    manifest = manifest_of(case)
    assert not manifest["is_complete"]
    assert any("other leg" in reason for reason in manifest["incomplete_reasons"])
    assert tones(case) == {"caller": 440}


async def test_one_empty_leg_is_not_passed_over(house):
    async with RecordingClient("127.0.0.1", house.port) as client:
        await client.call()
        case = await house.until(lambda: house.case_of(client.call_id))
        speaking = asyncio.create_task(
            client.legs[0].say(440, 10.0, (client.host, client.ports[0]))
        )
        (told,) = await house.until(lambda: noted(case, "leg silent"))
        assert told["leg"] == "callee"
        speaking.cancel()
        await client.hang_up()
        await house.sealed(client.call_id)
    manifest = manifest_of(case)
    assert not manifest["is_complete"]
    assert "No packet ever came on the leg callee." in manifest["incomplete_reasons"]


async def test_the_same_session_twice_is_two_cases_and_one_filing(house):
    xml = metadata(session="dHdpY2U=")
    async with (
        RecordingClient("127.0.0.1", house.port) as first,
        RecordingClient("127.0.0.1", house.port) as second,
    ):
        for client in (first, second):
            assert (await client.call(multipart(client.sdp(), xml))).status == 200
        await asyncio.gather(first.say(0.5), second.say(0.5))
        await first.hang_up()
        await second.hang_up()
        cases = [await house.sealed(client.call_id) for client in (first, second)]
    repeated = "the same session is recorded elsewhere"
    assert [len(noted(case, repeated)) for case in cases] == [0, 1]
    assert noted(cases[1], repeated)[0]["sip_call_ids"] == [first.call_id]


async def test_identities_that_break_every_rule_do_not_lose_the_call(house):
    """A malformed caller-ID must not end anything (callattendant#107)."""
    header = '"\udcff\udcfe\x01Công an" <sip:%00+84 0 908\udce9;;@@>'
    async with RecordingClient("127.0.0.1", house.port, from_header=header) as client:
        xml = metadata(numbers=("%00;drop table", "+840" * 20)).replace("Người", "&#x202E;")
        assert (await client.call(multipart(client.sdp(), xml))).status == 200
        await client.say(0.3)
        await client.hang_up()
        case = await house.sealed(client.call_id)
    assert json.loads((case / "opened.json").read_bytes())["call"]["identities"]
    assert await proven(case)


async def test_a_call_without_offer_and_an_update_of_60_kb_are_whole_in_the_case(house):
    async with RecordingClient("127.0.0.1", house.port, transport="tcp") as client:
        xml = metadata(numbers=(SUBSCRIBER, CALLER))
        kind = "application/rs-metadata+xml"
        offer = await client.call(xml.encode(), kind, ack=False)
        assert offer.labels == ["1", "2"]
        client.ack(client.sdp().encode())
        case = await house.until(lambda: house.case_of(client.call_id))
        await house.until(lambda: len(noted(case, "media agreed")) == 2)
        await client.say(0.5, (440, 1000))
        large = xml.replace("</recording>", f"<!--{'x' * 59_000}--></recording>")
        assert (await client.ask("UPDATE", large.encode(), kind)).status == 200
        await client.hang_up()
        await house.sealed(client.call_id)
    assert tones(case) == {"caller": 1000, "callee": 440}
    said = read_signalling(case / "original/wire.pcapng")
    assert [message.is_sent for message in said[:3]] == [False, True, True]
    (update,) = [message.raw for message in said if message.raw.startswith(b"UPDATE ")]
    assert large.encode() in update
    assert await proven(case)
