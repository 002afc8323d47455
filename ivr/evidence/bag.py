"""The court folder: a BagIt bag (RFC 8493) around one sealed case.

<bag>/
  bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
  bag.jws                       signature of the site over tagmanifest-sha256.txt, and so over all
  data/<case_id>/               the sealed case, byte for byte
  data/site.pub.pem             public key of the seal
  data/custody.csv              custody.jsonl as a table
  data/keyring.jsonl            keys of the site: endorsed, revoked
  data/inclusion.json           that seal and last custody entry are in the log of the site
  data/verifier.py              the verifier, one file
  data/sound_check.py           decodes the packets again, one file
  data/HUONG-DAN.txt, data/INSTRUCTIONS.txt      how to check it, Vietnamese and English
  data/kiem-tra-thu-cong.sh     the same with sha256sum and openssl alone
  data/…                        papers that the caller adds

The bag is a pure function of the case folder, the papers, the date and the key: made twice, it is
the same byte for byte (Ed25519 signatures have no random part).
"""

import csv
import io
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import EvidenceError
from ivr.evidence import verifier
from ivr.evidence.canonical import canonical
from ivr.evidence.custody import Custodian, read_custody
from ivr.evidence.durable import (
    SEALED,
    copy_atomic,
    sha256_file,
    sync_folder,
    waiting_lock,
    write_atomic,
)
from ivr.evidence.keyring import NAME as RING_NAME
from ivr.evidence.layout import KEYRING, SIGNER
from ivr.evidence.log_proofs import INCLUSION
from ivr.evidence.signer import Signer

BAG_TYPE = "ivr-bag"
DECLARATION = "bagit.txt"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
INFO = "bag-info.txt"
PAYLOAD_MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
SIGNATURE = "bag.jws"
PAYLOAD = "data"
KEY = "site.pub.pem"
CUSTODY_TABLE = "custody.csv"
TAG_FILES = (INFO, DECLARATION, PAYLOAD_MANIFEST)
HANDOUT = Path(__file__).parent / "handout"
TOOLS = Path(verifier.__file__).parent
TOOL_NAMES = ("verifier.py", "sound_check.py")
HANDOUTS = ("HUONG-DAN.txt", "INSTRUCTIONS.txt", "kiem-tra-thu-cong.sh")
COLUMNS = ("n", "at", "action", "actor", "reason", "facts", "previous", "chain")


@dataclass(frozen=True, slots=True)
class BagLabel:
    """What bag-info.txt says.

    Args:
        made_at: of the export, RFC 3339; its date becomes Bagging-Date.
        actor, reason: who made the bag, and why.
    """

    case_id: str
    site: str
    seal_sha256: str
    key_sha256: str
    made_at: str
    actor: str
    reason: str
    software: str


@dataclass(frozen=True, slots=True)
class Bag:
    """A bag that was written: its folder, files of the payload, their bytes, and the digest of
    the tag manifest, which fixes every byte of it."""

    path: Path
    files: int
    size: int
    tag_manifest_sha256: str


def must_be_free(target: Path, case: Path) -> None:
    """Raises EvidenceError unless ``target`` is missing or an empty folder outside the case."""
    if target.resolve().is_relative_to(case.resolve()):
        raise _taken(target, "it lies within the case")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise _taken(target, "it is no folder")
    if target.is_dir() and any(target.iterdir()):
        raise _taken(target, "it is not empty")


def write_bag(
    case: Path, target: Path, label: BagLabel, custodian: Custodian, papers: Mapping[str, bytes]
) -> Bag:
    """Make the bag whole or not at all: it takes its name when its last byte is on the disk.

    Args:
        target: must be missing or an empty folder.
        papers: file name to content, put beside the case into ``data/``.

    Raises:
        EvidenceError: the target is taken, custody or site log are broken, or the disk refused.
    """
    must_be_free(target, case)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.mkdir(mode=0o700, parents=True)
        payload = draft / PAYLOAD
        payload.mkdir(mode=0o700)
        with waiting_lock(case):  # no custody entry half in, half out
            _copy_tree(case, payload / label.case_id)
            table = custody_table(case)
            included = custodian.site_log.inclusion(label.case_id)
            ring = (custodian.site_log.root / KEYRING).read_bytes()
        _add_papers(payload, {**papers, CUSTODY_TABLE: table, INCLUSION: included, RING_NAME: ring})
        bag = _finish(draft, label, custodian.signer, target)
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as problem:
        raise EvidenceError(
            f"The bag {target} could not be written.",
            why=problem.strerror or str(problem),
            remedy="Check free space and permissions there; the case itself is untouched.",
        ) from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return bag


