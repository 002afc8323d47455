"""How soon a long call is sealed: ``python -m ivr.bench.long_seal [MINUTES] [--second]``.

The wire log of a call of an hour (`long_call`) and a transcript of an hour's dialogues go through
the closing of the house (`journeys.closing`), as if live recognition had heard all of it. The
clock runs from the hang-up to the seal; each step tells its share on the board. ``--second``
listens once more to the whole call with the second engine, which has a limit of its own
(``recognition.second_pass_max_s``). Prints one line of JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from ulid import ULID

from ivr.app import open_house
from ivr.bench.live import house_settings
from ivr.bench.long_call import write_long_call
from ivr.board import StepDone, Watcher
from ivr.evidence.case_folder import CaseFolder
from ivr.facts.call import Blame, CallClosed, Caller, CallOpened, LegName, Mode
from ivr.facts.cases import CaseSealed
from ivr.facts.speech import Utterance, Word
from ivr.house import House
from ivr.journeys.closing import Heard, close_case
from ivr.settings import PROJECT_ROOT
from ivr.spotting.tokens import utterances_from_turns
from ivr.telemetry import configure
from ivr.telephony.soak import resident_mb

DIALOGUES: Final = PROJECT_ROOT / "data/dialogues"


async def measure(minutes: float, *, second: bool) -> dict[str, Any]:
    """Seconds of each step, from hang-up to the seal."""
    with tempfile.TemporaryDirectory(prefix="ivr-long-") as name:
        settings = house_settings(Path(name), 1)
        hearing = settings.recognition.model_copy(
            update={"second_pass": "auto" if second else "off"}
        )
        settings = settings.model_copy(update={"recognition": hearing})
        async with open_house(settings) as house:
            return await _seal(house, minutes)


async def _seal(house: House, minutes: float) -> dict[str, Any]:
    begun_at = datetime.now(UTC) - timedelta(minutes=minutes)
    folder = await asyncio.to_thread(
        lambda: CaseFolder.create(
            house.vault,
            _opened(begun_at),
            raw_invite=b"INVITE sip:bench@ivr SIP/2.0\r\n\r\n",
            site=house.settings.evidence.site,
            clock=house.clock,
        )
    )
    wire = await asyncio.to_thread(write_long_call, folder.path / "original", minutes * 60)
    said = tuple(_transcript(minutes * 60, house.mind.model.sha256))
    listener = house.mind.spotter.listen()
    for utterance in said:  # as live recognition does while the call runs
        listener.hear(utterance)
    heard = Heard(said, (), listener)
    closed = CallClosed(Blame.CALLER, "BYE", 200, minutes * 60, datetime.now(UTC))
    with house.board.watch() as board:
        watching = asyncio.create_task(_steps(board))
        started, used = time.perf_counter(), time.process_time()
        case = await close_case(folder, wire, closed, heard, house)
        filed_s, used_s = time.perf_counter() - started, time.process_time() - used
        steps = await watching
    return {
        "minutes": minutes,
        "words": sum(len(utterance.words) for utterance in heard.utterances),
        "hits": len(case.hits),
        "steps_s": {step: round(took_s, 2) for step, took_s in steps.items()},
        "sealed_s": round(sum(took_s for step, took_s in steps.items() if step != "file"), 2),
        "filed_s": round(filed_s, 2),
        "processor_s": round(used_s, 2),
        "resident_mb": round(resident_mb(os.getpid())),
    }


async def _steps(board: Watcher) -> dict[str, float]:
    found: dict[str, float] = {}
    async for _, fact in board:
        if isinstance(fact, StepDone):
            found[fact.name] = fact.seconds
        elif isinstance(fact, CaseSealed):
            break
    return found


def _transcript(seconds: float, model_sha256: str) -> Iterator[Utterance]:
    """Dialogues of the practice sets, one behind the other: what a caller says in an hour."""
    lines = (DIALOGUES / "practice-1.jsonl").read_text(encoding="utf-8").splitlines()
    begin_s = 0.0
    index = 0
    for line in cycle(lines):
        turns = [(LegName.CALLER, turn["text"]) for turn in json.loads(line)["turns"]]
        said = utterances_from_turns(turns)
        for utterance in said:
            words = tuple(
                Word(w.text, round(begin_s + w.start_s, 2), round(begin_s + w.end_s, 2), 0.9)
                for w in utterance.words
            )
            if not words or words[-1].end_s > seconds:
                return
            yield Utterance(LegName.CALLER, index, True, words, model_sha256)
            index += 1
        begin_s += said[-1].words[-1].end_s + 1.0


def _opened(at: datetime) -> CallOpened:
    return CallOpened(
        call_id=str(ULID()),
        mode=Mode.ANSWER,
        legs=(LegName.CALLER, LegName.AGENT),
        identities=(),
        caller=Caller("+84987654321", None, "From", 0.5),
        subscriber="+84900000001",
        access="bench",
        sip_call_id="bench",
        source_address="192.0.2.7",
        opened_at=at,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ivr.bench.long_seal", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0)
    parser.add_argument("--second", action="store_true", help="with the second pass")
    wanted = parser.parse_args()
    configure("error")
    figures = asyncio.run(measure(wanted.minutes, second=wanted.second))
    sys.stdout.write(json.dumps(figures, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
