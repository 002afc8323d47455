"""The voice menu in a running `ivr serve`: whose calls it is, who gets in, what the keys do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.reports import Channel, DeliveryState, Report
from ivr.storage.ledger import Ledger
from tests.fakes.raw_caller import RawCaller, decode_alaw, encode_alaw, loudest_hertz, tone
from tests.fakes.serving_house import HERTZ, SUBSCRIBER, RunningServe

LAN, BINH, CHI = "+84900000011", "+84900000022", "+84900000033"
CODE = "482913"
STRANGER = "127.0.0.2"  # a trunk that is not believed
LINES = {
    hertz: dict(zip(line, (1209.0, 1336.0, 1477.0), strict=True))
    for hertz, line in ((697.0, "123"), (770.0, "456"), (852.0, "789"), (941.0, "*0#"))
}
TONES = {name: hertz for name, hertz in HERTZ.items() if name.startswith(("menu_", "n_"))}
"""What else is said is 500 Hz."""


def from_(number: str) -> str:
    return f"<sip:{number}@op.example>"


def asserted(number: str) -> str:
    return f"P-Asserted-Identity: <sip:{number}@op.example>\r\n"


def sounded(key: str) -> bytes:
    """100 ms of a key's two tones (ITU-T Q.23) and as much silence, A-law."""
    keys = {key: (row, column) for row, line in LINES.items() for key, column in line.items()}
    pressed = sum(tone(hertz, 0.1, 6000) for hertz in keys[key])
    return encode_alaw(pressed) + b"\xd5" * 800


async def enter_held_case(data: Path, owner: str, caller: str, n: int) -> None:
    """A sealed scam call of a subscriber, its SMS held; the higher ``n`` the later it came."""
    case_id = f"01KAS00000000000000000000{n}"
    folder = data / "cases" / case_id
    folder.mkdir(parents=True)
    summary = CaseSummary(
        case_id=case_id,
        mode=Mode.ANSWER,
        caller=caller,
        opened_at=datetime(2026, 11, 24, 2, 12, tzinfo=UTC) + timedelta(hours=n),
        duration_s=60.0,
        label="scam",
        score=0.9,
        is_complete=True,
        seal_sha256="5" * 64,
        path=str(folder),
        subscriber=owner,
    )
    report = Report(
        report_id=f"{n}" * 64,
        case_id=case_id,
        channel=Channel.SMS,
        recipient_id="demo-156",
        address="156",
        subject="",
        body=f"LD ({caller}) (gia danh cong an)",
        attachments=(),
        template_sha256="t" * 64,
    )
    async with await Ledger.open(data / "ledger.sqlite3") as ledger:
        await ledger.record_sealed_case(summary, [report], is_held=True)


@dataclass
class Listening:
    """A caller who keeps the line alive and notes which tones came, in order; 0 is silence."""

    caller: RawCaller
    tones: list[int] = field(default_factory=list)
    saying: list[bytes] = field(default_factory=list)

    async def run(self) -> None:
        rest = np.empty(0)
        while True:
            await self.caller.play(self.saying.pop(0) if self.saying else b"\xd5" * 800)
            packets = [data for kind, data, _ in self.caller.heard() if kind == 8]
            rest = np.concatenate([rest, decode_alaw(b"".join(packets))])
            while len(rest) >= 400:
                part, rest = rest[:400], rest[400:]
                self._note(loudest_hertz(part) if np.abs(part).max() > 3000 else 0)

    def _note(self, hertz: float) -> None:
        known = [0, 500, *TONES.values()]
        nearest = min(known, key=lambda one: abs(one - hertz))
        if abs(nearest - hertz) < 40 and (not self.tones or self.tones[-1] != nearest):
            self.tones.append(nearest)


@dataclass
class Menu:
    house: RunningServe

    @asynccontextmanager
    async def call(
        self, access: str, payloads: str = "8 101", **options: str
    ) -> AsyncIterator[Listening]:
        async with RawCaller("127.0.0.1", self.house.ports[0], user=access, **options) as caller:
            listening = Listening(caller)
            assert (await caller.call(caller.sdp(payloads=payloads))).status == 200
            running = asyncio.create_task(listening.run())
            try:
                yield listening
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                if not any(request.startswith("BYE") for request in caller.requests):
                    await caller.bye()

    async def states(self) -> dict[str, DeliveryState]:
        async with await Ledger.open(self.house.data / "ledger.sqlite3") as ledger:
            return {report.report_id[0]: report.state for report in await ledger.reports()}

    def logged(self, event: str) -> int:
        return sum(event in line for line in self.house.lines)

    def cases(self) -> list[Path]:
        return self.house.unsealed() + self.house.sealed()

    async def until_said(self, listening: Listening, prompt: str, since: int = 0) -> None:
        try:
            await self.house.until(lambda: TONES[prompt] in listening.tones[since:], 20)
        except AssertionError as problem:
            raise AssertionError(f"{prompt} was not said after {listening.tones}") from problem

    async def press(self, listening: Listening, key: str, prompt: str) -> None:
        """Press a key; returns when that prompt was begun."""
        since = len(listening.tones)
        await listening.caller.press(key)
        await self.until_said(listening, prompt, since)

    async def until_over(self, listening: Listening) -> None:
        requests = listening.caller.requests
        await self.house.until(lambda: any(r.startswith("BYE") for r in requests), 30)


