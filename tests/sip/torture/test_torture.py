"""RFC 4475: torture messages, in encodings of our own, to the agent and to the recording server.

One file a case in ``tests/assets/sip/torture/``, named by the section that describes it; ``@PORT@``
stands for the port of whoever sends it. The table says what each of our servers answers: the agent
is a pjsua2 worker whose desk is busy (486 means that the message became a call), the recording
server answers calls with 200. An empty answer is silence: pjsip drops what it cannot parse and
methods that nobody serves, and responses are never answered. Where RFC 4475 leaves a choice, the
remark says which it is.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

from ivr.telephony.line import SipLine
from tests.fakes.answering_desk import Desk, eventually
from tests.fakes.raw_caller import RawCaller
from tests.fakes.recording_client import RecordingClient
from tests.sip.torture.conftest import Torturer, answers_of, busy_desk

CASES = Path(__file__).parents[2] / "assets" / "sip" / "torture"


class Case(NamedTuple):
    """Final answers of agent and recording server, "" for none."""

    agent: str
    recorder: str
    what: str


TABLE = {
    # 3.1.1 valid
    "3.1.1.01-wsinv": Case("481", "481", "folded everywhere; its To tag names no dialog"),
    "3.1.1.02-intmeth": Case("", "405", "every character a method, URI and token may have"),
    "3.1.1.03-esc01": Case("486", "200", "escaped characters in URIs"),
    "3.1.1.04-escnull": Case("", "405", "escaped zeros in URIs"),
    "3.1.1.05-esc02": Case("", "405", "percent signs that escape nothing"),
    "3.1.1.06-lwsdisp": Case("200", "200", "no space between display name and <"),
    "3.1.1.07-longreq": Case("486", "200", "long values, fifteen Vias in every spelling"),
    "3.1.1.08-dblreq": Case("", "405", "a second message behind the first is no message"),
    "3.1.1.09-semiuri": Case("200", "200", "semicolon in the user part"),
    "3.1.1.10-transports": Case("200", "200", "Vias of unknown transports"),
    "3.1.1.11-mpart01": Case("200", "405", "a binary part in a MESSAGE"),
    "3.1.1.12-unreason": Case("", "", "a response with an unusual reason"),
    "3.1.1.13-noreason": Case("", "", "a response without a reason"),
    # 3.1.2 invalid
    "3.1.2.01-badinv01": Case("", "200", "stray separators; the recorder reads what it needs"),
    "3.1.2.02-clerr": Case("513", "200", "body shorter than said; the recorder flags it"),
    "3.1.2.03-ncl": Case("", "400", "negative Content-Length"),
    "3.1.2.04-scalar02": Case("", "400", "numbers too large in a request"),
    "3.1.2.05-scalarlg": Case("", "", "numbers too large in a response"),
    "3.1.2.06-quotbal": Case(
        "", "200", "a quote that never ends; the recorder records all the same"
    ),
    "3.1.2.07-ltgtruri": Case("", "416", "<> around the request URI"),
    "3.1.2.08-lwsruri": Case("", "400", "space in the request URI"),
    "3.1.2.09-lwsstart": Case("486", "400", "several spaces in the start line; may be taken"),
    "3.1.2.10-trws": Case("200", "505", "spaces behind the start line; may be taken"),
    "3.1.2.11-escruri": Case("486", "200", "headers in the request URI; they are not followed"),
    "3.1.2.12-baddate": Case("486", "200", "a Date not in GMT; nobody here needs it"),
    "3.1.2.13-regbadct": Case("", "405", "a Contact with ? that is not in <>"),
    "3.1.2.14-badaspec": Case("", "200", "spaces inside the <>"),
    "3.1.2.15-baddn": Case("200", "200", "characters no token has in a display name"),
    "3.1.2.16-badvers": Case("", "", "SIP/7.0 in start line and Via: nobody to answer to"),
    "3.1.2.17-mismatch01": Case("200", "400", "CSeq names another method; the ping is answered"),
    "3.1.2.18-mismatch02": Case("", "400", "unknown method, CSeq names INVITE"),
    "3.1.2.19-bigcode": Case("", "", "a response with status 4294967301"),
    # 3.2 transactions
    "3.2.01-badbranch": Case("200", "200", "a branch that is only the cookie"),
    # 3.3 applications
    "3.3.01-insuf": Case("", "400", "no From, To and Call-ID"),
    "3.3.02-unkscm": Case("", "416", "unknown scheme in the request URI"),
    "3.3.03-novelsc": Case("", "416", "known scheme that is not for calls"),
    "3.3.04-unksm2": Case("", "405", "unknown schemes in To, From, Contact"),
    "3.3.05-bext01": Case("200", "420", "unknown Require; a ping is answered without reading it"),
    "3.3.06-invut": Case(
        "415", "200", "a body of unknown type; the recorder offers streams itself"
    ),
    "3.3.07-regaut01": Case("", "405", "unknown authentication scheme"),
    "3.3.08-multi01": Case("486", "200", "several values where one belongs: the first counts"),
    "3.3.09-mcl01": Case("200", "200", "two Content-Lengths"),
    "3.3.10-bcast": Case("", "", "a response that would go to everybody"),
    "3.3.11-zeromf": Case("200", "200", "Max-Forwards 0: we are where it wants to go"),
    "3.3.12-cparam01": Case("", "405", "Contact parameter in a REGISTER"),
    "3.3.13-cparam02": Case("", "405", "URI parameter in a REGISTER"),
    "3.3.14-regescrt": Case("", "405", "escaped header in a REGISTER's Contact"),
    "3.3.15-sdp01": Case("486", "200", "an Accept that takes no SDP; ours is sent all the same"),
    # 3.4 earlier standards
    "3.4.01-inv2543": Case("400", "200", "RFC 2543: no tags, no branch; the agent wants a tag"),
}


def test_every_file_is_in_the_table() -> None:
    assert sorted(path.stem for path in CASES.glob("*.sip")) == sorted(TABLE)


async def test_the_agent_answers_or_is_silent_and_lives_on(torturer: Torturer) -> None:
    pool = torturer.pool
    pids = pool.pids
    desk = Desk(pool)
    taken: list[SipLine] = []
    busy = asyncio.create_task(busy_desk(desk, taken))
    wanted = {name: case.agent for name, case in TABLE.items()}
    assert await answers_of(CASES, wanted, pool.addresses[0]) == wanted
    await eventually(lambda: pool.slots_in_use == 0, within_s=15)
    assert len(taken) == list(wanted.values()).count("486")  # nothing else became a call
    async with RawCaller(*pool.addresses[0]) as caller:
        while (response := await caller.call()).status == 503:  # noqa: ASYNC110 - the gate's bucket fills
            await asyncio.sleep(0.05)
        assert response.status == 486
    busy.cancel()
    await desk.close()
    assert pool.pids == pids


async def test_the_recording_server_answers_or_is_silent_and_lives_on(torturer: Torturer) -> None:
    server = torturer.recorder
    wanted = {name: case.recorder for name, case in TABLE.items()}
    assert await answers_of(CASES, wanted, server.address[:2]) == wanted
    assert server.figures["faults"] == 0
    async with RecordingClient(*server.address[:2]) as client:
        assert (await client.call()).status == 200
        assert (await client.hang_up()).status == 200
