"""How the demonstration looks while it runs, and what it says at the end."""

from collections.abc import Callable
from typing import Literal

from rich.console import Console
from rich.text import Text

from ivr.board import BoardFact, PromptStarted
from ivr.demo.run import DemoResult
from ivr.facts.call import CallClosed, CallOpened
from ivr.facts.cases import CaseSealed
from ivr.facts.judgement import Label, Level, PhraseHit, Stage, Verdict
from ivr.facts.speech import Utterance
from ivr.reporting.receipt import citizen_summary

Language = Literal["vi", "en"]

WORDS: dict[Language, dict[str, str]] = {
    "vi": {
        "starting": "Khởi động tổng đài, bộ nhận dạng và hộp thư trên máy này…",
        "opened": "Có cuộc gọi từ {caller}. Ghi âm từ gói tin đầu tiên.",
        "agent": "tổng đài",
        "caller": "người gọi",
        "hit": "phát hiện",
        "verdict": "Nhận định",
        "closed": "Kết thúc sau {seconds:.0f} giây. Đang niêm phong chứng cứ…",
        "sealed": "Đã niêm phong hồ sơ {case_id}.",
        "verified": "Kiểm tra toàn vẹn",
        "reports": "Báo cáo",
        "play": "Nghe lại",
        "mail": "Thư báo cáo",
        "case": "Hồ sơ",
        "model": "Bộ nhận dạng dùng ở đây chỉ để trình diễn (học từ giọng máy).",
    },
    "en": {
        "starting": "Starting the agent, the recogniser and a mail host on this machine…",
        "opened": "A call from {caller}. Recording from the first packet.",
        "agent": "agent",
        "caller": "caller",
        "hit": "spotted",
        "verdict": "Verdict",
        "closed": "Over after {seconds:.0f} seconds. Sealing the evidence…",
        "sealed": "Case {case_id} is sealed.",
        "verified": "Verification",
        "reports": "Reports",
        "play": "Play it",
        "mail": "Mail",
        "case": "Case",
        "model": "The recogniser used here is for demonstration only (trained on a synthesiser).",
    },
}
STYLES = {Level.NONE: "green", Level.LIVE: "yellow", Level.FILING: "bold red"}


class Narrator:
    """Shows each fact of the board as one line on the progress console."""

    def __init__(self, console: Console, language: Language) -> None:
        self._console = console
        self._words = WORDS[language]
        self._show: dict[type, Callable[..., None]] = {
            CallOpened: self._opened,
            PromptStarted: self._prompt,
            Utterance: self._utterance,
            PhraseHit: self._hit,
            Verdict: self._verdict,
            CallClosed: self._closed,
            CaseSealed: self._sealed,
        }
        self._seen: set[tuple[str, str, float]] = set()

    def start(self) -> None:
        self._console.print(self._words["starting"])

    def __call__(self, fact: BoardFact | str) -> None:
        show = self._show.get(type(fact))
        if show is not None:
            show(fact)

    def _opened(self, call: CallOpened) -> None:
        self._console.print(self._words["opened"].format(caller=call.caller.number))

    def _prompt(self, prompt: PromptStarted) -> None:
        self._say("agent", prompt.text, "cyan")

    def _utterance(self, utterance: Utterance) -> None:
        if utterance.is_final and utterance.words:
            self._say("caller", utterance.text, "white")

    def _say(self, who: str, text: str, style: str) -> None:
        self._console.print(Text(f"  {self._words[who]:>10}: ", "dim") + Text(text, style))

    def _hit(self, hit: PhraseHit) -> None:
        key = (hit.phrase_id, hit.leg, round(hit.start_s, 0))
        if key in self._seen or hit.stage in {Stage.CONTACT}:
            return
        self._seen.add(key)
        negated = " (không/not)" if hit.negated else ""
        self._console.print(
            Text(f"  {hit.start_s:8.1f} s  {self._words['hit']}: ", "dim")
            + Text(f"{hit.heard}{negated}", "magenta")
            + Text(f"  [{hit.stage} · {hit.concept} · {hit.score:.2f}]", "dim")
        )

    def _verdict(self, verdict: Verdict) -> None:
        self._console.print(
            Text(f"  {self._words['verdict']}: ", "dim")
            + Text(f"{verdict.label} ({verdict.level}, {verdict.score:.2f})", STYLES[verdict.level])
        )

    def _closed(self, closed: CallClosed) -> None:
        self._console.print(self._words["closed"].format(seconds=closed.duration_s))

    def _sealed(self, sealed: CaseSealed) -> None:
        self._console.print(self._words["sealed"].format(case_id=sealed.case_id))


def print_ending(result: DemoResult, console: Console, language: Language) -> None:
    """The summary as the citizen gets it, and where everything lies."""
    words, case = WORDS[language], result.case
    console.print()
    console.print(citizen_summary(result.facts, language, result.reports), markup=False)
    good = sum(step.ok for step in result.proof)
    console.print(
        Text(f"{words['verified']}: ")
        + Text(f"{good}/{len(result.proof)}", "green" if result.is_verified else "bold red")
    )
    for step in result.proof:
        if not step.ok:
            console.print(Text(f"  {step.n}. {step.name}: {step.detail}", "red"))
    for report in result.reports:
        where = report.provider_reference or report.last_error or ""
        console.print(
            f"{words['reports']}: {report.channel} → {report.address} [{report.state}] {where}",
            markup=False,
        )
    for message in result.mail[-1:] if result.reports else ():
        console.print(f"{words['mail']}: {message}", markup=False)
    console.print(f"{words['case']}: {case.sealed.path}", markup=False)
    data = case.sealed.path.parent.parent
    play = f".venv/bin/ivr --data {data} cases play {case.sealed.case_id}"
    console.print(f"{words['play']}: {play}", markup=False)
    if case.recognition.is_demonstration_model and case.verdict.label is not Label.UNSURE:
        console.print(Text(words["model"], "dim"))
