"""`ivr serve` as a person runs it: real calls, real kills, real disks."""

import asyncio
import json
import os
import signal
import wave
from pathlib import Path

import pytest

from ivr.telephony.caller_process import start_caller
from tests.fakes.raw_caller import RawCaller
from tests.fakes.serving_house import call, events_of, manifest_of, run_ivr


async def test_a_call_becomes_a_sealed_case_that_verifies(serve, speech):
    house = await serve()
    code, _ = await call(house.uri(), "--from", "0987654321", "--wav", str(speech(6.0)))
    assert code == 0
    (case,) = await house.until(house.sealed)
    code, out, _ = await run_ivr("verify", str(case), "--json")
    assert code == 0, out
    manifest = manifest_of(case)
    assert manifest["is_complete"]
    assert manifest["call"]["caller"]["number"] == "+84987654321"
    assert events_of(case)[0] == "opened"
    assert {"media agreed", "announced", "closed", "sealing"} <= set(events_of(case))
    assert await house.stop() == 0


async def test_the_agent_closes_politely_and_the_caller_hears_it(serve, speech, tmp_path):
    house = await serve()
    heard = tmp_path / "heard.wav"
    code, events = await call(house.uri(), "--wav", str(speech(5.0)), "--record", str(heard))
    assert code == 0
    assert events[-1]["by"] == "other side"
    (case,) = await house.until(house.sealed)
    journal = (case / "journal.jsonl").read_text(encoding="utf-8")
    prompts = [
        json.loads(line)["facts"]["prompt"] for line in journal.splitlines() if '"prompt"' in line
    ]
    assert prompts[0] == "announcement"
    assert prompts[-1] == "closing"
    with wave.open(str(heard)) as sound:
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert max(samples) > 3000, "the caller heard nothing"


async def test_listen_mode_announces_and_is_silent(serve, speech):
    house = await serve()
    await call(house.uri("nghe"), "--wav", str(speech(5.0)), "--linger", "4")
    (case,) = await house.until(house.sealed)
    assert manifest_of(case)["mode"] == "listen"
    assert [leg["leg"] for leg in manifest_of(case)["legs"]] == ["mixed", "agent"]
    assert "prompt" not in events_of(case)
    assert "announced" in events_of(case)


async def test_four_calls_at_once_are_four_cases_and_a_fifth_is_refused(serve, speech):
    house = await serve()
    wav = str(speech(12.0))
    callers = [
        asyncio.create_task(call(house.uri(), "--from", f"098765430{n}", "--wav", wav))
        for n in range(4)
    ]
    await house.until(lambda: len(house.unsealed()) == 4)
    code, events = await call(house.uri(), "--from", "0987654399", "--wav", wav)
    assert code == 1
    assert events[-1]["status"] == 503
    assert [code for code, _ in await asyncio.gather(*callers)] == [0, 0, 0, 0]
    cases = await house.until(lambda: house.sealed() if len(house.sealed()) == 4 else None)
    numbers = {manifest_of(case)["call"]["caller"]["number"] for case in cases}
    assert numbers == {f"+8498765430{n}" for n in range(4)}
    for case in cases:
        assert manifest_of(case)["is_complete"]
        remote = manifest_of(case)["legs"][0]
        assert remote["stats"]["lost"] == 0


async def test_an_unknown_access_number_is_not_found(serve):
    house = await serve()
    code, events = await call(house.uri("nobody"))
    assert (code, events[-1]["status"]) == (1, 404)
    assert not house.sealed() + house.unsealed()


async def test_a_caller_that_hangs_up_at_once_leaves_a_case_that_says_so(serve):
    house = await serve()
    await call(house.uri(), "--linger", "0", "--from", "0987654321")
    (case,) = await house.until(house.sealed)
    manifest = manifest_of(case)
    assert manifest["end"]["blame"] == "caller"
    assert manifest["verdict"]["label"] == "unsure"
    assert (await run_ivr("verify", str(case), "--json"))[0] == 0
    code, out, _ = await run_ivr("--data", str(house.data), "verify", str(house.data), "--deep")
    assert code == 0, out  # beside the running house
    assert [path.name for path in (house.data / "heads").iterdir()] == ["1.jws"]


async def test_a_caller_that_sends_no_sound_is_hung_up_on(serve):
    house = await serve()
    async with RawCaller("127.0.0.1", house.ports[0], user="an") as caller:
        assert (await caller.call()).status == 200
        (case,) = await house.until(house.sealed)
    manifest = manifest_of(case)
    assert manifest["end"]["blame"] == "us"
    assert "no audio" in manifest["end"]["reason"]
    assert manifest["verdict"]["label"] == "unsure"


