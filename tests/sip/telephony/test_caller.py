"""The test caller as a program: a real call between two processes, told as JSON lines."""

import asyncio
import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr.facts.call import Blame
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, rms
from tests.fakes.raw_caller import loudest_hertz


async def run(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ivr.telephony.caller",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def uri(pool: WorkerPool, extra: str = "") -> str:
    host, port = pool.addresses[0]
    return f"sip:02499990000@{host}:{port}{extra}"


async def test_a_call_with_sound_keys_and_headers_is_told_step_by_step(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path], tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    calling = asyncio.create_task(
        run(
            uri(pool),
            *("--from", "0692123456", "--display", 'Công an "tỉnh"'),
            *("--header", "P-Asserted-Identity: <sip:+84912345678@ims.example>"),
            *("--header", "Diversion: <sip:+84987654321@op.example>;reason=no-answer"),
            *("--wav", make_wav(440, 0.6), "--record", heard),
            *("--dtmf", "5@0.2", "--dtmf", "#@0.5", "--linger", "0.6"),
        )
    )
    line, facts = await answer()
    await line.play(make_wav(900, 0.6))
    status, events = await calling
    assert status == 0
    names = [event["event"] for event in events]
    assert [name for name in names if name != "dtmf"] == [
        "calling",
        "answered",
        "audio_started",
        "audio_finished",
        "disconnected",
    ]
    at = {event["event"]: event["monotonic_ns"] for event in events}
    assert 0.6 <= (at["audio_finished"] - at["audio_started"]) / 1e9 < 0.9
    assert 0.6 <= (at["disconnected"] - at["audio_finished"]) / 1e9 < 1.2
    assert (events[-1]["status"], events[-1]["by"]) == (200, "caller")
    assert events[1]["sip_call_id"] == line.offer.sip_call_id
    assert line.offer.access == "02499990000"
    shown = {item.header: item for item in line.offer.identities}
    assert shown["From"].uri_user == "0692123456"
    assert 'Công an \\"tỉnh\\"' in shown["From"].raw
    assert shown["P-Asserted-Identity"].e164 == "+84912345678"
    assert shown["Diversion"].e164 == "+84987654321"
    end = await facts.end()
    assert end.blame is Blame.CALLER
    assert [key.digit for key in facts.keys] == ["5", "#"]
    with wave.open(str(heard)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    parts = [samples[n : n + 160] for n in range(0, len(samples) - 160, 160)]
    loud = np.concatenate([part for part in parts if rms(part) > 1000])
    assert abs(loudest_hertz(loud) - 900) < 10


async def test_over_tcp_the_caller_waits_for_our_bye(pool: WorkerPool, answer: Callable) -> None:
    calling = asyncio.create_task(run(uri(pool, ";transport=tcp")))
    line, _ = await answer()
    assert line.offer.transport == "tcp"
    await line.hang_up("enough")
    status, events = await calling
    assert status == 0
    assert events[-1]["by"] == "other side"


async def test_a_refused_call_says_no(pool: WorkerPool, desk: Desk) -> None:
    calling = asyncio.create_task(run(uri(pool)))
    line = await desk.next_line()
    await line.ring()
    await line.refuse(603, "Decline")
    status, events = await calling
    assert status == 1
    assert [event["event"] for event in events] == ["calling", "ringing", "disconnected"]
    assert (events[-1]["status"], events[-1]["answered"]) == (603, False)


async def test_a_call_nobody_answers_is_given_up(pool: WorkerPool, desk: Desk) -> None:
    status, events = await run(uri(pool), "--ring", "0.3")
    assert status == 1
    assert events[-1]["by"] == "no answer"
    line = await desk.next_line()
    async for fact in line.events():
        assert fact.blame is Blame.CALLER


async def test_the_longest_time_is_kept(
    pool: WorkerPool, answer: Callable, make_wav: Callable[..., Path]
) -> None:
    calling = asyncio.create_task(run(uri(pool), "--wav", make_wav(440, 20), "--max", "0.5"))
    await answer()
    status, events = await calling
    assert status == 1
    assert events[-1]["by"] == "time limit"


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        ((), 2, "uri"),
        (("sip:a@127.0.0.1:9", "--dtmf", "5"), 2, "KEY@SECONDS"),
        (("sip:a@127.0.0.1:9", "--header", "no colon"), 2, "Name: value"),
        (("sip:a@127.0.0.1:9", "--linger", "nan"), 2, "seconds"),
        (("sip:a@127.0.0.1:9", "--wav", "missing.wav"), 3, "No such file"),
        (("no uri at all",), 3, ""),
    ],
)
async def test_what_cannot_be_done_is_said(
    arguments: tuple[str, ...], status: int, why: str
) -> None:
    code, events = await run(*arguments)
    assert code == status
    assert events[-1]["event"] == "error"
    assert why in events[-1]["why"]
