"""``ivr cases lock`` and ``unlock``: encryption at rest, by hand."""

import typer

from ivr.cli import context
from ivr.cli.holding import CASE, WHO, WHY, path_of, said, who
from ivr.cli.output import JSON_OPTION, console, print_json, run
from ivr.errors import UsageError
from ivr.settings import Settings


def lock(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Encrypt every case whose reports are settled; `ivr serve` does this all the time.

    A case that somebody reads now, or that waits for a report or a time-stamp, stays readable.
    """
    settings = context.of(ctx).settings
    if settings.encryption.recipients_file is None:
        raise UsageError(
            "Nothing was encrypted.",
            why="no [encryption] recipients_file is set",
            remedy="See docs/keeping.md, `Encryption`.",
        )
    done = run(_lock(settings))
    for case_id in done:
        if as_json:
            print_json({"case_id": case_id, "is_encrypted": True})
        else:
            console.print(f"{case_id}: encrypted", markup=False)
    if not done and not as_json:
        console.print("Nothing to encrypt.")


def unlock(
    ctx: typer.Context,
    case_id: str = CASE,
    actor: str = WHO,
    reason: str = WHY,
    as_json: bool = JSON_OPTION,
) -> None:
    """Make an encrypted case readable on the disk, until the next sweep encrypts it again.

    Commands that read a case need no unlock: they open it for themselves.
    """
    from ivr.app import open_custodian
    from ivr.casework.unlocking import unlock_case

    settings = context.of(ctx).settings
    path = run(path_of(settings, case_id))
    done = unlock_case(
        path, settings, open_custodian(settings), actor=who(actor), reason=said(reason)
    )
    if as_json:
        print_json({"case_id": path.name, "is_encrypted": False, "was_encrypted": done})
    else:
        console.print(f"{path.name}: {'readable' if done else 'was readable'}", markup=False)


async def _lock(settings: Settings) -> tuple[str, ...]:
    from ivr.app import open_custodian, open_ledger
    from ivr.casework.keeping import Keeper

    async with await open_ledger(settings) as ledger:
        return await Keeper(settings, ledger, open_custodian(settings)).lock()
