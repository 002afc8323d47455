"""Time-stamps of the seal, from a real `openssl ts` authority over real HTTP."""

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ivr.casework.proof import prove_files
from ivr.errors import EnvironmentProblem, EvidenceError, SettingsError
from ivr.evidence.der_order import sorted_certificates
from ivr.evidence.stamping import Stamped, Stamper, unstamped
from ivr.evidence.timestamp import (
    STEP,
    TOKEN,
    TRUSTED,
    Trust,
    request_for,
    stored_stamp,
    timestamp_step,
)
from ivr.evidence.verification import verify_here
from ivr.settings import TimestampSettings
from tests.fakes.evidence_site import Site, SteppingClock
from tests.fakes.time_authority import TimeAuthority

OTHER = "01JDHZ0000000000000000CASF"


def settings(authority: TimeAuthority, **changes: object) -> TimestampSettings:
    return TimestampSettings(url=authority.url, ca_file=authority.ca_file, **changes)


def stamp(site: Site, authority: TimeAuthority, **changes: object) -> tuple[Stamped, ...]:
    return asyncio.run(Stamper(site.vault, settings(authority, **changes)).catch_up())


def trust(authority: TimeAuthority, **changes: object) -> Trust:
    return Trust.of(settings(authority, **changes))


def refusal(site: Site, authority: TimeAuthority, **changes: object) -> str:
    """Why the one case got no token; it waits as before, with nothing written."""
    (done,) = stamp(site, authority, **changes)
    assert done.stamp is None
    assert isinstance(done.problem, EnvironmentProblem)
    assert [path.name for path in unstamped(site.vault)] == [done.case_id]
    assert not (site.vault / done.case_id / TOKEN).parent.exists()
    return done.problem.why


@pytest.fixture
def authority(tmp_path: Path) -> TimeAuthority:
    return TimeAuthority(tmp_path / "authority")


@pytest.fixture(scope="module")
def stamped_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, TimeAuthority, Path]:
    """Two stamped cases; the path is the first's."""
    root = tmp_path_factory.mktemp("stamped")
    site, authority = Site(root / "ivr-data"), TimeAuthority(root / "authority")
    first, _ = site.sealed().path, site.sealed(OTHER).path
    with authority.serving():
        assert all(done.stamp for done in stamp(site, authority))
    return site, authority, first


@pytest.fixture
def case(stamped_once: tuple[Site, TimeAuthority, Path], tmp_path: Path) -> Path:
    copy = shutil.copytree(stamped_once[2], tmp_path / "copy")
    for file in copy.rglob("*"):
        file.chmod(0o700)
    return copy


def test_a_token_names_time_and_authority_and_leaves_the_seal_whole(stamped_once):
    site, authority, path = stamped_once
    step = timestamp_step(path, 12, trust(authority))
    assert step.ok
    assert (step.n, step.name) == (12, STEP)
    assert "CN=Giờ chuẩn" in step.detail
    found = stored_stamp(path)
    assert found is not None
    assert found.at.strftime("sealed before %Y-%m-%dT%H:%M:%S") in step.detail
    assert datetime.now(UTC) - found.at < timedelta(minutes=5)
    assert all(each.ok for each in verify_here(path, site.public_key, site.log_path))


def test_openssl_alone_accepts_the_token_kept(stamped_once):
    _, authority, path = stamped_once
    assert (path / TRUSTED).read_bytes() == authority.ca_file.read_bytes()
    subprocess.run(
        ["openssl", "ts", "-verify", "-data", "manifest.jws", "-in", TOKEN, "-CAfile", TRUSTED],
        cwd=path,
        check=True,
        capture_output=True,
        timeout=20,
    )


def test_without_a_trusted_certificate_the_step_says_what_it_did_not_compare(stamped_once):
    step = timestamp_step(stamped_once[2], 12, Trust())
    assert step.ok
    assert "authority not compared" in step.detail


def test_a_stamped_case_is_not_asked_for_again(stamped_once):
    site, authority, _ = stamped_once
    assert stamp(site, authority) == ()  # the authority is gone: a request would be a problem


def test_a_missing_token_is_stated_and_fails_only_when_demanded(sealed_once, authority):
    path = sealed_once[1]
    plain = timestamp_step(path, 12, trust(authority))
    assert plain.ok
    assert plain.detail.startswith("none:")
    demanded = timestamp_step(path, 12, trust(authority, required=True))
    assert not demanded.ok
    assert "require" in demanded.detail


