"""Trunks in a running house: which one a call came over stands in its case, a trunk has no more
calls than it may, and a caller behind a NAT is heard."""

import json

from tests.fakes.raw_caller import RawCaller
from tests.fakes.serving_house import manifest_of, run_ivr

TRUNKS = """
[[trunks]]
name = "narrow"
networks = ["127.0.0.40/31"]
identity_precedence = ["Remote-Party-ID", "From"]
max_calls = 1

[[trunks]]
name = "abroad"
networks = ["127.0.0.50"]
carries = "international"
trusts_headers = false
"""
SHOWN = (
    "P-Asserted-Identity: <tel:+84902222222>\r\nRemote-Party-ID: <sip:0903333333@x>\r\n"
    "Diversion: <sip:+84900000001@x>;reason=no-answer\r\n"
)
INSIDE_NAT = "10.66.0.50"  # as long as the real one, so that Content-Length holds


class NattedCaller(RawCaller):
    """Writes its private address everywhere; only the packets show where it is."""

    def send(self, data: bytes) -> None:
        hidden = data.replace(
            f"{self.local}:{self.sip_port}".encode(), f"{INSIDE_NAT}:5060".encode()
        )
        super().send(hidden.replace(f"IP4 {self.local}".encode(), f"IP4 {INSIDE_NAT}".encode()))


async def test_the_case_names_the_trunk_and_a_full_trunk_is_told_when_to_come_back(serve):
    house = await serve(TRUNKS)
    at = ("127.0.0.1", house.ports[0])
    async with (
        NattedCaller(*at, "127.0.0.40", extra=SHOWN, user="an") as first,
        RawCaller(*at, "127.0.0.41", user="an") as second,
        RawCaller(*at, "127.0.0.50", extra=SHOWN, user="an") as third,
    ):
        assert (await first.call()).status == 200
        refused = await second.call()
        assert (refused.status, refused.header("Retry-After")) == (503, "30")
        assert (await third.call()).status == 200
        for caller in (first, third):
            await caller.play(b"\x55" * 160 * 25)
        assert first.heard()  # sound finds its way back through the NAT
        assert (await first.bye()).status == 200
        assert (await third.bye()).status == 200
    cases = await house.until(lambda: house.sealed() if len(house.sealed()) == 2 else None)
    calls = {manifest_of(case)["call"]["source_address"]: manifest_of(case) for case in cases}
    natted, abroad = calls["127.0.0.40"], calls["127.0.0.50"]
    assert [natted["call"]["trunk"], abroad["call"]["trunk"]] == ["narrow", "abroad"]
    assert natted["call"]["caller"]["number"] == "+84903333333"  # its precedence
    assert natted["legs"][0]["stats"]["accepted"] == 25
    assert natted["legs"][0]["stats"]["foreign"] == 0
    caller = abroad["call"]["caller"]
    assert caller["source_header"] == "From"  # its network headers are not believed
    assert {"headers_disagree", "vietnamese_over_international_trunk"} <= set(caller["flags"])
    await assert_shown(house, natted["case_id"])
    refusals = [json.loads(line) for line in house.lines if "call.refused" in line]
    assert [(line["why"], line["detail"]) for line in refusals] == [("trunk", "narrow")], (
        house.lines
    )


async def assert_shown(house, case_id: str) -> None:
    """What an investigator reads: every header as it came, how far it is believed, what is odd."""
    _, out, _ = await run_ivr("--settings", str(house.settings), "cases", "show", case_id)
    assert "over trunk narrow, from 127.0.0.40" in out
    assert "  Diversion (0.00): <sip:+84900000001@x>;reason=no-answer" in out
    assert "  Remote-Party-ID (0.70): <sip:0903333333@x>" in out
    assert "headers_disagree" in out
