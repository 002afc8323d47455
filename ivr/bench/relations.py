"""What a user feels of a verdict: false filings in ten hours of hard ordinary calls, and whether
the warning comes before the demand. For written calls and for spoken ones alike."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ivr.bench.counting import Rate
from ivr.bench.verdict import Outcome
from ivr.spotting.tokens import utterances_from_turns


@dataclass(frozen=True, slots=True)
class Timed:
    """A judged call with its times in seconds; ``demand`` is start and end of the turn in which
    something is demanded for the first time."""

    outcome: Outcome
    duration_s: float
    demand: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class HardNegatives:
    """Calls that are no scam but were written to be mistaken for one."""

    calls: int
    hours: float
    filed: int
    warned: int

    @property
    def filings(self) -> Rate:
        return Rate(self.filed, self.hours)

    @property
    def warnings(self) -> Rate:
        return Rate(self.warned, self.hours)


@dataclass(frozen=True, slots=True)
class Lead:
    """First warning relative to the turn of the first demand.

    Args:
        demands: scams that came to a demand; the shares are of these.
        warned: of these, warned at any time.
        before_start / before_end: warned before that turn began / was over.
        median_s: warning minus begin of that turn, over the warned ones; negative is before.
    """

    demands: int
    warned: int
    before_start: int
    before_end: int
    median_s: float | None


def timed_by_text(outcomes: Iterable[Outcome]) -> list[Timed]:
    """With the made-up speaking times of `ivr.spotting.tokens.utterances_from_turns`."""
    found = []
    for outcome in outcomes:
        spoken = utterances_from_turns(outcome.dialogue.turns)
        ends = [utterance.words[-1].end_s for utterance in spoken if utterance.words]
        turn = outcome.dialogue.first_demand_turn
        demand = None
        if turn is not None and spoken[turn].words:
            demand = (spoken[turn].words[0].start_s, spoken[turn].words[-1].end_s)
        found.append(Timed(outcome, max(ends, default=0.0), demand))
    return found


def hard_negatives(calls: Iterable[Timed]) -> HardNegatives:
    chosen = [
        call
        for call in calls
        if call.outcome.dialogue.is_hard and call.outcome.dialogue.label != "scam"
    ]
    return HardNegatives(
        calls=len(chosen),
        hours=sum(call.duration_s for call in chosen) / 3600,
        filed=sum(call.outcome.was_filed for call in chosen),
        warned=sum(call.outcome.was_warned for call in chosen),
    )


def lead(calls: Iterable[Timed]) -> Lead:
    demands = warned = before_start = before_end = 0
    delays = []
    for call in calls:
        if call.outcome.dialogue.label != "scam" or call.demand is None:
            continue
        demands += 1
        at_s = call.outcome.verdict.live_at_s
        if at_s is None:
            continue
        warned += 1
        before_start += at_s < call.demand[0]
        before_end += at_s < call.demand[1]
        delays.append(at_s - call.demand[0])
    middle = round(median(delays), 1) if delays else None
    return Lead(demands, warned, before_start, before_end, middle)


def as_json(calls: Sequence[Timed]) -> dict[str, Any]:
    """Both relations with their intervals, for ``--json``."""
    hard = hard_negatives(calls)
    return {
        "hard_negatives": {
            **asdict(hard),
            "hours": round(hard.hours, 4),
            "false_filings_per_10_h": [round(value, 3) for value in hard.filings.per(10)],
            "false_warnings_per_10_h": [round(value, 3) for value in hard.warnings.per(10)],
        },
        "first_warning": asdict(lead(calls)),
    }


def render(calls: Sequence[Timed]) -> str:
    """Both relations as sentences."""
    hard, first = hard_negatives(calls), lead(calls)
    when = (
        f"- first warning, {first.demands} scams with a demand: {first.warned} warned, "
        f"{first.before_start} before the turn of the first demand began, "
        f"{first.before_end} before it was over"
    )
    if first.median_s is not None:
        side = "before" if first.median_s < 0 else "after"
        when += f"; median {abs(first.median_s):.1f} s {side} it began"
    return "\n".join(
        (
            f"- hard negatives: {hard.calls} calls, {hard.hours:.2f} h",
            f"- false filings there: {hard.filed}, {_per_10(hard.filings)}",
            f"- false warnings there: {hard.warned}, {_per_10(hard.warnings)}",
            when,
        )
    )


def _per_10(rate: Rate) -> str:
    value, low, high = rate.per(10)
    return f"{value:.1f} per 10 h (95 % interval {low:.1f} to {high:.1f})"
