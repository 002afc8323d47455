"""What `ivr doctor` looks at about keeping cases: deletions cut off, encryption, keys at hand."""

from collections.abc import Iterator
from pathlib import Path

from ivr.casework.places import Places
from ivr.checks import Check, Level
from ivr.evidence.age_files import pyrage, read_identities, read_recipients
from ivr.evidence.layout import ORDER_SUFFIX, TOMBSTONES, case_folders
from ivr.evidence.locked import is_locked
from ivr.facts.judgement import Label
from ivr.settings import EncryptionSettings, Settings

PROBE = b"a word that only the site's identity gives back"


def deletions(settings: Settings) -> Check:
    """Orders to delete that a crash or a disk cut off."""
    folder = Places.of(settings).root / TOMBSTONES
    waiting = [*folder.glob(f".*{ORDER_SUFFIX}")] if folder.is_dir() else []
    if waiting:
        remedy = "`ivr retention run` goes on with them, and says what is in the way."
        return Check("deletions", Level.WARNING, f"{len(waiting)} not finished", remedy)
    kept = settings.retention
    shown = ", ".join(f"{label} {kept.days(label):g}" for label in Label)
    return Check("deletions", Level.OK, f"none waits; days kept: {shown} (0: until by hand)")


def encryption(settings: Settings) -> Check:
    """Whether cases can be encrypted, and opened again, and whether their keys lie apart."""
    name, chosen, places = "encryption", settings.encryption, Places.of(settings)
    locked = [path.name for path in case_folders(places.vault) if is_locked(path)]
    if chosen.recipients_file is None and not locked:
        return Check(name, Level.OK, "off: cases lie readable on the disk (docs/keeping.md)")
    lost = [each for each in locked if not places.case_key(each).exists()]
    if lost:
        detail = f"{len(lost)} encrypted cases have no key: {', '.join(lost[:3])}"
        remedy = f"Put their keys back into {places.case_keys} from its copy."
        return Check(name, Level.FAILED, detail, remedy)
    odd = [*_obstacles(chosen, places, locked)]
    if odd:
        remedy = "See docs/keeping.md, `Encryption`: a lost identity loses every encrypted case."
        return Check(name, Level.WARNING, "; ".join(odd), remedy)
    return Check(name, Level.OK, f"{len(locked)} cases encrypted, identity opens what is written")


def _obstacles(chosen: EncryptionSettings, places: Places, locked: list[str]) -> Iterator[str]:
    if chosen.recipients_file is None:
        yield f"{len(locked)} cases are encrypted, and no recipients are set for new ones"
    elif chosen.identity_file is None:
        read_recipients(chosen.recipients_file)
        yield "no identity is set: encrypted cases can be opened elsewhere only"
    elif not _opens(chosen.recipients_file, chosen.identity_file):
        yield "the identity does not open what is encrypted to the recipients"
    for path, danger in (
        (chosen.identity_file, "the identity: whoever takes that disk reads the cases"),
        (places.case_keys, "the keys of the cases: a copy of that disk outlives their deletion"),
        (chosen.recipients_file, "the recipients: whoever writes there can add one of their own"),
    ):
        if path is not None and _on_one_device(path, places.root):
            yield f"on one device with the data lie {danger}"


def _opens(recipients_file: Path, identity_file: Path) -> bool:
    library = pyrage()
    try:
        found = library.encrypt(PROBE, list(read_recipients(recipients_file)))
        return bool(library.decrypt(found, list(read_identities(identity_file))) == PROBE)
    except library.DecryptError:
        return False


def _on_one_device(path: Path, root: Path) -> bool:
    """By the nearest folder that is there."""
    devices = []
    for each in (path.absolute(), root):
        there = next(folder for folder in (each, *each.parents) if folder.exists())
        devices.append(there.stat().st_dev)
    return devices[0] == devices[1]
