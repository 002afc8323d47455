"""``ivr log``: the log of the site, and proofs from it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.cli.steps import print_steps
from ivr.errors import EnvironmentProblem, UsageError
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.casework.site_state import SiteKeys, SiteState, SiteTrust

app = typer.Typer(
    no_args_is_help=True,
    help="The log of the site: every seal, custody entry, deletion and key, under signed heads. "
    "Give heads away (`ivr log head --out`): who keeps one can find out for ever whether the log "
    "was cut, changed or put back.",
)
OUT_OPTION = typer.Option(None, "--out", help="Write it into this file instead of showing it.")
KEY_OPTION = typer.Option(
    None, "--key", help="Public key (PEM) of the site; default: this installation's first key."
)
KEYRING_OPTION = typer.Option(
    None, "--keyring", help="Keyring of the site; default: this installation's."
)
HEAD_OPTION = typer.Option(
    [], "--head", help="A signed head that was kept, to hold against the log; repeatable."
)


@app.command()
def show(
    ctx: typer.Context,
    case_id: str | None = typer.Option(None, "--case", help="Only this case: id or its beginning."),
    limit: int = typer.Option(50, "--limit", min=0, help="How many lines, the last ones; 0: all."),
    as_json: bool = JSON_OPTION,
) -> None:
    """The last lines of the log; with --json one object a line, as in the file.

    Example: ivr log show --case 01JDHZ --limit 0
    """
    state = _state(context.of(ctx).settings)
    found = [
        line
        for line in state.lines
        if case_id is None or str(line.get("case_id", "")).startswith(case_id)
    ]
    for line in found[-limit:] if limit else found:
        if as_json:
            print_json(line)
            continue
        told = " ".join(str(line[name]) for name in ("case_id", "action", "site") if name in line)
        digests = ("seal_sha256", "custody_chain", "key_sha256")
        digest = next((f"{name} {line[name][:16]}…" for name in digests if name in line), "")
        words = f"{line['n']:6d}  {line['at']}  {line['event']:12} {told}  {digest}"
        console.print(words.rstrip(), markup=False)


@app.command()
def head(ctx: typer.Context, out: Path | None = OUT_OPTION, as_json: bool = JSON_OPTION) -> None:
    """The signed head: length and Merkle root of the log now. Give it to somebody outside; they
    need nothing else to hold the log to it later.

    Example: ivr log head --out head-2026-11-25.jws
    """
    from ivr.evidence.canonical import canonical
    from ivr.evidence.heads import read_head_file
    from ivr.evidence.layout import SITE_HEAD

    settings = context.of(ctx).settings
    root, keys = _root(settings), _own_keys(settings)
    found = read_head_file(root / SITE_HEAD, keys.key_of)
    if out is not None:
        _write(out, canonical(found.signed))
    shown = {
        "site": found.site,
        "size": found.size,
        "root": found.root,
        "chain": found.chain,
        "at": found.at,
        "key_sha256": found.key_sha256,
        "file": str(out) if out else None,
    }
    if as_json:
        print_json({**shown, "head": found.signed})
        return
    for name, value in shown.items():
        if value is not None:
            console.print(f"{name}: {value}", markup=False)


@app.command()
def prove(
    ctx: typer.Context,
    case_id: str = typer.Argument(help="Case id, or the beginning of it."),
    out: Path | None = OUT_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Prove that a case's seal and its last custody entry are in the log: an inclusion file
    (RFC 9162), as exports carry it. `ivr log verify FILE` checks it anywhere.

    Example: ivr log prove 01JDHZ --out inclusion.json
    """
    from ivr.evidence.log_proofs import inclusion

    settings = context.of(ctx).settings
    state, keys = _state(settings), _own_keys(settings)
    found = [name for name in state.told.sealed if name.startswith(case_id)]
    if len(found) != 1:
        raise UsageError(
            f"No one case is meant by {case_id!r}.",
            why=f"{len(found)} cases in the log begin so",
            remedy="`ivr log show` and `ivr cases list` name them.",
        )
    _hand_over(inclusion(_root(settings), found[0], keys.key_of), out, as_json=as_json)


