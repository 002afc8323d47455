"""Proving a case: the independent verifier, plus decoding its sound again from the packets, by two
decoders that share nothing."""

from pathlib import Path

from ivr.casework.key_proof import KeyTrust, key_steps, own_trust
from ivr.casework.vcon_proof import FILES, files_step, opened_vcon
from ivr.errors import IvrError
from ivr.evidence.bag_check import bagged_case, check_bag, is_bag
from ivr.evidence.layout import DERIVED, SITE_LOG, WIRE
from ivr.evidence.sound_check import check as check_sound
from ivr.evidence.steps import Broken, answered
from ivr.evidence.timestamp import Trust, timestamp_step
from ivr.evidence.verification import verify_here
from ivr.evidence.verifier import Step
from ivr.house import House
from ivr.media.recordings import redecode_matches
from ivr.media.repair import wire_log_at

REDECODE = "recordings match the packets"
SECOND_DECODER = "recordings by the second decoder"


def prove(path: Path, house: House) -> tuple[Step, ...]:
    """`prove_files` with the keys and the log of this site."""
    root = house.vault.parent
    keys, trust = own_trust(root), Trust.of(house.settings.timestamp)
    return prove_files(path, keys.trusted, root / SITE_LOG, trust, keys)


def prove_files(
    path: Path,
    key: Path | None,
    site_log: Path | None,
    trust: Trust | None = None,
    keys: KeyTrust | None = None,
) -> tuple[Step, ...]:
    """Every step of ``evidence/verifier.py``, then what takes more than it has: whose key it was,
    by keyring and certificate; the time-stamp of the seal; and each recording made again from the
    wire log and compared sample by sample, by the decoder that made it and by the one that exports
    carry (``evidence/sound_check.py``).

    Args:
        path: a case folder; a court folder (BagIt) around one, or a vCon with one in it: the steps
            of what is around it come first.
        key: the public key (PEM) the site is known by, if known.
        site_log: the site's log of seals, if at hand.
        trust: what a time-stamp must satisfy; None: the certificates kept with the case.
        keys: what the key is held against; None: ``key`` alone, and what an export carries.
    """
    if is_bag(path):
        of_bag = check_bag(path)
        case = bagged_case(path)
        # its custody ends with the export, which its own proof shows; the log knows what came later
        of_case = prove_files(case, key, None, trust, keys) if case else ()
        return tuple(step._replace(n=n) for n, step in enumerate((*of_bag, *of_case), 1))
    if path.is_file():
        with opened_vcon(path, keys or KeyTrust(key)) as (of_vcon, case):
            of_case = prove_files(case, key, None, trust, keys) if case else ()
            steps = [
                files_step(step.n, case) if case and step.name == FILES else step
                for step in (*of_vcon, *of_case)
            ]
        return tuple(step._replace(n=n) for n, step in enumerate(steps, 1))
    steps = list(verify_here(path, key, site_log, keys.keyring if keys else None))
    steps += key_steps(path, len(steps) + 1, keys or KeyTrust(key))
    steps.append(timestamp_step(path, len(steps) + 1, trust or Trust()))
    if (path / WIRE).exists():
        steps.append(_decode_again(path, len(steps) + 1))
        steps.append(answered(len(steps) + 1, SECOND_DECODER, lambda: _by_second_decoder(path)))
    return tuple(steps)


def _decode_again(path: Path, n: int) -> Step:
    copies = sorted((path / DERIVED).glob("*.wav"))
    try:
        mismatches = redecode_matches(wire_log_at(path / WIRE), copies)
    except IvrError as problem:
        return Step(n, REDECODE, False, f"{problem.what} {problem.why}")
    if mismatches:
        said = "; ".join(f"{each.path.name}: {each.why}" for each in mismatches)
        return Step(n, REDECODE, False, said)
    return Step(n, REDECODE, True, f"{len(copies)} recordings, every sample the same")


def _by_second_decoder(path: Path) -> str:
    found = check_sound(path)
    wrong = "; ".join(said for word, said in found if word == "FAIL")
    if wrong:
        raise Broken(wrong)
    others = "; ".join(f"{word}: {said}" for word, said in found if word != "ok")
    same = sum(word == "ok" for word, _ in found)
    return f"{same} recordings, every sample the same" + (f"; {others}" if others else "")
