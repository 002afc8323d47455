"""A built model becomes one of the project's models: its directory, and its digest in the manifest.

Needs neither torch nor vosk.
"""

import json
import re
import shutil
import tomllib
from pathlib import Path

from ivr.errors import RecognitionError
from ivr.recognition import manifest
from ivr.recognition.model import digest, open_model
from model_recipe.card import CARD, FIGURES
from model_recipe.figures import table


def install(built: Path, models: Path, name: str, *, force: bool = False) -> str:
    """Copy a built model with its card into `models/name`; the digest that the manifest now pins.

    The copy is made under a hidden name and checked before anything is replaced.  A failure
    leaves the old model and the old manifest.

    Raises:
        RecognitionError: the built model is unusable or its card or figures are missing or of
            another build; the manifest has no built-in entry of that name and sample rate; or a
            model of that name is there and `force` is not given.
    """
    info = open_model(built)
    _check_card(built, info.sha256)
    entry = manifest.find(models, name)
    if entry.kind != "built-in" or entry.sample_rate_hz != info.rate_hz:
        raise RecognitionError(
            f"The model cannot be installed as {name}.",
            why=f"the manifest calls that {entry.kind} at {entry.sample_rate_hz} Hz; "
            f"the built one works at {info.rate_hz} Hz",
            remedy="Give --name of a built-in entry, or add one to the manifest first.",
        )
    target, old = models / name, models / f".{name}.replaced"
    if old.exists() and not target.exists():
        old.rename(target)  # an install was interrupted between its renames
    if target.exists() and not force:
        raise RecognitionError(
            f"{target} is there already.",
            why=f"its digest is {digest(target)}, the built model's is {info.sha256}",
            remedy="Add --force to replace it.",
        )
    listed = models / manifest.FILE_NAME
    text = with_digest(listed.read_text(encoding="utf-8"), name, info.sha256)
    copy = models / f".{name}.installing"
    shutil.rmtree(copy, ignore_errors=True)  # of an install that was interrupted
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(built, copy)
    if digest(copy) != info.sha256:
        raise RecognitionError(
            f"The copy of {built} differs from it.",
            why="the model changed while it was copied, or the disk is bad",
            remedy=f"Run the install again; {copy} can be removed.",
        )
    new_list = models / f".{manifest.FILE_NAME}.installing"
    new_list.write_text(text, encoding="utf-8")
    put_in_place(copy, target, old, new_list, listed)
    shutil.rmtree(old, ignore_errors=True)
    return info.sha256


def put_in_place(copy: Path, target: Path, old: Path, new_list: Path, listed: Path) -> None:
    """Rename the model and the manifest to their places, or leave both as they were."""
    if target.exists():
        target.rename(old)
    try:
        copy.rename(target)
        new_list.replace(listed)
    except OSError:
        shutil.rmtree(target, ignore_errors=True)
        if old.exists():
            old.rename(target)
        raise


def _check_card(built: Path, sha256: str) -> None:
    """The card must name this build's digest and show the stored figures."""
    for name in (CARD, FIGURES):
        if not (built / name).is_file():
            raise RecognitionError(
                f"The model {built} has no {name}.",
                why="a model is not installed without what tells how good it is",
                remedy="Run `scripts/build_model evaluate` first.",
            )
    card = (built / CARD).read_text(encoding="utf-8")
    figures = json.loads((built / FIGURES).read_text(encoding="utf-8"))
    if sha256 not in card or table(figures) not in card:
        raise RecognitionError(
            f"{built / CARD} is of another build.",
            why="it does not name this model's digest and the figures of " + FIGURES,
            remedy="Run `scripts/build_model evaluate`, or `card` when only the card is old.",
        )


def with_digest(text: str, name: str, sha256: str) -> str:
    """The manifest's text with another digest in one entry; comments and order stay.

    Raises:
        RecognitionError: the entry has no `sha256` line of its own to change.
    """
    head, *tables = re.split(r"(?m)^(?=\[\[model\]\])", text)
    for index, entry in enumerate(tables):
        if tomllib.loads(entry)["model"][0].get("name") == name:
            pattern = r'(?m)^(sha256[ \t]*=[ \t]*)"[0-9a-f]*"'
            tables[index], changed = re.subn(pattern, rf'\g<1>"{sha256}"', entry)
            if changed == 1:
                return head + "".join(tables)
    raise RecognitionError(
        f"The digest of {name} cannot be written into the manifest.",
        why='its entry has no line of the form sha256 = "…"',
        remedy="Write the entry as the others are written.",
    )
