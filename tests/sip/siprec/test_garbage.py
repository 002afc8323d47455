"""Whatever arrives, the server answers the next honest request."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.fakes.recording_client import RecordingClient, metadata, multipart, until

ASSETS = Path(__file__).parents[2] / "assets"
MESSAGES = sorted(ASSETS.glob("sip/*.sip"))
BODIES = sorted(ASSETS.glob("siprec/*.body"))
MUTATIONS = 1500


async def test_every_malformed_message_that_was_ever_kept(recording):
    async with (
        recording(invites_per_s=1000.0) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        for path in MESSAGES:
            client.send(path.read_bytes()[:65_000] or b"\0")
        assert (await client.ask("OPTIONS")).status
        assert recorder.server.figures["faults"] == 0


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
async def test_a_call_is_taken_with_any_body_that_describes_streams(recording, path):
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    kind = head.decode("utf-8", "surrogateescape").partition(": ")[2] or "x/y"
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        answer = await client.call(body, kind)
        assert answer.status == 200
        wanted = ["1", "2"]  # where nothing was described, our own offer has two streams, too
        assert answer.labels == wanted


async def test_a_body_shorter_than_declared_is_taken_and_flagged(recording):
    async with (
        recording() as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        raw = client.request("INVITE", multipart(client.sdp(), metadata()), extra=client.extra)
        client.send(raw[:-40])
        assert (await client.final()).status == 200
        flags = (await until(lambda: recorder.facts))[0].message.flags
        assert "body_truncated" in flags


async def test_mutated_messages_by_the_thousand(recording):
    chance = random.Random(7866)
    async with (
        recording(invites_per_s=10_000.0, max_sessions=10_000) as recorder,
        RecordingClient("127.0.0.1", recorder.port) as client,
        RecordingClient("127.0.0.1", recorder.port) as honest,
    ):
        seeds = [
            client.request("INVITE", multipart(client.sdp(), metadata()), extra=client.extra),
            client.request("BYE"),
            client.request("UPDATE", client.sdp().encode(), "application/sdp"),
            client.request("CANCEL"),
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\r\n",
        ]
        for number in range(MUTATIONS):
            raw = bytearray(chance.choice(seeds))
            for _ in range(chance.randint(1, 12)):
                place = chance.randrange(len(raw))
                match chance.randrange(3):
                    case 0:
                        raw[place] = chance.randrange(256)
                    case 1:
                        del raw[place : place + chance.randrange(40)]
                    case _:
                        raw[place:place] = chance.randbytes(chance.randrange(20))
                raw = raw or bytearray(b"\0")
            client.send(bytes(raw))
            if number % 100 == 0:
                assert (await honest.ask("OPTIONS")).status == 200
        assert (await honest.call()).status == 200
        assert (await honest.hang_up()).status == 200
        assert recorder.server.figures["faults"] == 0


async def test_a_flood_of_requests_for_nothing_costs_no_calls(recording):
    async with (
        recording(allow_from=("127.0.0.1/32",)) as recorder,
        RecordingClient("127.0.0.1", recorder.port, local="127.0.0.9") as scanner,
        RecordingClient("127.0.0.1", recorder.port) as client,
    ):
        for _ in range(500):
            scanner.invite()
            await asyncio.sleep(0)
        assert (await client.call()).status == 200
        assert len(recorder.lines) == 1
        assert not scanner.every
        assert recorder.server.figures["strangers"] > 0
