"""``ivr replay``: a case's findings made once more."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.clock import SystemClock
from ivr.errors import UsageError
from ivr.settings import Settings, resolve

if TYPE_CHECKING:
    from ivr.casework.replay_bench import InForce
    from ivr.casework.replay_findings import Replay


def replay(
    ctx: typer.Context,
    case: str = typer.Argument(
        help="Case id or its beginning, or a case folder or court folder wherever it lies."
    ),
    actor: str = typer.Option("", "--who", help="Who asks; default: this account."),
    reason: str = typer.Option("ivr replay", "--why", help="Why, e.g. the number of the request."),
    is_kept: bool = typer.Option(
        False, "--keep", help="Lay the result into the case as a new exhibit, outside the seal."
    ),
    listens: bool = typer.Option(
        True, "--listen/--no-listen", help="Recognise the recordings again, too."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Decode, judge and recognise a sealed case again, and compare with what was sealed.

    Exit 0: recordings, hits and verdict from the sealed words are the same; 1: they differ. Words
    heard again are compared and shown only.
    """
    from ivr.casework.replaying import keep
    from ivr.casework.unlocking import unlocked
    from ivr.evidence.bag_check import bagged_case, is_bag
    from ivr.evidence.canonical import sha256_hex
    from ivr.evidence.locked import is_locked

    settings = context.of(ctx).settings
    given = Path(case)
    bag = given if is_bag(given) else None
    folder = given if given.is_dir() else None
    path = (bagged_case(given) if bag else folder) or run(_path(settings, case))
    is_ours = _is_ours(settings, path)
    if is_kept and is_locked(path):
        raise UsageError(
            "The result was not kept.",
            why=f"the case {path.name} is encrypted",
            remedy=f"`ivr cases unlock {path.name}` first; the next sweep encrypts it again.",
        )
    if is_kept and not is_ours:
        raise UsageError(
            "The result was not kept.",
            why=f"{path} is a copy; only a case of this installation takes a new exhibit",
            remedy="Leave --keep out, or name the case by its id.",
        )
    with unlocked(path, settings) as clear:
        done = run(_replay(settings, clear, bag, listens=listens))
        if is_ours:
            _enter(settings, clear, done, actor or getpass.getuser(), reason)
        shape = {**done.shape, "path": str(path), "result_sha256": sha256_hex(done.result)}
        shape |= {"in_custody": is_ours, "exhibit": str(keep(clear, done)) if is_kept else None}
    if as_json:
        print_json(shape)
    else:
        _print(done, shape["exhibit"], is_in_custody=is_ours)
    raise typer.Exit(0 if done.is_same else 1)


def _print(done: "Replay", exhibit: str | None, *, is_in_custody: bool) -> None:
    from ivr.casework.replay_findings import told

    console.print("Versions, then and now:")
    for pin in done.pins:
        said = "same" if pin.is_same else f"then {_short(pin.then)}, now {_short(pin.now)}"
        console.print(f"  {pin.name}: {said}", markup=False)
    for n, check in enumerate(done.checks, 1):
        shown = "" if check.is_binding else " (shown only)"
        line = f"{n:3d}. {check.outcome}{shown}: {check.name}: {check.detail}"
        console.print(line, markup=False)
    heard = done.heard_again
    console.print(f"verdict then {told(done.then)}, now {told(done.now)}", markup=False)
    if heard is not None:
        console.print(f"verdict on the words heard again {told(heard)}", markup=False)
    again = () if done.hits_again is None else (("heard again", done.hits_again),)
    for name, hits in (("sealed words", done.hits), *again):
        for sign, phrases in (("+", hits.gained), ("-", hits.lost)):
            for phrase in phrases:
                console.print(f"  {sign} {phrase} [{name}]", markup=False)
    if exhibit is not None:
        console.print(f"exhibit: {exhibit}", markup=False)
    if not is_in_custody:
        console.print("A copy: nothing was entered into its custody log.")
    if done.is_same:
        console.print("[green]the same as it was sealed[/]")
    else:
        why = "though every version is the same" if done.has_same_versions else "see the versions"
        console.print(f"[bold red]different[/], {why}")


def _short(version: str) -> str:
    is_digest = len(version) == 64 and " " not in version
    return (version[:12] if is_digest else version) or "none"


def _is_ours(settings: Settings, path: Path) -> bool:
    from ivr.app import data_root

    return path.resolve().parent == (data_root(settings) / "cases").resolve()


def _enter(settings: Settings, path: Path, done: "Replay", actor: str, reason: str) -> None:
    from ivr.app import open_custodian
    from ivr.casework.replaying import enter

    enter(path, done, open_custodian(settings), actor=actor, reason=reason)


async def _replay(settings: Settings, path: Path, bag: Path | None, *, listens: bool) -> "Replay":
    from ivr.casework.replaying import replay as replaying

    return await replaying(path, _in_force(settings), SystemClock(), listens=listens, bag=bag)


def _in_force(settings: Settings) -> "InForce":
    from ivr.app import judge_of, settings_digest
    from ivr.casework.replay_bench import InForce
    from ivr.spotting.rulebook import Rulebook

    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    return InForce(settings, settings_digest(settings), rulebook, judge_of(settings, rulebook))


async def _path(settings: Settings, case_id: str) -> Path:
    from ivr.app import open_ledger

    async with await open_ledger(settings) as ledger:
        return Path((await ledger.case(case_id)).path)
