"""An answered call in which what the agent asks depends on what it hears."""

import asyncio
import json
from pathlib import Path

import numpy as np
import soundfile

from ivr.settings import PROJECT_ROOT
from tests.fakes.raw_caller import RawCaller, encode_alaw

SHIPPED = PROJECT_ROOT / "config/dialogue/screening.yaml"
NO_SECOND_PASS = '[recognition]\nsecond_pass = "off"\n'


def sentence(begins_s: float, ends_s: float) -> np.ndarray:
    """A stretch of the demonstration's impersonation call, times of its JSON file."""
    samples, rate_hz = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")
    return samples[int(begins_s * rate_hz) : int(ends_s * rate_hz)].astype(int)


def asked(case: Path) -> list[str]:
    lines = (case / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    facts = [json.loads(line)["facts"] for line in lines if line.endswith("}")]
    return [fact["prompt"] for fact in facts if fact and "prompt" in fact]


async def test_the_agent_asks_for_the_office_and_when_money_is_demanded_for_the_account(serve):
    house = await serve(NO_SECOND_PASS, dialogue=SHIPPED)

    async with RawCaller("127.0.0.1", house.ports[0], user="an") as caller:
        await caller.call()
        (case,) = await house.until(house.unsealed)

        async def say_and_be_asked(words: np.ndarray, prompt: str) -> None:
            await caller.play(encode_alaw(words))
            waiting = asyncio.create_task(house.until(lambda: prompt in asked(case), 25))
            while not waiting.done():
                await caller.play(b"\xd5" * 1600)
            await waiting

        await house.until(lambda: "question" in asked(case))
        await say_and_be_asked(sentence(2.6, 6.4), "ask_office")  # "tôi là cán bộ sở …"
        await say_and_be_asked(sentence(29.3, 32.6), "ask_amount")  # "… phải chuyển tiền …"
        await caller.bye()
    await house.until(house.sealed)
    order = asked(case)
    assert order[:2] == ["announcement", "question"]
    assert order.index("ask_office") < order.index("ask_amount")
    journal = (case / "journal.jsonl").read_text(encoding="utf-8")
    assert '"event":"dialogue"' in journal.replace(" ", ""), "the case must name its dialogue"
    assert await house.stop() == 0
