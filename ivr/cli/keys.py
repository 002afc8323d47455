"""``ivr keys``: the key that signs for the site, its rotation and revocation."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ivr.cli import context
from ivr.cli.output import JSON_OPTION, console, print_json
from ivr.clock import SystemClock
from ivr.errors import EnvironmentProblem, UsageError
from ivr.settings import Settings

if TYPE_CHECKING:
    from ivr.evidence.keyring import Keyring, KeyringLine
    from ivr.evidence.rotation import KeyRoom

app = typer.Typer(no_args_is_help=True, help="The site's signing key: show, rotate, revoke.")
RESTART = "A running `ivr serve` signs with the key it began with: restart it (`ivr drain` first)."
BY_OPTION = typer.Option(
    None, "--by", help="Former private key (PEM) that signs this, when the key in use is lost."
)


@app.command()
def show(ctx: typer.Context, as_json: bool = JSON_OPTION) -> None:
    """Every key of the site: fingerprint, algorithm, since when, revoked when and why. Reads
    files alone; whether the key can sign is for `ivr doctor`."""
    from ivr.app import data_root
    from ivr.evidence.keyring import FIRST_KEY, Keyring, keyring_path

    settings = context.of(ctx).settings
    root = data_root(settings)
    ring = Keyring.of_site(root)
    if ring is None:
        raise EnvironmentProblem(
            "This site has no key yet.",
            why=f"{keyring_path(root)} is missing",
            remedy="It is made with the first case, or by `ivr keys rotate`.",
        )
    keys = [_shape(line, ring) for line in ring.endorsed.values()]
    certificate = _certificate(settings, ring)
    first = str(keyring_path(root).with_name(FIRST_KEY))
    if as_json:
        shown: dict[str, object] = {"site": ring.site, "keys": keys, "certificate": certificate}
        print_json({**shown, "keyring": str(keyring_path(root)), "first_key": first})
        return
    for key in keys:
        console.print(f"{key['key_sha256']}", markup=False)
        console.print(f"  {key['algorithm']}, {key['state']}, since {key['since']}", markup=False)
        if key["revoked_at"]:
            end = f"revoked {key['revoked_at']} at line {key['log_size']} of the site's log"
            console.print(f"  {end}: {key['reason']}", markup=False)
    if certificate:
        words = f"certificate of {certificate['key_sha256'][:16]}…: {certificate['subject']}"
        console.print(f"{words}, until {certificate['not_after']}", markup=False)
    console.print(f"hand out: {first}, with {keyring_path(root)}", markup=False)


@app.command()
def rotate(
    ctx: typer.Context,
    to: str = typer.Option(
        "", "--to", help="A private key (PEM) to take, or `pkcs11`; default: a new Ed25519 key."
    ),
    by: Path | None = BY_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Put a new key into use, endorsed by the old one. The old private key is kept aside."""
    room = _room(ctx, by)
    onto_token = to == "pkcs11"
    done = room.rotate(Path(to) if to and not onto_token else None, onto_token=onto_token)
    shape = {
        "key_sha256": done.present.key_sha256,
        "place": done.place,
        "former_sha256": done.former,
        "former_kept": str(done.kept) if done.kept else None,
        "was_interrupted": done.was_interrupted,
        "since": done.present.at,
    }
    if as_json:
        print_json(shape)
        return
    if done.was_interrupted:
        console.print("An interrupted rotation was finished; no other key was made.")
    console.print(f"signs now: {done.present.key_sha256}, {done.place}", markup=False)
    console.print(f"before:    {done.former}, kept: {done.kept or 'not here'}", markup=False)
    console.print(RESTART, markup=False)


@app.command()
def revoke(
    ctx: typer.Context,
    key: str = typer.Argument(help="Fingerprint of the key, or its first eight digits."),
    reason: str = typer.Option(..., "--why", help="Why; stands in the keyring for ever."),
    by: Path | None = BY_OPTION,
    as_json: bool = JSON_OPTION,
) -> None:
    """Withdraw a former key: what it sealed counts only where the site's log shows it earlier."""
    room = _room(ctx, by)
    _must_not_be_running_with(room, key)
    line = room.revoke(key, reason)
    if as_json:
        print_json({"key_sha256": line.key_sha256, "at": line.at, "log_size": line.log_size})
        return
    console.print(f"revoked: {line.key_sha256} at line {line.log_size} of the site's log")
    console.print("Give the new keyring to everyone who verifies cases of this site.")