async def test_what_a_killed_house_had_on_disk_is_sealed_and_heard_at_the_next_start(serve, speech):
    house = await serve()
    caller = await start_caller(house.uri(), "--from", "0987654321", "--wav", str(speech(30.0)))
    (case,) = await house.until(house.unsealed)
    wire = case / "original/wire.pcapng"
    await house.until(lambda: wire.exists() and wire.stat().st_size > 200_000)
    os.killpg(house.process.pid, signal.SIGKILL)
    await house.process.wait()
    size = wire.stat().st_size
    caller.terminate()
    await caller.wait()

    again = await serve(data=house.data)
    (sealed,) = await again.until(again.sealed)
    assert sealed == case
    manifest = manifest_of(sealed)
    assert not manifest["is_complete"]
    assert "killed" in manifest["incomplete_reasons"][0]
    seconds = manifest["legs"][0]["samples"] / 8000
    assert seconds > size / 2 / (172 + 60) / 50 - 2.0, "what was on the disk was not decoded"
    code, out, _ = await run_ivr("--settings", str(again.settings), "verify", str(case), "--json")
    assert code == 0, out
    transcript = json.loads((case / "derived/transcript.json").read_bytes())
    assert transcript, "what was recorded before the kill was not listened to again"
    code, out, _ = await run_ivr("--settings", str(again.settings), "recover", "--json")
    assert (code, out) == (0, ""), "recovering twice must change nothing"


async def test_a_disk_that_fills_during_a_call_keeps_what_it_took(serve, speech, small_disk):
    small = small_disk
    house = await serve("[media]\nmin_free_mb = 1\n", data=small / "data")
    caller = asyncio.create_task(call(house.uri(), "--wav", str(speech(20.0))))
    (case,) = await house.until(house.unsealed)
    wire = case / "original/wire.pcapng"
    await house.until(lambda: wire.exists() and wire.stat().st_size > 50_000)
    filler = small / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    await caller
    await house.until(lambda: any("remedy" in line for line in house.lines))
    filler.unlink()
    await house.stop()
    again = await serve("[media]\nmin_free_mb = 1\n", data=small / "data")
    (sealed,) = await again.until(lambda: again.sealed())
    manifest = manifest_of(sealed)
    assert not manifest["is_complete"]
    assert manifest["legs"][0]["samples"] > 8000
    assert (await run_ivr("verify", str(sealed), "--json"))[0] == 0
    await again.stop()


async def test_a_second_house_on_the_same_port_says_which_and_what_to_do(serve, tmp_path):
    house = await serve()
    port = house.ports[0]
    settings = tmp_path / "second.toml"
    text = house.settings.read_text(encoding="utf-8").replace("port = 0", f"port = {port}")
    settings.write_text(text.replace(str(house.data), str(tmp_path / "second")), encoding="utf-8")
    code, _, err = await run_ivr("--settings", str(settings), "serve")
    assert code == 3
    assert str(port) in err
    assert "remedy" in err


@pytest.mark.parametrize(
    ("breakage", "said"),
    [("missing", "model"), ("broken", "model")],
)
async def test_without_a_usable_model_nothing_starts_and_the_reason_is_said(
    tmp_path: Path, breakage: str, said: str
):
    model = tmp_path / "model"
    if breakage == "broken":
        (model / "am").mkdir(parents=True)
        (model / "am/final.mdl").write_bytes(b"")
    code, out, err = await run_ivr("demo", "--json", IVR_DEMO_RECOGNITION__MODEL=str(model))
    assert code == 3
    problem = json.loads(out)["error"]
    assert said in problem["what"].lower()
    assert problem["remedy"]
    assert "Traceback" not in err


async def test_stopping_lets_a_running_call_end_and_refuses_new_ones(serve, speech):
    house = await serve()
    caller = asyncio.create_task(call(house.uri(), "--wav", str(speech(8.0))))
    await house.until(house.unsealed)
    house.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)  # the signal has to reach the worker through two processes
    code, events = await call(house.uri())
    assert (code, events[-1]["status"]) == (1, 503)
    assert (await caller)[0] == 0
    assert await asyncio.wait_for(house.process.wait(), 60) == 0
    assert len(house.sealed()) == 1


async def test_a_call_that_cannot_be_recorded_is_ended_and_leaves_the_others_alone(serve, speech):
    house = await serve()
    good = asyncio.create_task(call(house.uri(), "--wav", str(speech(8.0))))
    (first,) = await house.until(house.unsealed)
    async with RawCaller("127.0.0.1", house.ports[0], user="an") as caller:
        body = caller.sdp().replace("c=IN IP4 127.0.0.1", "c=IN IP4 media.example.invalid")
        await caller.call(body)
        (second,) = await house.until(lambda: [c for c in house.sealed() if c != first])
    assert manifest_of(second)["end"]["reason"] == "a fault on our side"
    assert (await good)[0] == 0
    await house.until(lambda: first in house.sealed())
    assert manifest_of(first)["is_complete"]
    assert any("call.broken" in line and "numeric" in line for line in house.lines)
