"""Telling the log of a fault, whatever it was."""

from ivr.errors import IvrError
from ivr.house import House


def report(problem: BaseException, event: str, call_id: str, house: House) -> None:
    """Log a fault: each typed error of a group by itself, anything else with its traceback."""
    if isinstance(problem, BaseExceptionGroup):
        for each in problem.exceptions:
            report(each, event, call_id, house)
    elif isinstance(problem, IvrError):
        house.log.error(event, call_id=call_id, **problem.as_dict())
    else:
        house.log.error(event, call_id=call_id, exc_info=problem)
