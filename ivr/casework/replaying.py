"""Makes a sealed case's findings once more, and says step by step whether they are the same.

The sealed words are judged again first: with the same rulebook, scorer and program that must give
the same bytes. Then the recordings are recognised again. The sealed files are only read.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivr.casefile import SealedCase, read_case
from ivr.casework.entering import enter_custody
from ivr.casework.replay_bench import Again, Bench, InForce
from ivr.casework.replay_findings import (
    RESULT,
    Check,
    Difference,
    Outcome,
    Product,
    Replay,
    difference,
    written,
)
from ivr.clock import Clock, to_iso
from ivr.errors import EvidenceError
from ivr.evidence.bag_check import check_bag
from ivr.evidence.canonical import sha256_hex
from ivr.evidence.chained import Record
from ivr.evidence.custody import Custodian, CustodyAction
from ivr.evidence.durable import SEALED, sync_folder, write_atomic
from ivr.evidence.layout import DERIVED, MANIFEST, WIRE, refused
from ivr.evidence.verification import verification_steps
from ivr.facts.audio import Recording
from ivr.journeys.second_pass import Findings
from ivr.media.recordings import redecode_matches, write_recordings
from ivr.media.repair import wire_log_at

REPLAYS = "reports/replays"
"""Inside the case: what lies in ``reports/`` is outside the seal, for every verifier."""


async def replay(
    path: Path, here: InForce, clock: Clock, *, listens: bool = True, bag: Path | None = None
) -> Replay:
    """Decode, judge and, with ``listens``, recognise the sealed case at ``path`` again.

    Args:
        bag: the court folder that the case lies in, to be checked as well.

    Raises:
        EvidenceError: not a sealed case, or not as it was sealed.
        MediaError: the wire log cannot be decoded.
    """
    await asyncio.to_thread(must_be_as_sealed, path, bag)
    case = await asyncio.to_thread(read_case, path)
    manifest: dict[str, Any] = json.loads((path / MANIFEST).read_bytes())
    bench = Bench(case, manifest, here, clock.now().date())
    sealed_words = await asyncio.to_thread(bench.judge_sealed_words)
    with tempfile.TemporaryDirectory(prefix="ivr-replay-") as folder:
        decoded, recordings = await asyncio.to_thread(_decode, path, Path(folder))
        again = await bench.listen_again(recordings) if listens else Again()
    heard = again.findings
    return Replay(
        case_id=case.sealed.case_id,
        seal_sha256=case.sealed.seal_sha256,
        at=to_iso(clock.now()),
        pins=(*bench.pins(sealed_words), *again.pins),
        checks=(decoded, *_compared(path, written(sealed_words)), *again.checks),
        then=case.verdict,
        now=sealed_words.verdict,
        hits=difference(case.hits, sealed_words.leading.hits),
        heard_again=heard.verdict if heard else None,
        hits_again=_hits_again(case, heard),
        products=bench.products(sealed_words, heard),
    )


def _hits_again(case: SealedCase, heard: Findings | None) -> Difference | None:
    return difference(case.hits, heard.leading.hits) if heard else None


def must_be_as_sealed(path: Path, bag: Path | None = None) -> None:
    """Raises EvidenceError when the case, or the bag around it, is not as it was signed: what a
    changed case says is no finding."""
    steps = [] if bag is None else [(s.ok, s.name, s.detail) for s in check_bag(bag)]
    steps += [(s.ok, s.name, s.detail) for s in verification_steps(path)]
    failed = [f"{name}: {detail}" for ok, name, detail in steps if not ok]
    if failed:
        raise EvidenceError(
            f"The case {path.name} is not as it was sealed and was not replayed.",
            why="; ".join(failed),
            remedy=f"Run `ivr verify {bag or path}` and compare the case with a copy.",
        )


def _decode(path: Path, into: Path) -> tuple[Check, tuple[Recording, ...]]:
    """Make the recordings from the wire log and compare them with the sealed ones."""
    name = "recordings decoded from the packets"
    if not (path / WIRE).exists():
        return Check(name, Outcome.NOT_DONE, "the case has no wire log"), ()
    wire = wire_log_at(path / WIRE)
    recordings = write_recordings(wire, into)
    made = {file.name: file for file in into.glob("*.wav")}
    sealed = {file.name: file for file in (path / DERIVED).glob("*.wav")}
    odd = [f"{each} was not sealed" for each in sorted(made.keys() - sealed.keys())]
    unequal = [
        file
        for each, file in sorted(sealed.items())
        if each not in made or made[each].read_bytes() != file.read_bytes()
    ]
    rounded = ""
    if unequal:
        odd += [f"{each.path.name}: {each.why}" for each in redecode_matches(wire, unequal)]
        rounded = f"; {len(unequal)} of them but for the rounding of another decoder"
    if odd:
        return Check(name, Outcome.DIFFERENT, "; ".join(odd)), recordings
    return Check(name, Outcome.SAME, f"{len(sealed)} files, the same{rounded}"), recordings


def _compared(path: Path, files: Mapping[str, bytes]) -> tuple[Check, ...]:
    """Each finding on the sealed words against the sealed file, byte for byte."""
    found = []
    for name, content in files.items():
        is_same = (path / DERIVED / name).read_bytes() == content
        found.append(
            Check(
                f"{name} from the sealed words",
                Outcome.SAME if is_same else Outcome.DIFFERENT,
                "byte for byte" if is_same else "the bytes differ",
            )
        )
    return tuple(found)


def enter(path: Path, done: Replay, custodian: Custodian, *, actor: str, reason: str) -> Record:
    """The custody entry of a replay, with the digest of its result.

    Raises:
        EvidenceError: the custody log was changed, or the disk refused.
    """
    return enter_custody(
        path,
        CustodyAction.REPLAYED,
        custodian,
        actor=actor,
        reason=reason,
        facts={
            "is_same": done.is_same,
            "result_sha256": sha256_hex(done.result),
            "versions": {pin.name: pin.now for pin in done.pins},
        },
    )


def keep(path: Path, done: Replay) -> Path:
    """Lay the result beside the sealed files as a new exhibit: a folder that is there whole or not
    at all. Enter it into custody first.

    Raises:
        EvidenceError: the disk refused.
    """
    name = done.at.replace("-", "").replace(":", "")
    target = path / REPLAYS / name
    draft = target.with_name(f".{name}.draft")
    try:
        for product in (*done.products, Product(RESULT, done.result, (), "ivr")):
            file = draft / product.path
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(file, product.content, SEALED)
        draft.replace(target)
        sync_folder(target.parent)
    except OSError as problem:
        raise refused(target, problem) from problem
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
