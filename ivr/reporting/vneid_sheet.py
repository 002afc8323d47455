"""A sheet to copy from into VNeID's form for reports on public order: there is no way in for a
program, so the citizen copies field by field, reads it and sends it under their own name.

What is copied is Vietnamese, for officers read it; English may stand beside the labels. Nothing is
stated that the citizen alone knows (loss, place): there the sheet says what to write.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from ivr.facts.judgement import Label, Stage
from ivr.facts.reports import CaseFacts
from ivr.locale import fill, table, words
from ivr.reporting.case_words import CLAIMS, length, local_time, meanings
from ivr.reporting.numbers import as_filed

_WORDS: Final = "vneid_sheet.toml"
LIMITS: Final = {
    "subject": 100,
    "time": 20,
    "place": 100,
    "numbers": 100,
    "narrative": 1000,
    "loss": 0,
    "request": 200,
    "files": 300,
}
"""Letters of each field, in the order of copying. The form's own limits are not published: these
are short enough for a telephone's one-line and many-line fields. 0: the citizen writes it."""


@dataclass(frozen=True, slots=True)
class SheetField:
    """One box. ``value`` is empty where the citizen alone knows it.

    Args:
        n: place in the order of copying, from 1.
        english: label and hint in English.
    """

    n: int
    key: str
    label: str
    value: str
    hint: str
    english: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet of one case.

    Args:
        has_english: English stands under each Vietnamese line.
    """

    facts: CaseFacts
    has_english: bool = False

    @property
    def fields(self) -> tuple[SheetField, ...]:
        """In the order of copying; each value at most its limit, one line, without markup."""
        named, english = table("vi", _WORDS), table("en", _WORDS)
        values = self._values()
        return tuple(
            SheetField(
                n,
                key,
                named[key],
                values[key],
                named.get(f"{key}_hint", "").format(
                    case_id=self.facts.case_id, seal=self.facts.seal_sha256
                ),
                english[key],
            )
            for n, key in enumerate(LIMITS, start=1)
        )

    def as_text(self) -> str:
        """Plain text, one box after the other."""
        named = table("vi", _WORDS)
        lines = [named["title"].upper(), "", *self._lead()]
        for field in self.fields:
            lines += ["", f"{field.n}. {field.label}"]
            lines += [f"   ({field.english})"] if self.has_english else []
            lines.append(field.value or named["own"])
            lines += [f"   {field.hint}"] if field.hint else []
        return "\n".join(lines) + "\n"

    def as_html(self) -> str:
        """A page to print or to copy from, one touch a box; loads nothing and runs nothing."""
        lead = "\n".join(f"<p>{html.escape(line)}</p>" for line in self._lead())
        boxes = "\n".join(self._box(field) for field in self.fields)
        title = html.escape(table("vi", _WORDS)["title"])
        return fill("vi", "vneid_sheet.html", {"title": title, "lead": lead, "fields": boxes})

    def _box(self, field: SheetField) -> str:
        parts = [f"<h2>{field.n}. {html.escape(field.label)}</h2>"]
        if self.has_english:
            parts.append(f'<p class="english">{html.escape(field.english)}</p>')
        if field.value:
            parts.append(f'<div class="value">{html.escape(field.value)}</div>')
        if field.hint:
            parts.append(f'<p class="hint">{html.escape(field.hint)}</p>')
        return f"<section>{''.join(parts)}</section>"

    def _lead(self) -> list[str]:
        lines = []
        for key in ("way", "order", "caution"):
            lines.append(table("vi", _WORDS)[key])
            lines += [table("en", _WORDS)[key]] if self.has_english else []
        return lines

    def _values(self) -> dict[str, str]:
        named, facts = table("vi", _WORDS), self.facts
        label = words("vi")["label"][facts.verdict.label.value]
        opened = local_time(facts.opened_at)
        number = as_filed(facts.caller.number, facts.subscriber)
        values = {
            "subject": named["subject_value"].format(label=label, opened=opened),
            "time": opened,
            "place": named["place_value"],
            "numbers": number or words("vi")["text"]["unknown_number"],
            "narrative": self._narrative(label, opened, number),
            "loss": "",
            "request": named["request_value"],
            "files": ", ".join(_sound_files(facts)),
        }
        return {key: _shortened(text, LIMITS[key]) for key, text in values.items()}

    def _narrative(self, label: str, opened: str, number: str | None) -> str:
        """Claims that do not fit are left out from the end; beginning and end stay."""
        named, facts = table("vi", _WORDS), self.facts
        told = {"opened": opened, "caller": number, "duration": length(facts.duration_s, "vi")}
        begin = named["narrative_begin" if number else "narrative_unknown"].format(**told)
        end = named["narrative_end"].format(label=label)
        stages = (Stage.ADVERT,) if facts.verdict.label is Label.SPAM else CLAIMS
        claims = list(meanings(facts, stages, "vi"))
        while claims:
            said = named["narrative_claims"].format(claims="; ".join(claims))
            text = f"{begin} {said} {end}"
            if len(text) <= LIMITS["narrative"]:
                return text
            claims.pop()
        return f"{begin} {end}"


def _sound_files(facts: CaseFacts) -> Sequence[str]:
    sound = [PurePosixPath(f.path) for f in facts.files if f.media_type.startswith("audio/")]
    whole = [path.name for path in sound if path.stem == "call"]
    return whole or [path.name for path in sound]


def _shortened(text: str, limit: int) -> str:
    """One line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[: limit + 1].rpartition(" ")[0] or line[:limit]
