"""The shipped law and days off, and a request as the queue would hand it out."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ivr.facts.rights import RequestKind, RequestState, SubjectRequest
from ivr.rights.deadlines import Law
from ivr.rights.law import LawBook
from ivr.rights.letters import Office
from ivr.rights.working_days import Calendar
from ivr.settings import PROJECT_ROOT, RightsSettings


@pytest.fixture(scope="session")
def law() -> Law:
    folder = PROJECT_ROOT / "config"
    return Law(LawBook.load(folder / "law.toml"), Calendar.load(folder / "holidays.toml"))


@pytest.fixture(scope="session")
def a_request() -> Callable[..., SubjectRequest]:
    def build(**changes: object) -> SubjectRequest:
        values: dict[str, object] = {
            "reference": "YC-2026-0001",
            "kind": RequestKind.VIEW,
            "state": RequestState.OPEN,
            "received_at": datetime(2026, 11, 25, 2, 30, tzinfo=UTC),
            "number": "+84912345678",
            "name": "Nguyễn Văn An",
            "contact": "an@example.vn",
            "identity": "gọi lại số",
            "details": "",
            "has_third_party": False,
        }
        return SubjectRequest(**{**values, **changes})  # type: ignore[arg-type]

    return build


@pytest.fixture
def office(law: Law) -> Callable[..., Office]:
    def build(language: str = "vi", **changes: object) -> Office:
        return Office(RightsSettings(**changes), law.book, language)  # type: ignore[arg-type]

    return build
