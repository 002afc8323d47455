"""Bridge mode in a running `ivr serve`: a caller, a telephone, and the agent between them."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.settings import PROJECT_ROOT
from tests.fakes.answering_desk import eventually
from tests.fakes.raw_caller import RawCaller, decode_alaw, encode_alaw, loudest_hertz, tone
from tests.fakes.raw_phone import RawPhone
from tests.fakes.serving_house import RunningServe, events_of, manifest_of, run_ivr

HERE = "127.0.0.1"
KNOWN = "+84911111111"
OFFERED_KEYS = 120  # the payload type of telephone-event in our offer


@dataclass
class Bridged:
    """One served house, a telephone behind each access number."""

    house: RunningServe
    phones: dict[str, RawPhone]

    def caller(self, access: str, **options: str) -> RawCaller:
        return RawCaller(HERE, self.house.ports[0], user=access, **options)

    async def case_of(self, caller: RawCaller) -> Path:
        """The sealed case of a call."""

        def find() -> Path | None:
            mine = (c for c in self.house.sealed() if caller.call_id in _text(c, "opened.json"))
            return next(mine, None)

        found: Path = await self.house.until(find)
        return found


def _text(case: Path, name: str) -> str:
    return (case / name).read_text(encoding="utf-8")


@pytest.fixture
async def bridged(serve) -> AsyncIterator[Bridged]:
    async with AsyncExitStack() as stack:
        phones = {
            name: await stack.enter_async_context(RawPhone(HERE, 0, user=name))
            for name in ("warned", "busy", "plain", "known")
        }
        tables = "".join(
            f'\n[[subscribers]]\naccess = "{name}"\nnumber = "+84900000002"\nmode = "bridge"\n'
            f'contact = "{phone.contact}"\nring_s = 10\nallow = ["{KNOWN}"]\n'
            f"connect_allowed_unheard = {str(name == 'known').lower()}\n"
            for name, phone in phones.items()
        )
        house = await serve(tables)
        yield Bridged(house, phones)
        assert await house.stop() == 0


def has_tone(sound: np.ndarray, hertz: float) -> bool:
    """Whether a tenth of a second of it is that tone, loud."""
    parts = [sound[n : n + 800] for n in range(0, len(sound) - 800, 400)]
    return any(
        np.abs(part).max() > 3000 and abs(loudest_hertz(part) - hertz) < 30 for part in parts
    )


def heard(peer: RawCaller) -> np.ndarray:
    return decode_alaw(b"".join(data for kind, data, _ in peer.heard() if kind == 8))


def recorded(case: Path, leg: str) -> np.ndarray:
    with wave.open(str(case / "derived" / f"{leg}.wav")) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(int)


def said(case: Path) -> list[str]:
    lines = [json.loads(line) for line in _text(case, "journal.jsonl").splitlines()]
    return [line["facts"]["prompt"] for line in lines if "prompt" in line["facts"]]


async def the_subscriber_alone_is_warned_and_ends_and_reports_it_with_a_key(
    bridged: Bridged,
) -> None:
    phone = bridged.phones["warned"]
    samples, _ = soundfile.read(PROJECT_ROOT / "ivr/demo/audio/scam-vi.flac", dtype="int16")
    async with bridged.caller("warned") as caller:
        await caller.call()
        await phone.rung()
        phone.respond(180, "Ringing")
        await phone.answer()
        await phone.play(encode_alaw(tone(440, 0.2)))
        speaking = asyncio.create_task(caller.play(encode_alaw(samples)))
        try:
            received = np.empty(0)

            def is_warned() -> bool:
                nonlocal received
                received = np.concatenate([received, heard(phone)])
                return has_tone(received[-16000:], 1700)

            await eventually(is_warned, within_s=60)
            await eventually(lambda: "bridge_warning_filing" in _said_so_far(bridged, caller), 60)
            await phone.press("1", OFFERED_KEYS)
            await phone.until_request("BYE", within_s=10)
            await eventually(lambda: any(r.startswith("BYE ") for r in caller.requests))
        finally:
            speaking.cancel()
        assert not has_tone(heard(caller), 1700)
        case = await bridged.case_of(caller)
    manifest = manifest_of(case)
    assert manifest["is_complete"]
    assert manifest["mode"] == "bridge"
    legs = [leg["leg"] for leg in manifest["legs"]]
    assert sorted(legs) == ["agent", "agent_to_callee", "callee", "caller"]
    assert has_tone(recorded(case, "agent_to_callee"), 1700)
    assert not has_tone(recorded(case, "agent"), 1700)
    basis = manifest["lawful_basis"]
    assert (basis["ground"], basis["notice"]["language"]) == ("announcement", "vi")
    assert basis["notice"]["is_whole"]
    events = events_of(case)
    assert events.index("announced") < events.index("joined")
    assert events.index("joined") < events.index("the subscriber reports the call")
    assert manifest["end"]["reason"] == "the subscriber ended and reported it"
    warnings = [p for p in said(case) if p.startswith(("alert", "bridge_warning", "bridge_rep"))]
    assert warnings == [
        *("alert", "bridge_warning", "alert", "bridge_warning_filing", "bridge_reported"),
    ]
    transcript = json.loads(_text(case / "derived", "transcript.json"))
    assert {line["leg"] for line in transcript} == {"caller"}
    outbox = bridged.house.data / "outbox"
    await bridged.house.until(lambda: any(case.name in str(path) for path in outbox.rglob("*")))
    code, out, _ = await run_ivr("verify", str(case), "--json")
    assert code == 0, out


@pytest.mark.timeout(300)
async def test_every_way_a_bridged_call_goes(bridged: Bridged) -> None:
    """In one house, because it takes longer to start than most of these calls take."""
    await the_subscriber_alone_is_warned_and_ends_and_reports_it_with_a_key(bridged)
    await nobody_picks_up_and_the_agent_answers_on_the_same_case(bridged)
    await the_caller_hangs_up_and_the_subscriber_is_told(bridged)
    await the_subscriber_hangs_up_and_the_caller_is_released(bridged)
    await a_known_number_is_joined_unheard_when_the_network_vouches_for_it(bridged)


async def nobody_picks_up_and_the_agent_answers_on_the_same_case(bridged: Bridged) -> None:
    phone = bridged.phones["busy"]
    async with bridged.caller("busy") as caller:
        await caller.call()
        await phone.rung()
        phone.respond(486, "Busy Here")
        await caller.play(encode_alaw(tone(440, 2.0)))
        await caller.bye()
        case = await bridged.case_of(caller)
    assert manifest_of(case)["is_complete"]
    assert [leg["leg"] for leg in manifest_of(case)["legs"]] == ["caller", "agent"]
    assert said(case).count("announcement") == 1
    order = [p for p in said(case) if p in ("announcement", "bridge_no_answer", "question")]
    assert order == ["announcement", "bridge_no_answer", "question"]


async def the_caller_hangs_up_and_the_subscriber_is_told(bridged: Bridged) -> None:
    plain = bridged.phones["plain"]
    async with bridged.caller("plain") as caller:
        await caller.call()
        await plain.rung()
        await plain.answer()
        await eventually(lambda: "joined" in str(_journals(bridged, caller)))
        await asyncio.gather(
            caller.play(encode_alaw(tone(700, 0.6))), plain.play(encode_alaw(tone(900, 0.6)))
        )
        assert has_tone(heard(plain), 700)
        assert has_tone(heard(caller), 900)
        await plain.press("9", OFFERED_KEYS)
        await plain.press("2", OFFERED_KEYS)
        await eventually(lambda: "no scam" in str(_journals(bridged, caller)))
        await caller.bye()
        await plain.until_request("BYE", within_s=10)
        assert has_tone(heard(plain), 1100)
        case = await bridged.case_of(caller)
    assert manifest_of(case)["end"]["blame"] == "caller"
    assert {"bridge_no_warning", "bridge_withdrawn", "bridge_caller_gone"} <= set(said(case))


async def the_subscriber_hangs_up_and_the_caller_is_released(bridged: Bridged) -> None:
    plain = bridged.phones["plain"]
    plain.forget()
    async with bridged.caller("plain") as caller:
        await caller.call()
        await plain.rung()
        await plain.answer()
        await eventually(lambda: "joined" in str(_journals(bridged, caller)))
        await plain.bye()
        await eventually(lambda: any(r.startswith("BYE ") for r in caller.requests))
        case = await bridged.case_of(caller)
    assert manifest_of(case)["end"]["reason"] == "the subscriber hung up"


def _said_so_far(bridged: Bridged, caller: RawCaller) -> list[str]:
    cases = [path.parent for path in bridged.house.data.glob("cases/*/opened.json")]
    mine = [case for case in cases if caller.call_id in _text(case, "opened.json")]
    return [prompt for case in mine for prompt in said(case)]


def _journals(bridged: Bridged, caller: RawCaller) -> list[str]:
    cases = bridged.house.data.glob("cases/*/opened.json")
    mine = [path.parent for path in cases if caller.call_id in _text(path.parent, "opened.json")]
    return [event for case in mine for event in events_of(case)]


async def a_known_number_is_joined_unheard_when_the_network_vouches_for_it(
    bridged: Bridged,
) -> None:
    phone = bridged.phones["known"]
    cases = set(bridged.house.data.glob("cases/*"))
    vouched = f"P-Asserted-Identity: <sip:{KNOWN}@op.example>\r\n"
    async with bridged.caller("known", extra=vouched) as caller:
        calling = asyncio.create_task(caller.call())
        await phone.rung()
        phone.respond(180, "Ringing")
        await phone.answer()
        assert (await calling).status == 200
        await asyncio.gather(
            caller.play(encode_alaw(tone(700, 0.8))), phone.play(encode_alaw(tone(900, 0.8)))
        )
        assert has_tone(heard(phone), 700)
        assert has_tone(heard(caller), 900)
        assert not has_tone(heard(caller), 500)  # no announcement was made
        await phone.bye()
        await eventually(lambda: any(r.startswith("BYE ") for r in caller.requests))
    assert set(bridged.house.data.glob("cases/*")) == cases
    assert any("connected_unheard" in line for line in bridged.house.lines)
    phone.forget()
    async with bridged.caller("known", from_header=f"<sip:{KNOWN}@op.example>") as forger:
        await forger.call()  # anybody can write a From
        await phone.rung()
        phone.respond(603, "Decline")
        await forger.bye()
        case = await bridged.case_of(forger)
    assert "announced" in events_of(case)
