"""baresip as an independent peer: its own SIP, SDP and RTP, nothing of it from PJSIP or from us."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.facts.call import Blame
from ivr.media.recordings import read_samples
from tests.fakes.answering_desk import eventually, rms
from tests.fakes.baresip import telephone
from tests.fakes.raw_caller import SAMPLE_RATE_HZ, loudest_hertz, tone
from tests.sip.peers.conftest import Answering

TONE_AT_S, TONE_S, TONE_HZ, PROMPT_HZ = 1.0, 0.5, 440, 900
WITHIN_S = 0.03


def write(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples.astype("int16"), SAMPLE_RATE_HZ, "PCM_16")
    return path


def said(folder: Path) -> Path:
    """Silence, a tone from second 1 to 1.5, silence."""
    before, after = np.zeros(int(TONE_AT_S * SAMPLE_RATE_HZ)), np.zeros(20 * SAMPLE_RATE_HZ)
    return write(folder / "said.wav", np.concatenate([before, tone(TONE_HZ, TONE_S), after]))


def loud_span_s(samples: np.ndarray) -> tuple[float, float]:
    """First and last second of sound."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 2000)
    return loud[0] / SAMPLE_RATE_HZ, (loud[-1] + 1) / SAMPLE_RATE_HZ


@pytest.mark.parametrize("codec", ["pcma", "pcmu"])
async def test_a_tone_is_on_the_callers_leg_at_its_second_and_on_no_other(
    answering: Answering, tmp_path: Path, codec: str
) -> None:
    async with telephone(tmp_path / "phone", said(tmp_path), codec) as phone:
        await phone.do("dial", f"sip:02499990000@{answering.target}")
        call = await answering.answer()
        await eventually(lambda: phone.has("CALL_ESTABLISHED"))
        await call.line.play(write(tmp_path / "prompt.wav", tone(PROMPT_HZ, 0.5)))
        await eventually(lambda: call.door.stats()[0].accepted > 100)
        await phone.do("hangup")
        end = await call.facts.end()
    assert end.blame is Blame.CALLER
    legs = await call.recorded()
    caller, agent = read_samples(legs["caller"]), read_samples(legs["agent"])
    begins, ends = loud_span_s(caller)
    assert abs(begins - TONE_AT_S) < WITHIN_S
    assert abs(ends - TONE_AT_S - TONE_S) < WITHIN_S
    heard = caller[int(begins * SAMPLE_RATE_HZ) : int(ends * SAMPLE_RATE_HZ)]
    assert abs(loudest_hertz(heard) - TONE_HZ) < 5
    begins, ends = loud_span_s(agent)
    assert abs(ends - begins - 0.5) < WITHIN_S
    ours = agent[int(begins * SAMPLE_RATE_HZ) : int(ends * SAMPLE_RATE_HZ)]
    assert abs(loudest_hertz(ours) - PROMPT_HZ) < 5
    assert legs["caller"].stats.lost == legs["caller"].stats.foreign == 0
    assert legs["caller"].stats.payload_types == (f"{codec.upper()}/8000",)


async def test_keys_arrive_by_rfc_4733(answering: Answering, tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone", said(tmp_path)) as phone:
        await phone.do("dial", f"sip:02499990000@{answering.target}")
        call = await answering.answer()
        await eventually(lambda: phone.has("CALL_ESTABLISHED"))
        for key in "59#":
            await phone.do("sndcode", key)
            await phone.do("sndcode", "")
        await call.facts.until(lambda facts: len(facts.keys) >= 3)
        assert "".join(key.digit for key in call.facts.keys) == "59#"
    await call.line.hang_up("enough")
    await call.door.close()


async def test_hold_and_resume_keep_one_recording(answering: Answering, tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone", said(tmp_path)) as phone:
        await phone.do("dial", f"sip:02499990000@{answering.target}")
        call = await answering.answer()
        await eventually(lambda: call.door.stats()[0].accepted > 30)
        await phone.do("hold")
        await call.facts.until(lambda facts: facts.media[-1].direction != "sendrecv")
        await phone.do("resume")
        await call.facts.until(lambda facts: facts.media[-1].direction == "sendrecv")
        before = call.door.stats()[0].accepted
        await eventually(lambda: call.door.stats()[0].accepted > before + 30)
        await phone.do("hangup")
        assert (await call.facts.end()).blame is Blame.CALLER
    legs = await call.recorded()
    assert legs["caller"].stats.lost == 0
    assert legs["caller"].stats.foreign == 0


async def test_we_hang_up_and_the_telephone_hears_why(answering: Answering, tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone", said(tmp_path)) as phone:
        await phone.do("dial", f"sip:02499990000@{answering.target}")
        call = await answering.answer()
        await eventually(lambda: phone.has("CALL_ESTABLISHED"))
        await call.line.play(write(tmp_path / "prompt.wav", tone(PROMPT_HZ, 0.6)))
        await call.line.hang_up("enough")
        assert (await call.facts.end()).blame is Blame.US
        await eventually(lambda: phone.has("CALL_CLOSED"))
    samples, _ = soundfile.read(phone.heard, dtype="int16")
    loud = samples[np.abs(samples.astype(int)) > 500]
    assert rms(loud) > 1000
    await call.door.close()


async def test_a_refusal_is_understood(answering: Answering, tmp_path: Path) -> None:
    async with telephone(tmp_path / "phone", said(tmp_path)) as phone:
        await phone.do("dial", f"sip:02499990000@{answering.target}")
        line = await answering.desk.next_line()
        await line.refuse(503, "Service Unavailable", 30)
        await eventually(lambda: phone.has("CALL_CLOSED"))
        assert "503" in phone.told("CALL_CLOSED")
