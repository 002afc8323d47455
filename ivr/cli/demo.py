"""``ivr demo``: the main job on a real SIP call, on this machine alone."""

from enum import StrEnum
from pathlib import Path

import typer

from ivr import shapes, telemetry
from ivr.cli.output import JSON_OPTION, console, print_json, progress, run


class ModeChoice(StrEnum):
    ANSWER = "answer"
    LISTEN = "listen"


class LanguageChoice(StrEnum):
    VI = "vi"
    EN = "en"


def demo(
    is_benign: bool = typer.Option(
        False, "--benign", help="Play an ordinary call; nothing must be filed."
    ),
    mode: ModeChoice = typer.Option(
        ModeChoice.ANSWER, "--mode", help="answer: speak with the caller; listen: only record."
    ),
    language: LanguageChoice = typer.Option(
        LanguageChoice.VI, "--lang", help="Language of the summary."
    ),
    folder: Path = typer.Option(
        Path("ivr-demo"), "--folder", help="Where cases, outbox and mail of the demo are kept."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Answer, record, recognise, judge, seal, verify and file one real SIP call.

    A second process calls the agent on loopback and plays Vietnamese speech. Exit 0 only when the
    case verified and the reports are filed (with --benign: when nothing was filed).
    """
    from ivr.demo.run import DemoOptions, run_demo
    from ivr.demo.shown import Narrator, print_ending

    telemetry.configure("warning")
    narrator = Narrator(progress, language.value)
    narrator.start()
    options = DemoOptions(folder.absolute(), is_benign, mode.value)
    result = run(run_demo(options, narrator))
    if as_json:
        case = result.case
        print_json(
            {
                "case_id": case.sealed.case_id,
                "call": {
                    "mode": str(case.opened.mode),
                    "sip_call_id": case.opened.sip_call_id,
                    "caller": case.opened.caller.number,
                    "duration_s": round(case.duration_s, 2),
                },
                "transcript": shapes.transcript(case.utterances),
                "hits": [shapes.hit(hit) for hit in case.hits],
                "verdict": shapes.verdict(case.verdict),
                "evidence": {"path": str(case.sealed.path), "verified": result.is_verified},
                "reports": [shapes.delivery(report) for report in result.reports],
                "steps": [
                    {"name": name, "seconds": round(seconds, 3)} for name, seconds in result.steps
                ],
            }
        )
    else:
        print_ending(result, console, language.value)
    raise typer.Exit(0 if result.is_good else 1)
