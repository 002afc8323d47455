"""The settings as a commented TOML file."""

import json

from ivr.settings.calls import Subscriber
from ivr.settings.reading import Settings
from ivr.settings.section import Section


def as_toml(settings: Settings) -> str:
    """The settings as a commented TOML file; ``load`` reads it back to the same settings."""
    lines = ["# Settings of ivr. Every name stands here with its default; the environment wins:"]
    lines += ["# IVR_SIP__PORT=5062 sets [sip] port. A misspelt name is an error.", ""]
    lines.append(f"# subscribers: {Settings.model_fields['subscribers'].description}")
    for name, field in Subscriber.model_fields.items():
        lines.append(f"#   {name}: {field.description}")
    if not settings.subscribers:
        lines += ["# [[subscribers]]", '# access = "an"', '# number = "+84900000000"', ""]
    for subscriber in settings.subscribers:
        lines += ["[[subscribers]]", *_toml_fields(subscriber, with_help=False), ""]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            lines += [f"[{name}]", *_toml_fields(section, with_help=True), ""]
    return "\n".join(lines)


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
