"""The settings in force, as a case keeps them: all that decides how a call is recorded, heard
and judged; no secret, and nobody's number.

Secrets are in files of their own, so the settings hold none but an address of the ledger that may
carry a password. Whose numbers are screened, protected or allowed is no business of the readers of
one case: of those only the count is kept.
"""

import json
from typing import Any, Final

from ivr.settings.reading import Settings

LEFT_OUT: Final = frozenset(
    {
        *(
            "access",
            "allow",
            "contact",
            "ledger_url",
            "may_call",
            "menu_pin_file",
            "never_reported",
        ),
        *(
            "number",
            "own_numbers",
            "password_file",
            "protected_numbers",
            "secrets_dir",
            "system_id",
        ),
        *("username",),
    }
)
"""Names of settings whose values a case does not keep."""


def settings_record(settings: Settings) -> bytes:
    """settings.json of a case: sorted JSON, one setting a line, UTF-8. Its SHA-256 is
    ``settings_sha256`` of the manifest."""
    shown = _shown(settings.model_dump(mode="json"))
    return (json.dumps(shown, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _count(inner) if name in LEFT_OUT else _shown(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return value


def _count(value: Any) -> Any:
    """What is left of a value that is not kept: whether there is one, and how many."""
    if isinstance(value, list | dict):
        return {"left_out": len(value)}
    return {"left_out": int(bool(value))}
