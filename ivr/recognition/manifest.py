"""``asr_models/manifest.toml``: the models this house knows, and what each must be.

One ``[[model]]`` table each. ``kind = "official"``: ``sha256`` and ``size`` are of the zip
archive at ``url``. ``kind = "built-in"``: the model lies beside the manifest; ``url`` is empty,
``sha256`` is the digest of its directory (`ivr.recognition.model.digest`; empty: not pinned).
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivr.errors import RecognitionError

FILE_NAME = "manifest.toml"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class ModelEntry(BaseModel):
    """One model of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    kind: Literal["built-in", "official"]
    url: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    sample_rate_hz: Literal[8000, 16000]
    licence: str
    is_demonstration: bool = False
    note: str = ""


def load(models_dir: Path) -> tuple[ModelEntry, ...]:
    """The entries of ``models_dir/manifest.toml``.

    Raises:
        RecognitionError: it is missing or has mistakes.
    """
    file = models_dir / FILE_NAME
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("model", [])
        entries = tuple(ModelEntry.model_validate(table) for table in tables)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as problem:
        raise RecognitionError(
            f"The list of models {file} cannot be used.",
            why=str(problem),
            remedy="Restore asr_models/manifest.toml from the distribution.",
        ) from problem
    for entry in entries:
        if entry.kind == "official" and not (entry.url and entry.size and entry.sha256):
            raise RecognitionError(
                f"The list of models {file} cannot be used.",
                why=f"the official model {entry.name} needs url, size and sha256",
                remedy="Pin the archive: a model that cannot be checked is not fetched.",
            )
    return entries


def find(models_dir: Path, name: str) -> ModelEntry:
    """The entry of that name.

    Raises:
        RecognitionError: the manifest does not know it.
    """
    entries = load(models_dir)
    for entry in entries:
        if entry.name == name:
            return entry
    raise RecognitionError(
        f"No model is named {name!r}.",
        why="known are " + ", ".join(entry.name for entry in entries),
        remedy="Choose one of these, or `ivr models import PATH` for a model of your own.",
    )


def is_demonstration(model: Path) -> bool:
    """Whether the manifest beside a model calls it a demonstration; False when none lies there."""
    if not (model.parent / FILE_NAME).is_file():
        return False
    return any(entry.is_demonstration for entry in load(model.parent) if entry.name == model.name)
