"""The law this house relies on, read from ``config/law.toml``: each rule with its article, its
source, and whether anybody has read the text itself."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ivr.errors import SettingsError

Unit = Literal["working_days", "days", "hours"]

TERMS: Mapping[str, tuple[Unit, ...]] = {
    "acknowledge": ("working_days",),
    "answer_stop": ("days", "working_days"),
    "answer_stop_third": ("days", "working_days"),
    "extend_stop": ("days", "working_days"),
    "answer_give": ("days", "working_days"),
    "answer_give_third": ("days", "working_days"),
    "extend_give": ("days", "working_days"),
    "answer_delete": ("days", "working_days"),
    "answer_delete_third": ("days", "working_days"),
    "extend_delete": ("days", "working_days"),
    "breach": ("hours",),
    "impact": ("days",),
    "cross_border": ("days",),
}
"""Rules the program counts with, and the units it can count in."""

CITED = (
    "counting",
    "no_consent_needed",
    "no_consent_duties",
    "consent",
    "keep_despite_request",
    "retention",
    "transfer",
    "automated",
    "sensitive",
    "small_firms",
    "secrecy",
    "unlawful_recording",
    "cyber_law_recording",
    "interception",
    "evidence_lawful",
)
"""Rules that papers name."""


class Rule(BaseModel):
    """One rule as written. ``value`` counts ``unit``; both only where the rule sets a term."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z_]{0,40}$")
    article: str = Field(min_length=3)
    text_vi: str = Field(min_length=3)
    text_en: str = Field(min_length=3)
    valid_from: date
    source: str = Field(min_length=3)
    verified: bool
    checked_on: date
    value: int | None = Field(default=None, ge=1, le=3650)
    unit: Unit | None = None

    @model_validator(mode="after")
    def _a_term_has_both(self) -> Self:
        if (self.value is None) != (self.unit is None):
            raise ValueError("value and unit belong together")
        return self

    def text(self, language: Literal["vi", "en"]) -> str:
        return self.text_vi if language == "vi" else self.text_en


@dataclass(frozen=True, slots=True)
class LawBook:
    """Every rule by its id."""

    rules: Mapping[str, Rule]

    def __getitem__(self, name: str) -> Rule:
        return self.rules[name]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules.values())

    def term(self, name: str) -> int:
        """The number of a rule that sets a term; `load` made sure that there is one."""
        value = self.rules[name].value
        assert value is not None
        return value

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read the file.

        Raises:
            SettingsError: it is missing, is no TOML, lacks a rule or holds a mistake; all are
                listed.
        """
        mistakes: list[str] = []
        found: list[Rule] = []
        for n, row in enumerate(read_tables(file, ("rule",))["rule"], start=1):
            try:
                found.append(Rule.model_validate(row))
            except ValidationError as problem:
                mistakes += [f"rule {n} ({row.get('id', 'no id')}): {m}" for m in listed(problem)]
        names = Counter(rule.id for rule in found)
        mistakes += [f"{name} stands there twice" for name, count in names.items() if count > 1]
        mistakes += [f"{name} is missing" for name in (*TERMS, *CITED) if name not in names]
        mistakes += [
            f"{rule.id} counts in {rule.unit or 'nothing'}, not in {' or '.join(TERMS[rule.id])}"
            for rule in found
            if rule.id in TERMS and rule.unit not in TERMS[rule.id]
        ]
        if mistakes:
            raise refused(file, "; ".join(mistakes))
        return cls({rule.id: rule for rule in found})


def read_tables(file: Path, known: tuple[str, ...]) -> dict[str, list[dict[str, object]]]:
    """Lists of tables of a TOML file by name; those that are not there are empty.

    Raises:
        SettingsError: the file cannot be read, or holds something else.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise refused(file, problem.strerror or str(problem)) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise refused(file, str(problem)) from problem
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise refused(file, f"unknown names: {', '.join(unknown)}")
    found = {name: document.get(name, []) for name in known}
    for name, rows in found.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise refused(file, f"{name} is not a list of [[{name}]] tables")
    return found


def listed(problem: ValidationError) -> list[str]:
    """Each mistake with its place."""
    return [
        f"{'.'.join(str(part) for part in error['loc']) or 'table'}: {error['msg']}"
        for error in problem.errors()
    ]


def refused(file: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{file.name} cannot be used.",
        why=why,
        remedy=f"Compare it with the comments at the head of {file}, or put back the one that "
        "came with ivr.",
    )
