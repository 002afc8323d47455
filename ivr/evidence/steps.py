"""Steps of a proof, as the verifier has them, for checks that need more of the house."""

from collections.abc import Callable

from ivr.evidence.verifier import Step

__all__ = ["Broken", "Step", "answered", "printable", "some"]


class Broken(Exception):
    """A step does not hold; the message says why."""


def printable(text: str) -> str:
    """Names and reasons come from the case: no control codes on a reader's terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def some(items: list[str], glue: str = ", ") -> str:
    """The first five, and how many more there are."""
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return glue.join(items[:5]) + more


def answered(n: int, name: str, check: Callable[[], str]) -> Step:
    """The step that ``check`` makes: it returns its detail, or raises `Broken`. Never raises."""
    try:
        return Step(n, name, True, printable(check()))
    except Broken as problem:
        return Step(n, name, False, printable(str(problem)))
    except Exception as problem:  # noqa: BLE001 - broken input must be an answer, not a crash
        why = f"cannot be read: {type(problem).__name__} {problem}"
        return Step(n, name, False, printable(why))