@app.command()
def request(
    ctx: typer.Context,
    target: Path = typer.Option(..., "--to", help="File to write (PEM, PKCS #10)."),
    name: str = typer.Option(..., "--name", help="commonName: the organisation or service."),
    organisation: str = typer.Option("", "--organisation", help="As registered, with accents."),
    unit: str = typer.Option("", "--unit", help="Office within it."),
    locality: str = typer.Option("", "--locality", help="Commune or ward, or town."),
    province: str = typer.Option("", "--province", help="Province or city."),
    country: str = typer.Option("VN", "--country", help="Two letters."),
    tax_code: str = typer.Option("", "--tax-code", help="Mã số thuế; becomes UID MST:…"),
    is_on_token: bool = typer.Option(
        False, "--pkcs11", help="For the key of the settings on the token, in use or not."
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """A certificate request for an authority, signed by the site's key."""
    from ivr.evidence.bag import write_paper
    from ivr.evidence.certificate_request import Subject, certificate_request
    from ivr.evidence.signing import open_signer, token_key
    from ivr.evidence.token_signer import TokenSigner

    room = _room(ctx, None)
    where = token_key(room.evidence) if is_on_token else None
    if is_on_token and where is None:
        raise typer.BadParameter("[evidence] pkcs11_module is not set")
    signer = TokenSigner.open(where) if where else open_signer(room.evidence, room.root)
    subject = Subject(name, organisation, unit, locality, province, country, tax_code)
    try:
        pem = certificate_request(signer, subject)
    except ValueError as problem:
        raise UsageError(
            "The request cannot be made.", why=str(problem), remedy="Check names and country."
        ) from problem
    write_paper(target, pem)
    if as_json:
        print_json({"path": str(target), "key_sha256": signer.key_sha256})
        return
    console.print(f"{target}: request of {signer.key_sha256}", markup=False)
    console.print("Put what the authority returns into [evidence] certificate_file, leaf first.")


def _room(ctx: typer.Context, by: Path | None) -> "KeyRoom":
    from ivr.app import data_root
    from ivr.evidence.rotation import KeyRoom

    settings = context.of(ctx).settings
    return KeyRoom(settings.evidence, data_root(settings), SystemClock(), by)


def _must_not_be_running_with(room: "KeyRoom", beginning: str) -> None:
    """An agent that goes on sealing with a revoked key would make cases that nobody accepts."""
    from ivr.watch.control_socket import NAME, ask

    if not (room.root / NAME).exists():
        return
    try:
        told = ask(room.root, {"do": "status"})
    except EnvironmentProblem:  # a socket that a killed agent left
        return
    if str(told.get("key_sha256", "")).startswith(beginning.lower()):
        raise EnvironmentProblem(
            "The running agent still signs with that key.",
            why=f"process {told.get('pid')} began before the rotation",
            remedy="Restart `ivr serve`, then revoke.",
        )


def _shape(line: "KeyringLine", ring: "Keyring") -> dict[str, Any]:
    from ivr.evidence.algorithms import algorithm_of, read_public

    revoked = ring.revoked.get(line.key_sha256)
    former = "revoked" if revoked else "former"
    return {
        "key_sha256": line.key_sha256,
        "algorithm": algorithm_of(read_public(line.public_pem.encode(), "the key")),
        "state": "in use" if line == ring.newest else former,
        "since": line.at,
        "endorsed_by": line.signed_by,
        "revoked_at": revoked.at if revoked else None,
        "log_size": revoked.log_size if revoked else None,
        "reason": revoked.reason if revoked else None,
    }


def _certificate(settings: Settings, ring: "Keyring") -> dict[str, Any] | None:
    from ivr.evidence.certificates import is_of, name_of, read_certificates
    from ivr.settings import resolve

    file = settings.evidence.certificate_file
    if file is None:
        return None
    leaf = read_certificates(resolve(file), "[evidence] certificate_file")[0]
    of = next((key for key in ring.endorsed if is_of(leaf, key)), "a key that is not of this site")
    until = leaf.not_valid_after_utc
    return {"key_sha256": of, "subject": name_of(leaf), "not_after": f"{until:%Y-%m-%d %H:%M} UTC"}
