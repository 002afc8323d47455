"""A house that is killed in the middle of a mirrored call loses at most its last second."""

import asyncio

from tests.fakes.mirror_house import MirrorHouse, proven
from tests.fakes.recording_client import CALLER, RecordingClient
from tests.fakes.serving_house import manifest_of
from tests.flow.mirror.test_mirrored_calls import tones

NO_ROOM = "[media]\nmin_free_mb = 99999999\n"


async def test_what_was_on_disk_is_sealed_at_the_next_start_which_refuses_calls_without_room(
    tmp_path,
):
    first = await asyncio.to_thread(MirrorHouse.start, tmp_path)
    try:
        async with RecordingClient("127.0.0.1", first.port) as client:
            answer = await client.call()
            assert answer.status == 200, first.lines
            await client.say(2.5, (440, 1000))
    finally:
        await asyncio.to_thread(first.kill)
    again = await asyncio.to_thread(MirrorHouse.start, tmp_path, NO_ROOM, until_well=False)
    try:
        case = await again.sealed(client.call_id)
        manifest = manifest_of(case)
        assert not manifest["is_complete"]
        assert tones(case) == {"caller": 440, "callee": 1000}
        seconds = [leg["samples"] / leg["rate_hz"] for leg in manifest["legs"]]
        assert min(seconds) > 1.4, "more than the last second is gone"
        assert manifest["call"]["caller"]["number"] == CALLER
        assert await proven(case)
        async with RecordingClient("127.0.0.1", again.port) as late:
            refused = await late.call()
            assert (refused.status, refused.header("Retry-After")) == (503, "30")
        assert again.case_of(late.call_id) is None
    finally:
        await asyncio.to_thread(again.kill)