@app.command()
def consistency(
    ctx: typer.Context,
    old_head: Path = typer.Argument(help="Signed head that somebody kept (a .jws of heads/)."),
    out: Path | None = OUT_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Prove to whoever kept a head that the log still begins with what they saw: a consistency
    file (RFC 9162). `ivr log verify FILE` checks it anywhere.

    Example: ivr log consistency heads/1200.jws --out consistency.json
    """
    from ivr.evidence.heads import read_head_file
    from ivr.evidence.log_proofs import consistency as prove_consistency

    settings = context.of(ctx).settings
    keys = _own_keys(settings)
    first = read_head_file(old_head, keys.key_of)
    _hand_over(prove_consistency(_root(settings), first, keys.key_of), out, as_json=as_json)


@app.command()
def verify(
    ctx: typer.Context,
    file: Path | None = typer.Argument(
        None, help="An inclusion or consistency file to check instead of this site's log."
    ),
    heads: list[Path] = HEAD_OPTION,
    key: Path | None = KEY_OPTION,
    keyring: Path | None = KEYRING_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Check this site's log: its chain, its signed head, its keys, every earlier head. Reads the
    log alone; `ivr verify DATA_FOLDER` holds the cases against it, too. Exit 1 when a step fails.

    Example: ivr log verify --head head-kept-by-the-court.jws
    """
    from ivr.casework.site_proof import prove_log

    settings = context.of(ctx).settings
    trust = trust_of(settings, _root(settings), key, keyring)
    if file is not None:
        _check_file(file, trust, _root(settings), as_json=as_json)
        return
    steps = prove_log(_root(settings), trust, heads)
    raise typer.Exit(0 if print_steps(steps, {} if as_json else None) else 1)


def trust_of(
    settings: Settings, root: Path, key: Path | None = None, keyring: Path | None = None
) -> "SiteTrust":
    """By what a data folder is judged: this installation's own by its first key, another only by
    what is named."""
    from ivr.casework.site_state import SiteTrust

    if root.resolve() != _root(settings).resolve():
        return SiteTrust(key, keyring)
    own = SiteTrust.of_own(root, settings.evidence)
    return replace(own, key=key or own.key, keyring=keyring)


def _check_file(file: Path, trust: "SiteTrust", root: Path, *, as_json: bool) -> None:
    from ivr.casework.site_state import SiteKeys
    from ivr.evidence.log_proofs import CONSISTENCY_FORMAT, format_of

    keys, data = SiteKeys.read(root, trust), _read(file)
    is_consistency = format_of(data) == CONSISTENCY_FORMAT
    shown, words = (_consistent if is_consistency else _included)(data, keys)
    if as_json:
        print_json({"ok": True, **shown})
        return
    for line in words:
        console.print(line, markup=False)
    console.print(f"[green]proven[/] for the site {shown['site']}")


def _consistent(data: bytes, keys: "SiteKeys") -> tuple[dict[str, Any], list[str]]:
    from ivr.evidence.log_proofs import check_consistency

    first, second = check_consistency(data, keys.key_of)
    shown = {
        "site": second.site,
        "first": {"size": first.size, "root": first.root, "at": first.at},
        "second": {"size": second.size, "root": second.root, "at": second.at},
    }
    older = f"{first.size} lines at {first.at}"
    return shown, [f"{older} are the beginning of the {second.size} at {second.at}"]


def _included(data: bytes, keys: "SiteKeys") -> tuple[dict[str, Any], list[str]]:
    from ivr.evidence.log_proofs import check_inclusion

    proven = check_inclusion(data, keys.key_of)
    under = proven.head
    shown = {
        "site": under.site,
        "head": {"size": under.size, "root": under.root, "at": under.at},
        "entries": [{"index": index, "entry": line} for index, line in proven.lines],
    }
    words = []
    for index, line in proven.lines:
        told = f"{line.get('event')} {line.get('case_id', '')} {line.get('action', '')}"
        words.append(f"line {index} of {under.size}: {told}".rstrip())
    return shown, words


def _hand_over(data: bytes, out: Path | None, *, as_json: bool) -> None:
    """A proof: the file itself on standard output, or in a file of its own."""
    if out is None:
        typer.echo(data.decode())
        return
    _write(out, data)
    if as_json:
        print_json({"file": str(out), "size": len(data)})
    else:
        console.print(f"{out}: {len(data)} bytes; `ivr log verify {out}` checks it", markup=False)


def _root(settings: Settings) -> Path:
    from ivr.app import data_root

    return data_root(settings)


def _state(settings: Settings) -> "SiteState":
    from ivr.casework.site_state import SiteState

    state = SiteState.read(_root(settings))
    if state.problem is not None:
        raise state.problem
    return state


def _own_keys(settings: Settings) -> "SiteKeys":
    from ivr.casework.site_state import SiteKeys

    return SiteKeys.read(_root(settings), trust_of(settings, _root(settings)))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(
            f"{file} cannot be read.",
            why=problem.strerror or str(problem),
            remedy="Check the path and its permissions.",
        ) from problem


def _write(file: Path, data: bytes) -> None:
    from ivr.evidence.durable import write_atomic

    try:
        write_atomic(file, data)
    except OSError as problem:
        raise EnvironmentProblem(
            f"{file} could not be written.",
            why=problem.strerror or str(problem),
            remedy="Name a file in a folder that is there and may be written.",
        ) from problem