def test_the_step_stands_among_those_of_ivr_verify(case, stamped_once):
    steps = {step.name: step for step in prove_files(case, None, None, trust(stamped_once[1]))}
    assert steps[STEP].ok


def test_no_changed_byte_of_a_token_changes_what_is_believed(case, stamped_once):
    """Every 7th byte. CMS leaves versions and names of algorithms unsigned: a change there passes,
    but then the step says the same time, authority, serial number and policy."""
    good = timestamp_step(case, 12, trust(stamped_once[1])).detail
    token = (case / TOKEN).read_bytes()
    believed = []
    for place in range(0, len(token), 7):
        changed = bytearray(token)
        changed[place] ^= 0x01
        (case / TOKEN).write_bytes(changed)
        step = timestamp_step(case, 12, trust(stamped_once[1]))
        if step.ok and step.detail != good:
            believed.append((place, step.detail))
    assert believed == []


@pytest.mark.parametrize("size", [0, 1, 8, 100, 500])
def test_a_cut_token_is_named(case, stamped_once, size):
    (case / TOKEN).write_bytes((case / TOKEN).read_bytes()[:size])
    assert not timestamp_step(case, 12, trust(stamped_once[1])).ok
    with pytest.raises(EvidenceError, match="does not hold"):
        stored_stamp(case)


def test_the_time_in_a_token_cannot_be_moved(case, stamped_once):
    found = stored_stamp(case)
    assert found is not None
    token, said = (case / TOKEN).read_bytes(), found.at.strftime("%Y%m%d%H%M%SZ").encode()
    assert token.count(said) == 1
    (case / TOKEN).write_bytes(token.replace(said, b"20200101000000Z"))
    step = timestamp_step(case, 12, trust(stamped_once[1]))
    assert not step.ok


def test_the_token_of_another_case_is_found(case, stamped_once):
    site, authority, _ = stamped_once
    shutil.copyfile(site.vault / OTHER / TOKEN, case / TOKEN)
    step = timestamp_step(case, 12, trust(authority))
    assert not step.ok
    assert "Mismatch between messages" in step.detail


def test_a_token_of_an_authority_that_is_not_trusted_is_found(case, authority):
    assert not timestamp_step(case, 12, trust(authority)).ok


def test_a_signer_whose_certificate_had_expired_is_refused(site, tmp_path):
    expired = TimeAuthority(tmp_path / "expired", days=(-30, -1))
    site.sealed()
    with expired.serving():
        assert "certificate has expired" in refusal(site, expired)


def test_a_stored_token_of_an_expired_signer_fails_too(case, stamped_once, tmp_path):
    expired = TimeAuthority(tmp_path / "expired", days=(-30, -1))
    query = request_for((case / "manifest.jws").read_bytes()).as_bytes()
    (case / TOKEN).write_bytes(expired.answer(query))
    step = timestamp_step(case, 12, trust(expired))
    assert not step.ok
    assert "expired" in step.detail


def test_a_manifest_that_says_later_than_the_token_is_refused(quick_disk, authority):
    ahead = SteppingClock(wall=datetime.now(UTC) + timedelta(minutes=10))
    site = Site(quick_disk / "ahead", clock=ahead)
    path = site.sealed().path
    with authority.serving():
        assert "the seal was already stamped" in refusal(site, authority)
        (done,) = stamp(site, authority, clock_tolerance_s=3600.0)
    assert done.stamp
    assert timestamp_step(path, 12, trust(authority, clock_tolerance_s=3600.0)).ok
    step = timestamp_step(path, 12, trust(authority))
    assert not step.ok
    assert "the manifest says sealed at" in step.detail


def test_an_authority_that_is_away_loses_nothing_and_is_asked_again(site, authority):
    with authority.serving():
        pass  # a port of its own, closed again
    paths = [site.sealed().path, site.sealed(OTHER).path]
    (done,) = stamp(site, authority)  # one try, not one for each case
    assert isinstance(done.problem, EnvironmentProblem)
    assert unstamped(site.vault) == tuple(paths)
    with authority.serving():
        assert [each.case_id for each in stamp(site, authority)] == [path.name for path in paths]
    assert unstamped(site.vault) == ()


