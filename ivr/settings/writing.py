"""The settings as a commented TOML file."""

import json
from collections.abc import Sequence
from typing import get_args

from ivr.settings.reading import Settings
from ivr.settings.section import Section


def as_toml(settings: Settings) -> str:
    """The settings as a commented TOML file; ``load`` reads it back to the same settings."""
    lines = ["# Settings of ivr. Every name stands here with its default; the environment wins:"]
    lines += ["# IVR_SIP__PORT=5062 sets [sip] port. A misspelt name is an error.", ""]
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, tuple):
            lines += _tables(name, get_args(field.annotation)[0], value)
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            lines += [f"[{name}]", *_toml_fields(section, with_help=True), ""]
    return "\n".join(lines)


def _tables(name: str, kind: type[Section], given: Sequence[Section]) -> list[str]:
    """A list of tables: what each field means, then the tables, or an example when there are
    none."""
    lines = [f"# {name}: {Settings.model_fields[name].description}"]
    lines += [f"#   {field}: {info.description}" for field, info in kind.model_fields.items()]
    if not given:
        lines += [f"# [[{name}]]", *(f"# {line}" for line in kind.EXAMPLE), ""]
    for each in given:
        lines += [f"[[{name}]]", *_toml_fields(each, with_help=False), ""]
    return lines


def _toml_fields(section: Section, *, with_help: bool) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if with_help:
            lines.append(f"# {field.description}")
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml_value(value)}")
    return lines


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a TOML basic string
