"""Encryption at rest: what is locked reads as nothing without its key, and as itself with it."""

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from pyrage import x25519

from ivr.casework.keeping import Keeper
from ivr.casework.purging import BY_HAND, Order
from ivr.casework.unlocking import clean_work, renew_custody, unlock_case, unlocked
from ivr.errors import EnvironmentProblem, EvidenceError, SettingsError
from ivr.evidence.age_files import read_recipients
from ivr.evidence.custody import CustodyAction, append_custody, read_custody
from ivr.evidence.layout import seal_digest
from ivr.evidence.locked import CASE_AGE, is_locked, read_locked, reading
from ivr.evidence.reconciling import reconcile
from ivr.evidence.stamping import unstamped
from ivr.evidence.verification import verify_here
from ivr.facts.reports import Channel, DeliveryState
from tests.fakes.evidence_site import dies_in, in_child
from tests.fakes.kept_site import NUMBERS, WORDS, KeptSite

CASE = "01JDHZ0000000000000JUDGED"
MARKS = [mark.encode() for mark in (*NUMBERS, *WORDS)]
CLEAR = {"manifest.jws", "signer.pem", "custody.jsonl", "custody.head.jws", "locked.json"}


@pytest.fixture
def site(quick_disk) -> KeptSite:
    return KeptSite.encrypting(quick_disk / "ivr-data")


def files(path: Path) -> dict[str, bytes]:
    found = (each for each in path.rglob("*") if each.is_file())
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in found}


def lock(site: KeptSite) -> tuple[str, ...]:
    return site.run(Keeper.lock)


def told(path: Path) -> list[str]:
    return [str(entry["action"]) for entry in read_custody(path)]


def test_a_locked_case_holds_no_word_and_no_number_and_says_whose_seal_it_is(site):
    path = site.case()
    seal = seal_digest(path)
    assert lock(site) == (CASE,)
    assert set(files(path)) == {*CLEAR, CASE_AGE}
    content = b"".join(files(path).values())
    assert [mark for mark in MARKS if mark in content] == []
    assert seal_digest(path) == read_locked(path).seal_sha256 == seal
    assert told(path) == ["sealed", "locked"]
    assert lock(site) == ()


def test_with_the_identity_it_reads_as_it_was_sealed_and_nothing_stays_behind(site):
    path = site.case()
    (path / "reports" / "replays" / "then").mkdir(parents=True)
    (path / "reports" / "replays" / "then" / "replay.json").write_bytes(b"{}")
    (path / "reports" / "manifest.jws.tsr").write_bytes(b"token")
    before = files(path)
    lock(site)
    assert (path / "reports" / "manifest.jws.tsr").exists()
    with unlocked(path, site.settings) as clear:
        assert clear.name == CASE
        assert stat.S_IMODE(clear.parent.parent.stat().st_mode) == 0o700
        opened = files(clear)
        steps = verify_here(clear, site.public_key, site.log_path)
    assert {name: opened[name] for name in before if "custody" not in name} == {
        name: data for name, data in before.items() if "custody" not in name
    }
    assert set(opened) == set(before)
    assert [step for step in steps if not step.ok and step.name != "time-stamp"] == []
    assert list((site.root.parent / "work").iterdir()) == []


def test_a_readable_case_is_read_where_it_is(site):
    path = site.case()
    with unlocked(path, site.settings) as clear:
        assert clear == path


def test_entries_made_meanwhile_can_be_carried_into_the_opened_copy(site):
    path = site.case()
    lock(site)
    with unlocked(path, site.settings) as clear:
        append_custody(path, CustodyAction.EXPORTED, site.custodian, actor="x", reason="y")
        renew_custody(path, clear)
        assert told(clear) == ["sealed", "locked", "exported"]
        assert all(step.ok for step in verify_here(clear, site.public_key, site.log_path))


def test_without_the_identity_it_cannot_be_read_and_that_is_said(site, quick_disk):
    path = site.case()
    lock(site)
    blind = KeptSite.encrypting(site.root, identity_file=None).settings
    with pytest.raises(EnvironmentProblem, match="encrypted") as caught, unlocked(path, blind):
        pass
    assert "identity_file" in caught.value.why
    other = quick_disk / "other.txt"
    other.touch(mode=0o600)
    other.write_text(str(x25519.Identity.generate()))
    foreign = KeptSite.encrypting(site.root, identity_file=other).settings
    with pytest.raises(EvidenceError, match="cannot be decrypted"), unlocked(path, foreign):
        pass


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
def test_a_case_whose_report_waits_stays_readable(site, state):
    path = site.case()
    site.file(path, Channel.SMS, state=state)
    assert lock(site) == ()
    assert not is_locked(path)