async def test_the_task_of_serve_stamps_when_the_authority_comes_back(site, authority):
    with authority.serving():
        pass
    path = site.sealed().path
    running = asyncio.create_task(Stamper(site.vault, settings(authority, every_s=0.02)).run())
    try:
        await asyncio.sleep(0.05)  # some rounds into the void; nothing hangs on how many
        with authority.serving():
            async with asyncio.timeout(20):
                while not (path / TOKEN).exists():  # noqa: ASYNC110 - a file sets no event
                    await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert timestamp_step(path, 12, trust(authority)).ok


def test_one_case_that_is_refused_does_not_keep_the_others_back(site, authority):
    site.sealed()
    other = site.sealed(OTHER).path
    with authority.serving():
        stamper = Stamper(site.vault, settings(authority))
        authority.status = 503
        asyncio.run(stamper.catch_up())
        authority.status = 200
        done = asyncio.run(stamper.catch_up())
    assert done[0].case_id == other.name
    assert all(each.stamp for each in done)


def test_an_answer_to_another_request_is_refused_by_its_nonce(site, authority):
    site.sealed()
    with authority.serving():
        authority.status = 500
        refusal(site, authority)
        authority.status, authority.canned = 200, authority.answers[0]
        assert "Nonce mismatch" in refusal(site, authority)


def test_another_policy_than_the_one_demanded_is_refused(site, authority):
    site.sealed()
    with authority.serving():
        assert "Policy ID mismatch" in refusal(site, authority, policy="1.2.3.4")


def test_a_rejection_is_told_in_the_authoritys_words(site, authority):
    site.sealed()
    authority.digests = "sha512"
    with authority.serving():
        why = refusal(site, authority)
    assert "the authority refused: status 2" in why
    assert "not supported" in why


@pytest.mark.parametrize("answer", [b"<html>login</html>", b"0", b"0" * (2 << 20)])
def test_an_answer_that_is_no_token_is_refused(site, authority, answer):
    site.sealed()
    authority.canned = answer
    with authority.serving():
        assert "127.0.0.1" in refusal(site, authority)


def test_a_chain_that_is_not_in_the_order_of_der_is_taken(site, authority):
    path = site.sealed().path
    authority.sends_chain = True
    with authority.serving():
        (done,) = stamp(site, authority)
    assert done.stamp
    token = (path / TOKEN).read_bytes()
    assert token == authority.answers[0]
    assert sorted_certificates(token) != token
    assert len(sorted_certificates(token)) == len(token)
    assert timestamp_step(path, 12, trust(authority)).ok


@given(st.binary(max_size=64))
def test_what_is_no_answer_stays_as_it_is(junk):
    assert sorted_certificates(junk) == junk


@pytest.mark.parametrize("url", ["http://[", "http://127.0.0.1:99999/", "http:///tsr"])
def test_an_address_of_no_server_is_refused(tmp_path, url):
    with pytest.raises(ValidationError, match=r"timestamp\.url"):
        TimestampSettings(url=url, ca_file=tmp_path / "ca.pem")


@pytest.mark.parametrize("url", ["http://[", "http://.invalid./"])
def test_an_address_that_cannot_be_used_is_told_and_ends_nothing(site, authority, url):
    site.sealed()
    wanted = settings(authority).model_copy(update={"url": url})
    (done,) = asyncio.run(Stamper(site.vault, wanted).catch_up())
    assert isinstance(done.problem, EnvironmentProblem)
    assert url in done.problem.why


async def test_a_vault_that_cannot_be_read_is_told_and_looked_at_again(site, authority):
    vault = site.vault
    vault.rmdir() if vault.exists() else None
    vault.write_text("no folder")
    with authority.serving():
        running = asyncio.create_task(Stamper(vault, settings(authority, every_s=0.02)).run())
        try:
            with pytest.raises(NotADirectoryError):
                await asyncio.to_thread(unstamped, vault)
            vault.unlink()
            path = (await asyncio.to_thread(site.sealed)).path
            async with asyncio.timeout(20):
                while not (path / TOKEN).exists():  # noqa: ASYNC110 - a file sets no event
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def test_settings_without_certificates_are_refused():
    with pytest.raises(ValidationError, match=r"timestamp\.ca_file"):
        TimestampSettings(url="http://tsa.example/")


def test_unreadable_certificates_are_named(tmp_path):
    (tmp_path / "none.pem").write_text("none")
    with pytest.raises(SettingsError, match="certificates"):
        Trust.of(TimestampSettings(), tmp_path / "none.pem")
