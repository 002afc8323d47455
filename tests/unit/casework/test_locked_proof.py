"""What `ivr verify` says of an encrypted case, with its key and without."""

import pytest

from ivr.casework.keeping import Keeper
from ivr.casework.key_proof import own_trust
from ivr.casework.locked_proof import AT_REST, NOT_DONE, prove_at_rest
from ivr.casework.proof import prove_files
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.locked import CASE_AGE
from tests.fakes.kept_site import KeptSite


@pytest.fixture
def site(quick_disk) -> KeptSite:
    return KeptSite.encrypting(quick_disk / "ivr-data")


@pytest.fixture
def path(site):
    path = site.case()
    append_custody(path, CustodyAction.VIEWED, site.custodian, actor="x", reason="")
    site.run(Keeper.lock)
    return path


def prove(site: KeptSite, path, **settings):
    keys = own_trust(site.root)
    chosen = KeptSite.encrypting(site.root, **settings).settings
    return prove_at_rest(
        path,
        chosen,
        keys,
        site.log_path,
        lambda clear: prove_files(clear, keys.trusted, site.log_path, None, keys),
    )


def failed(steps) -> list[str]:
    return [step.name for step in steps if not step.ok]


def test_with_the_key_every_step_is_done_and_the_encryption_is_proven_too(site, path):
    steps = prove(site, path)
    assert failed(steps) == []
    assert steps[-1].name == AT_REST
    assert [step.n for step in steps] == list(range(1, len(steps) + 1))


def test_without_the_key_it_is_said_which_steps_were_not_done(site, path):
    steps = prove(site, path, identity_file=None)
    assert [step.name for step in steps if step.ok] == [AT_REST, "custody", "site link"]
    assert failed(steps) == list(NOT_DONE)
    assert all(step.detail.startswith("not done: ") for step in steps if not step.ok)


def test_a_changed_byte_of_case_age_shows_without_the_key_too(site, path):
    data = bytearray((path / CASE_AGE).read_bytes())
    data[-1] ^= 1
    (path / CASE_AGE).write_bytes(data)
    assert AT_REST in failed(prove(site, path))
    assert AT_REST in failed(prove(site, path, identity_file=None))


def test_custody_put_back_shows_without_the_key_too(site, path):
    before = {n: (path / n).read_bytes() for n in ("custody.jsonl", "custody.head.jws")}
    append_custody(path, CustodyAction.HELD, site.custodian, actor="x", reason="y")
    for name, data in before.items():
        (path / name).write_bytes(data)
    assert "site link" in failed(prove(site, path, identity_file=None))


def test_another_seal_in_locked_json_shows_without_the_key_too(site, path):
    record = path / "locked.json"
    record.chmod(0o600)
    data = record.read_bytes()
    at = data.index(b'"seal_sha256":"') + 15
    record.write_bytes(data[:at] + b"0" * 64 + data[at + 64 :])
    assert {"custody", "site link"} & set(failed(prove(site, path, identity_file=None)))