def test_a_case_whose_time_stamp_waits_stays_readable(site):
    site.case()
    stamping = {"url": "http://127.0.0.1:1/", "ca_file": "ca.pem"}
    waiting = KeptSite(site.root, timestamp=stamping).settings.timestamp
    site.settings = site.settings.model_copy(update={"timestamp": waiting})
    assert lock(site) == ()


def test_a_case_encrypted_before_an_authority_was_set_waits_for_no_time_stamp(site):
    path = site.case()
    assert unstamped(site.vault) == (path,)
    lock(site)
    assert unstamped(site.vault) == ()


def test_a_case_that_somebody_reads_is_locked_later(site):
    path = site.case()
    with reading(path):
        assert lock(site) == ()
    assert lock(site) == (CASE,)


def test_a_locked_case_can_be_held_and_gets_entries_as_any_other(site):
    path = site.case()
    lock(site)
    append_custody(path, CustodyAction.HELD, site.custodian, actor="CQĐT", reason="QĐ 7")
    assert told(path)[-1] == "held"
    site.open_log()


def test_opened_for_good_it_is_as_before_and_is_locked_again_with_another_key(site):
    path = site.case()
    before = files(path)
    lock(site)
    first = read_locked(path)
    assert unlock_case(path, site.settings, site.custodian, actor="x", reason="replay")
    assert {k: v for k, v in files(path).items() if "custody" not in k} == {
        k: v for k, v in before.items() if "custody" not in k
    }
    assert told(path) == ["sealed", "locked", "unlocked"]
    assert all(step.ok for step in verify_here(path, site.public_key, site.log_path))
    assert not list((site.root.parent / "case-keys").iterdir())
    assert lock(site) == (CASE,)
    assert read_locked(path).age_sha256 != first.age_sha256


def test_ordinary_age_and_tar_open_it_too(site, quick_disk):
    """What the docs say of opening a case by hand, with the library in place of the program."""
    from pyrage import decrypt

    path = site.case()
    manifest = (path / "manifest.json").read_bytes()
    lock(site)
    text = (quick_disk / "identity.txt").read_text().splitlines()[1]
    key = decrypt(
        (quick_disk / "case-keys" / f"{CASE}.age").read_bytes(), [x25519.Identity.from_str(text)]
    )
    identity = x25519.Identity.from_str(key.decode().strip())
    (quick_disk / "case.tar").write_bytes(decrypt((path / CASE_AGE).read_bytes(), [identity]))
    into = quick_disk / "opened"
    into.mkdir()
    subprocess.run(["tar", "xf", quick_disk / "case.tar", "-C", into], check=True)
    assert (into / "manifest.json").read_bytes() == manifest


def test_deleting_shreds_also_copies_that_nobody_can_delete(site, quick_disk):
    """The store is write-once: a copy of both cases is kept aside. Only the keys go."""
    path, other = site.case(), site.case("01JDHZ0000000000000BESIDE0")
    lock(site)
    aside = shutil.copytree(site.vault, quick_disk / "write-once")
    site.run(lambda k: k.purger.purge(Order(CASE, "x", "y", BY_HAND, "scam")))
    assert not path.exists()
    assert [key.name for key in (quick_disk / "case-keys").iterdir()] == [f"{other.name}.age"]
    with pytest.raises(EnvironmentProblem) as caught, unlocked(aside / CASE, site.settings):
        pass
    assert "key" in caught.value.why
    with unlocked(aside / other.name, site.settings) as clear:
        assert (clear / "manifest.json").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:],
        lambda data: b"",
        lambda data: data + b"x",
    ],
    ids=["a byte short", "half", "a bit", "empty", "a byte more"],
)
def test_a_changed_case_age_is_an_error_and_leaves_nothing_readable(site, damage):
    path = site.case()
    lock(site)
    (path / CASE_AGE).write_bytes(damage((path / CASE_AGE).read_bytes()))
    with pytest.raises(EvidenceError, match="cannot be decrypted"), unlocked(path, site.settings):
        pass
    assert list((site.root.parent / "work").iterdir()) == []
    with pytest.raises(EvidenceError):
        unlock_case(path, site.settings, site.custodian, actor="x", reason="y")
    assert set(files(path)) == {*CLEAR, CASE_AGE}