@pytest.fixture
async def house(serve, tmp_path: Path) -> AsyncIterator[Menu]:
    code = tmp_path / "code"
    code.write_text(CODE + "\n", encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir()
    await enter_held_case(data, LAN, "+84977777777", 1)
    await enter_held_case(data, BINH, "+84988888888", 2)  # the later one is another's
    running = await serve(
        f"""
[[subscribers]]
access = "lan"
number = "{LAN}"

[[subscribers]]
access = "binh"
number = "{BINH}"
menu_pin_file = "{code}"

[[subscribers]]
access = "chi"
number = "{CHI}"

[[trunks]]
name = "stranger"
networks = ["{STRANGER}/32"]
trusts_headers = false

[recognition]
second_pass = "off"
""",
        data=data,
    )
    yield Menu(running)
    assert await running.stop() == 0


async def test_a_subscriber_decides_on_the_own_last_call_and_never_hears_anothers(house: Menu):
    async with house.call("lan", from_header=from_(LAN), extra=asserted(LAN)) as lan:
        await house.until_said(lan, "n_7")
        await house.press(lan, "3", "menu_confirm_withdraw")  # not waiting for the end
        await house.press(lan, "5", "menu_keys")  # it was not meant
        assert (await house.states())["1"] is DeliveryState.HELD
        await house.press(lan, "3", "menu_confirm_withdraw")
        await house.press(lan, "1", "menu_keys")
        assert await house.states() == {"1": DeliveryState.WITHDRAWN, "2": DeliveryState.HELD}
        await house.press(lan, "2", "menu_confirm_file")
        await house.press(lan, "1", "menu_keys")
        states = await house.states()
        assert states["1"] not in {DeliveryState.HELD, DeliveryState.WITHDRAWN}
        assert states["2"] is DeliveryState.HELD
        await house.press(lan, "9", "n_7")  # and all of it again in English
        await lan.caller.press("*")
        await house.until_over(lan)
    assert TONES["n_8"] not in lan.tones
    async with house.call("chi", from_header=from_(CHI), extra=asserted(CHI)) as chi:
        await house.until_said(chi, "menu_none")
    assert not {TONES["n_7"], TONES["n_8"]} & set(chi.tones)
    assert not house.cases(), "a menu call must make no case"
    assert not any(LAN[3:] in line for line in house.house.lines), "a number stands in the log"


async def test_only_the_network_or_a_code_opens_the_menu(house: Menu):
    diverted = asserted(LAN) + f"Diversion: <sip:{LAN}@op.example>;reason=no-answer\r\n"
    merged = {"from_header": from_(SUBSCRIBER), "extra": asserted(SUBSCRIBER)}
    for access, options in (
        ("lan", {"from_header": from_(LAN)}),  # only the caller says so
        ("lan", {"from_header": from_(LAN), "extra": asserted("+84987654321")}),
        ("lan", {"from_header": from_(LAN), "extra": diverted}),
        ("lan", {"from_header": from_(LAN), "extra": asserted(LAN), "local": STRANGER}),
        ("chi", {"from_header": from_(LAN), "extra": asserted(LAN)}),  # of another's number
        ("nghe", merged),  # a number that only listens: the call is merged into another
    ):
        before = len(house.cases())
        async with house.call(access, **options):
            await house.house.until(lambda n=before: len(house.cases()) > n)
    assert house.logged("menu.opened") == 0

    screened = len(house.cases())
    claimed = {"from_header": from_(BINH), "extra": asserted(BINH), "local": STRANGER}
    async with house.call("binh", **claimed) as guesser:
        await house.until_said(guesser, "menu_pin")
        for _ in range(3):
            for digit in "000000":
                await guesser.caller.press(digit)
            await house.press(guesser, "#", "menu_pin_wrong")
        await house.until_over(guesser)
    assert TONES["n_8"] not in guesser.tones
    async with house.call("binh", **claimed) as binh:
        await house.until_said(binh, "menu_pin")
        for digit in CODE + "#":
            await binh.caller.press(digit)
        await house.until_said(binh, "n_8")
    assert TONES["n_7"] not in binh.tones
    async with house.call("binh", payloads="8", **claimed) as old:  # sends keys as sound
        await house.until_said(old, "menu_pin")
        old.saying.append(b"".join(sounded(digit) for digit in CODE + "#"))
        await house.until_said(old, "n_8")
    assert len(house.cases()) == screened
