"""``ivr verify`` and ``ivr recover``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ivr.cli import context
from ivr.cli.log import HEAD_OPTION, trust_of
from ivr.cli.output import JSON_OPTION, console, print_json, progress, run
from ivr.cli.steps import AnyStep, print_steps
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.key_proof import KeyTrust
    from ivr.casework.site_state import SiteTrust
    from ivr.evidence.steps import Step
    from ivr.evidence.timestamp import Trust
    from ivr.journeys.recovery import Recovered


def verify(
    ctx: typer.Context,
    paths: list[Path] = typer.Argument(
        help="Case folders, court folders or vCons of `ivr export`, or whole data folders, "
        "wherever they lie."
    ),
    key: Path | None = typer.Option(
        None, "--key", help="Public key (PEM) of the site; default: this installation's, if any."
    ),
    tsa_ca: Path | None = typer.Option(
        None, "--tsa-ca", help="Certificates (PEM) time-stamps must lead to; default: [timestamp]."
    ),
    keyring: Path | None = typer.Option(
        None,
        "--keyring",
        help="Keyring of the site; default: this installation's, or the export's.",
    ),
    key_ca: Path | None = typer.Option(
        None, "--key-ca", help="Certificates (PEM) that the signer's certificate must lead to."
    ),
    heads: list[Path] = HEAD_OPTION,
    is_deep: bool = typer.Option(
        False, "--deep", help="Of a data folder: verify every case in all its steps, too."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Prove that nothing in a case was changed; of a data folder, that no case was taken away or
    put in and no custody put back since the log told of it. Reads only; needs no network.

    Exit 1 when any step fails. Without a trusted key a replaced key cannot be found, and the step
    says so.
    """
    from ivr.app import data_root
    from ivr.casework.key_proof import KeyTrust, own_trust
    from ivr.evidence.certificates import read_certificates
    from ivr.evidence.layout import SITE_LOG
    from ivr.evidence.timestamp import Trust

    settings = context.of(ctx).settings
    authorities = read_certificates(key_ca, "--key-ca") if key_ca else ()
    keys = KeyTrust(key, None, None, authorities)
    if key is None:
        keys = own_trust(data_root(settings), authorities)
    keys = replace(keys, keyring=keyring or keys.keyring)
    judge = _Judge(settings, keys, Trust.of(settings.timestamp, tsa_ca), is_own=key is None)
    is_good = True
    for path in paths:
        if (path / SITE_LOG).is_file():
            trust = trust_of(settings, path, key, keyring)
            steps = judge.site(path, trust, heads, is_deep=is_deep)
            good, bad = "every case in its place", "NOT as the log tells"
        else:
            steps = judge.files(path)
            good, bad = "nothing was changed", "NOT as it was sealed"
        ok = print_steps(steps, {"path": str(path)} if as_json else None)
        is_good = is_good and ok
        if not as_json:
            verdict = f"[green]{good}[/]" if ok else f"[bold red]{bad}[/]"
            console.print(f"{path}: {verdict}")
    raise typer.Exit(0 if is_good else 1)


@dataclass(frozen=True, slots=True)
class _Judge:
    """What `ivr verify` holds cases and sites against. ``is_own``: by this installation's key."""

    settings: Settings
    keys: "KeyTrust"
    stamps: "Trust"
    is_own: bool

    def files(self, path: Path) -> "Sequence[AnyStep]":
        from ivr.app import site_log_path
        from ivr.casework.locked_proof import prove_at_rest
        from ivr.casework.proof import prove_files

        log = site_log_path(self.settings)
        known = log if self.is_own and log.exists() else None

        def prove(clear: Path) -> "tuple[Step, ...]":
            return prove_files(clear, self.keys.trusted, known, self.stamps, self.keys)

        return prove_at_rest(path, self.settings, self.keys, known, prove)

    def site(
        self, root: Path, trust: "SiteTrust", heads: list[Path], *, is_deep: bool
    ) -> "Sequence[AnyStep]":
        from ivr.casework.site_proof import prove_site

        def told(done: int, of: int) -> None:
            if done == of or done % 100 == 0:
                progress.print(f"{done} of {of} cases verified")

        whole_case = partial(self._whole_case, root) if is_deep else None
        return prove_site(root, trust, heads, whole_case=whole_case, progress=told)

    def _whole_case(self, root: Path, path: Path) -> str:
        """What is wrong with a case. Its place in the log is proven for all cases at once; the
        log itself is needed only where it dates seals of a revoked key."""
        from ivr.casework.locked_proof import prove_at_rest
        from ivr.casework.proof import prove_files
        from ivr.evidence.keyring import Keyring
        from ivr.evidence.layout import SITE_LOG

        ring = Keyring.of_site(root)
        log = root / SITE_LOG if ring is not None and ring.revoked else None

        def prove(clear: Path) -> "tuple[Step, ...]":
            return prove_files(clear, self.keys.trusted, log, self.stamps, self.keys)

        steps = prove_at_rest(path, self.settings, self.keys, root / SITE_LOG, prove)
        return "; ".join(f"{step.name}: {step.detail}" for step in steps if not step.ok)


def recover(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Seal what a killed process left, enter what was sealed but never entered, finish deletions
    that were cut off, and ask for the time-stamps that lack.

    `ivr serve` does this too. Exit 1 when a case could not be recovered.
    """
    found = run(_recover(context.of(ctx).settings))
    for entry in found:
        if as_json:
            print_json({"case_id": entry.case_id, "action": entry.action, "detail": entry.detail})
        else:
            console.print(f"{entry.case_id}: {entry.action} ({entry.detail})", markup=False)
    if not found and not as_json:
        console.print("Nothing to recover.")
    raise typer.Exit(1 if any(entry.action == "failed" for entry in found) else 0)


async def _recover(settings: Settings) -> "tuple[Recovered, ...]":
    from ivr.app import open_house
    from ivr.casework.keeping import Keeper
    from ivr.journeys.recovery import Recovered, recover, stamp_waiting

    async with open_house(settings) as house:
        found = await recover(house)
        cut_off = await Keeper(settings, house.ledger, house.custodian).finish()
        deleted = [
            Recovered(each.case_id, "failed", str(each.problem))
            if each.problem
            else Recovered(each.case_id, "deleted", "a deletion that was cut off is finished")
            for each in cut_off
        ]
        return (*found, *deleted, *await stamp_waiting(house))