def test_another_case_under_this_ones_name_is_found_out(site):
    path, other = site.case(), site.case("01JDHZ0000000000000BESIDE0")
    lock(site)
    keys = site.root.parent / "case-keys"
    shutil.copyfile(other / CASE_AGE, path / CASE_AGE)
    shutil.copyfile(keys / f"{other.name}.age", keys / f"{CASE}.age")
    with pytest.raises(EvidenceError, match="not the case"), unlocked(path, site.settings):
        pass


def test_copies_of_killed_readers_go_at_the_next_start_and_those_of_living_ones_stay(site):
    path = site.case()
    lock(site)
    work = site.root.parent / "work"

    def read(kept: KeptSite) -> None:
        with unlocked(path, kept.settings):
            Path("/dev/null").open("w").close()  # the moment of death

    total = dies_in(in_child, lambda: KeptSite.encrypting(site.root), read, 0)
    deaths = [
        dies_in(in_child, lambda: KeptSite.encrypting(site.root), read, n)
        for n in range(2, total, 5)
    ]
    assert set(deaths) == {0}
    assert len(list(work.iterdir())) >= 3
    with unlocked(path, site.settings) as clear:
        site.run(Keeper.finish)
        assert (clear / "manifest.json").exists()
    assert list(work.iterdir()) == []
    assert clean_work(work) == 0


@pytest.mark.parametrize(("act", "stride"), [("lock", 1), ("unlock", 3)])
def test_killed_at_any_moment_a_case_is_readable_or_encrypted_and_the_same(
    site, quick_disk, act, stride
):
    """Opening a case writes its files one after another: every third moment is looked at."""
    site.case()
    if act == "unlock":
        lock(site)
    model = quick_disk / "model"
    model.mkdir()
    site.root.rename(model / "ivr-data")
    for name in ("identity.txt", "recipients.txt"):
        shutil.copyfile(quick_disk / name, model / name)
        (model / name).chmod(0o600)
    if act == "unlock":
        shutil.copytree(quick_disk / "case-keys", model / "case-keys")

    def work(kept: KeptSite) -> None:
        if act == "lock":
            assert lock(kept) == (CASE,)
        else:
            assert unlock_case(
                kept.vault / CASE, kept.settings, kept.custodian, actor="x", reason="y"
            )

    def die(folder: Path, at: int) -> int:
        shutil.copytree(model, folder)
        return dies_in(in_child, lambda: KeptSite.encrypting(folder / "ivr-data"), work, at)

    operations = die(quick_disk / "whole", 0)
    assert operations > 15
    outcomes = set()
    for at in range(operations, 0, -stride):
        folder = quick_disk / str(at)
        die(folder, at)
        after = KeptSite.encrypting(folder / "ivr-data")
        path = after.vault / CASE
        reconcile(after.log)  # as every start does: custody up to its signed head
        after.run(Keeper.finish)
        outcomes.add(is_locked(path))
        if is_locked(path):
            assert set(files(path)) == {*CLEAR, CASE_AGE}, f"at {at}"
        else:
            assert not (path / CASE_AGE).exists()
        drafts = {f".{CASE}.custody.tmp", f".{CASE}.locked.tmp"}  # written over by the next
        assert {each.name for each in after.vault.iterdir()} - drafts == {CASE}, f"at {at}"
        with unlocked(path, after.settings) as clear:
            steps = verify_here(clear, after.public_key, after.log_path)
            assert [s for s in steps if not s.ok] == [], f"at {at}"
        shutil.rmtree(folder)
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "no recipient"), ("# only\n", "no recipient"), ("age1xyz\n", "Bech32"), ("é", "ascii")],
)
def test_recipients_that_cannot_be_used_are_named(site, content, why):
    site.case()
    site.settings.encryption.recipients_file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        read_recipients(site.settings.encryption.recipients_file)
    assert why in caught.value.why
    assert lock(site) == ()


def test_an_identity_that_others_may_read_is_refused_and_never_quoted(site):
    path = site.case()
    lock(site)
    site.settings.encryption.identity_file.chmod(0o644)
    with pytest.raises(SettingsError, match="cannot be used"), unlocked(path, site.settings):
        pass
    site.settings.encryption.identity_file.chmod(0o600)
    site.settings.encryption.identity_file.write_text("AGE-SECRET-KEY-1SECRET\n")
    with pytest.raises(SettingsError) as caught, unlocked(path, site.settings):
        pass
    assert "SECRET" not in caught.value.why


def test_the_record_of_an_encrypted_case_is_canonical_or_refused(site):
    path = site.case()
    lock(site)
    (path / "locked.json").chmod(0o600)
    stated = json.loads((path / "locked.json").read_bytes())
    (path / "locked.json").write_text(json.dumps(stated))
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_locked(path)