def write_paper(file: Path, content: bytes) -> Path:
    """A paper on its own, in a folder that is made when it is missing; readable by this user.

    Raises:
        EvidenceError: the disk refused.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(file, content, 0o600)
    except OSError as problem:
        raise EvidenceError(
            f"{file} could not be written.",
            why=problem.strerror or str(problem),
            remedy="Check free space and permissions there; the case itself is untouched.",
        ) from problem
    return file


def custody_table(case: Path) -> bytes:
    """custody.jsonl as CSV (RFC 4180) in UTF-8 with a byte order mark, which Excel needs for
    Vietnamese letters. Names and reasons that a spreadsheet would run as a formula get a ``'``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for record in read_custody(case):
        known = {**record, "facts": canonical(_facts(record)).decode()}
        writer.writerow([_cell(known.get(name, "")) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _facts(record: Mapping[str, object]) -> dict[str, object]:
    """The members that have no column: those of the first entry stand beside the others'."""
    facts = record.get("facts")
    if isinstance(facts, dict):
        return facts
    return {key: value for key, value in record.items() if key not in COLUMNS}


def _cell(value: object) -> str:
    text = str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _copy_tree(case: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for entry in sorted(case.iterdir()):
        if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
            raise EvidenceError(
                f"{case.name} holds {entry.name}, which is neither file nor folder.",
                why="links and special files are no evidence",
                remedy="Run `ivr verify` on the case.",
            )
        if entry.is_dir():
            _copy_tree(entry, target / entry.name)
        else:
            copy_atomic(entry, target / entry.name, SEALED)


def _add_papers(payload: Path, papers: Mapping[str, bytes]) -> None:
    key = next(payload.glob(f"*/{SIGNER}")).read_bytes()
    handouts = {name: (HANDOUT / name).read_bytes() for name in HANDOUTS}
    tools = {name: (TOOLS / name).read_bytes() for name in TOOL_NAMES}
    own = {KEY: key, **tools, **handouts}
    for name, content in {**papers, **own}.items():
        write_atomic(payload / name, content, SEALED)


def _finish(draft: Path, label: BagLabel, signer: Signer, target: Path) -> Bag:
    """Manifests, bag-info and the signature around a finished payload."""
    lines, size = [], 0
    files = sorted(path for path in (draft / PAYLOAD).rglob("*") if path.is_file())
    for path in files:
        digest, length = sha256_file(path)
        lines.append(f"{digest}  {path.relative_to(draft).as_posix()}\n")
        size += length
    write_atomic(draft / PAYLOAD_MANIFEST, "".join(lines).encode(), SEALED)
    write_atomic(draft / DECLARATION, DECLARED, SEALED)
    write_atomic(draft / INFO, _info(label, size, len(files)), SEALED)
    tags = "".join(f"{sha256_file(draft / name)[0]}  {name}\n" for name in TAG_FILES).encode()
    write_atomic(draft / TAG_MANIFEST, tags, SEALED)
    signed = signer.sign(tags, BAG_TYPE)
    write_atomic(draft / SIGNATURE, canonical({"signatures": signed["signatures"]}), SEALED)
    return Bag(target, len(files), size, sha256_file(draft / TAG_MANIFEST)[0])


def _info(label: BagLabel, size: int, files: int) -> bytes:
    members = {
        "Source-Organization": label.site,
        "Contact-Name": label.actor,
        "External-Description": label.reason,
        "External-Identifier": label.case_id,
        "Bagging-Date": label.made_at[:10],
        "Bag-Software-Agent": label.software,
        "Payload-Oxum": f"{size}.{files}",
        "Ivr-Case-Id": label.case_id,
        "Ivr-Exported-At": label.made_at,
        "Ivr-Seal-Sha256": label.seal_sha256,
        "Ivr-Key-Sha256": label.key_sha256,
    }
    # one line a member: a line break in a name would begin another member
    return "".join(f"{key}: {' '.join(text.split())}\n" for key, text in members.items()).encode()


def _taken(target: Path, why: str) -> EvidenceError:
    return EvidenceError(
        f"The export cannot go to {target}.",
        why=why,
        remedy="Name a folder that does not exist yet, or an empty one.",
    )
