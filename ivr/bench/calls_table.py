"""The figures of ``ivr bench calls`` for a person to read."""

from collections.abc import Callable, Sequence

from ivr.bench.calls import CallsFigures

_COLUMNS: tuple[tuple[str, Callable[[CallsFigures], str]], ...] = (
    ("calls", lambda row: str(row.calls)),
    ("packets", lambda row: str(row.packets)),
    ("lost", lambda row: str(row.lost)),
    ("late", lambda row: str(row.late)),
    ("drift ppm", lambda row: f"{row.drift_ppm:.1f}"),
    ("agent %", lambda row: f"{row.cpu_agent:.1f}"),
    ("sip %", lambda row: f"{row.cpu_sip:.1f}"),
    ("hear %", lambda row: f"{row.cpu_recognition:.1f}"),
    ("machine %", lambda row: f"{row.cpu_machine:.0f}"),
    ("agent MB", lambda row: f"{row.pss_mb_agent:.0f}"),
    ("sip MB", lambda row: f"{row.pss_mb_sip:.0f}"),
    ("hear MB", lambda row: f"{row.pss_mb_recognition:.0f}"),
    ("hits", lambda row: str(row.hits)),
    ("p50 s", lambda row: _seconds(row.delay_p50_s)),
    ("p95 s", lambda row: _seconds(row.delay_p95_s)),
    ("broke", lambda row: row.broke or "-"),
)


def render(rows: Sequence[CallsFigures]) -> str:
    """One line a step, and what broke first."""
    lines = [[name for name, _ in _COLUMNS]]
    lines += [[show(row) for _, show in _COLUMNS] for row in rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_COLUMNS))]
    shown = [
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([*shown, "", _knee(rows)])


def _knee(rows: Sequence[CallsFigures]) -> str:
    broken = next((row for row in rows if row.broke), None)
    if broken is None:
        return f"Nothing broke up to {rows[-1].calls} calls at once ({rows[-1].mode})."
    return f"At {broken.calls} calls at once ({broken.mode}): {broken.broke}."


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
