"""`ivr verify` on a whole site: each crime that a single case cannot show is found, and named."""

import json
import shutil
import threading

import pytest
from typer.testing import CliRunner

from ivr.casework.purging import BY_HAND, Order
from ivr.casework.site_proof import prove_log, prove_site
from ivr.casework.site_state import SiteTrust
from ivr.cli.main import app
from ivr.errors import EvidenceError, IvrError
from ivr.evidence import events
from ivr.evidence.canonical import canonical, sha256_hex
from ivr.evidence.chained import link
from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.heads import publish, sign_head
from ivr.evidence.merkle import leaf_hash, root_of
from ivr.evidence.rotation import KeyRoom
from ivr.evidence.signer import CUSTODY_TYPE
from ivr.settings import EvidenceSettings
from tests.fakes.evidence_site import AT_SITE, Site
from tests.fakes.kept_site import KeptSite

CASES = ("01A", "01B", "01C")


def note(site, case_id="01A"):
    path = site.vault / case_id
    return append_custody(path, CustodyAction.VIEWED, site.custodian, actor="An", reason="")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Three cases with custody after the seal, and heads of three moments laid out."""
    site = Site(tmp_path_factory.mktemp("site") / "ivr-data")
    for case_id in CASES:
        site.sealed(case_id)
        publish(site.root, site.root / "heads")
    for case_id in ("01A", "01B", "01A"):
        note(site, case_id)
    publish(site.root, site.root / "heads")
    return site


@pytest.fixture
def crime_scene(once, quick_disk):
    """A copy to commit crimes in, as a site that goes on working."""
    root = quick_disk / "ivr-data"
    shutil.copytree(once.root, root)
    for file in root.rglob("*.json*"):
        file.chmod(0o600)
    return Site(root, clock=once.clock)


def failed(site, **given):
    trust = SiteTrust(key=site.root / "keys" / "first.pub.pem")
    steps = prove_site(site.root, given.pop("trust", trust), **given)
    assert [step.n for step in steps] == list(range(1, len(steps) + 1))
    return {step.name: step.detail for step in steps if not step.ok}


def lines_of(site):
    return site.log_path.read_bytes().splitlines(keepends=True)


def chained_anew(site, change):
    """The log after ``change``, numbered and chained again; no key is needed for that."""
    records = [json.loads(line) for line in lines_of(site)]
    previous, anew = records[0]["previous"], []
    change(records)
    for n, record in enumerate(records):
        fields = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        anew.append(link(fields, n, previous))
        previous = anew[-1]["chain"]
    site.log_path.write_bytes(b"".join(canonical(record) + b"\n" for record in anew))


def signed_anew(site):
    """The head over what stands in the log now, by the site's own key: the thief has it."""
    lines = lines_of(site)
    root = root_of(leaf_hash(line[:-1]) for line in lines).hex()
    chain = json.loads(lines[-1])["chain"]
    head = sign_head("dak-lak", len(lines), root, chain, "2026-11-25T09:00:00Z", site.signer)
    (site.root / "site-log.head.jws").write_bytes(head)


def both_files(site):
    return {
        name: (site.root / name).read_bytes() for name in ("site-log.jsonl", "site-log.head.jws")
    }


def put_back(site, files):
    for name, data in files.items():
        (site.root / name).write_bytes(data)


# --- a good site ----------------------------------------------------------------------------------


def test_every_step_of_a_good_site_holds_and_says_what_was_looked_at(once):
    steps = {s.name: s for s in prove_site(once.root, SiteTrust(once.root / "keys/first.pub.pem"))}
    assert all(step.ok for step in steps.values())
    assert "7 lines of dak-lak, 3 seals" in steps["site log"].detail
    assert "over 7 lines" in steps["signed head"].detail
    assert "continues all 4" in steps["earlier heads"].detail
    assert "3 entries after the seals" in steps["custody"].detail


def test_without_a_key_it_says_that_no_key_was_compared(once):
    steps = {step.name: step for step in prove_log(once.root, SiteTrust())}
    assert all(step.ok for step in steps.values())
    assert "not compared with a key" in steps["keys"].detail


def test_a_folder_that_is_no_site_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="no data folder with a log"):
        prove_site(tmp_path, SiteTrust())


def test_a_house_that_goes_on_working_is_no_false_alarm(crime_scene):
    working, problems = threading.Event(), []

    def work():
        try:
            for n in range(12):
                crime_scene.sealed(f"01W{n}")
                note(crime_scene, "01C")
        except EvidenceError as problem:
            problems.append(problem)
        finally:
            working.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not working.is_set():
        assert failed(crime_scene) == {}
    worker.join()
    assert problems == []
    assert failed(crime_scene) == {}


# --- the log itself -------------------------------------------------------------------------------

UNSIGNED = {
    "the last line taken off": lambda lines: lines[:-1],
    "a line taken out": lambda lines: [*lines[:2], *lines[3:]],
    "a line doubled": lambda lines: [*lines[:3], *lines[2:]],
    "two lines exchanged": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "one letter changed": lambda lines: [lines[0].replace(b"dak-lak", b"dak-lam"), *lines[1:]],
    "half of the last line": lambda lines: [*lines[:-1], lines[-1][:40]],
    "all taken off": lambda lines: [],
}


@pytest.mark.parametrize("crime", UNSIGNED)
def test_the_log_changed(crime_scene, crime):
    crime_scene.log_path.write_bytes(b"".join(UNSIGNED[crime](lines_of(crime_scene))))
    assert failed(crime_scene).keys() & {"site log", "signed head"}


def test_any_bit_of_any_line_flipped(crime_scene):
    whole = crime_scene.log_path.read_bytes()
    for at in range(0, len(whole), 97):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        crime_scene.log_path.write_bytes(flipped)
        steps = prove_log(crime_scene.root, SiteTrust(crime_scene.root / "keys/first.pub.pem"))
        assert not all(step.ok for step in steps), f"byte {at}"


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records.pop(2),
        lambda records: records.insert(2, records[1] | {"case_id": "01X"}),
        lambda records: records.reverse(),
        lambda records: records.__setitem__(1, records[1] | {"seal_sha256": "a" * 64}),
        lambda records: records.pop(),
    ],
    ids=["a line out", "a line in", "turned round", "a seal exchanged", "the last line off"],
)
def test_the_log_changed_and_chained_anew_is_not_the_one_that_was_signed(crime_scene, change):
    with_first = json.loads(lines_of(crime_scene)[0])
    chained_anew(crime_scene, lambda r: (change(r), r.sort(key=lambda x: x["event"] != "begun")))
    assert json.loads(lines_of(crime_scene)[0]) == with_first
    assert "signed head" in failed(crime_scene)


def test_a_line_taken_out_and_the_head_signed_anew_by_the_same_key(crime_scene):
    """The thief has the key of the site; not the heads that were laid out before."""
    chained_anew(crime_scene, lambda records: records.pop(2))
    signed_anew(crime_scene)
    found = failed(crime_scene)
    assert "signed head" not in found
    assert "not those that were signed" in found["earlier heads"]


def test_log_and_head_put_back_to_an_older_state_together(crime_scene):
    older = both_files(crime_scene)
    for _ in range(3):
        note(crime_scene)
    publish(crime_scene.root, crime_scene.root / "heads")
    put_back(crime_scene, older)
    found = failed(crime_scene)
    assert found["earlier heads"].startswith("10.jws: 10 lines were signed")
    assert "custody" in found


def test_a_whole_site_put_back_to_an_older_state_is_found_by_a_head_that_was_kept(
    crime_scene, tmp_path
):
    """Log, head, cases and laid out heads all come from the same backup: nothing in it is odd."""
    older = shutil.copytree(crime_scene.root, tmp_path / "backup")
    note(crime_scene)
    kept = shutil.copy(crime_scene.root / "site-log.head.jws", tmp_path / "kept.jws")
    back = Site(older)
    assert failed(back) == {}
    found = failed(back, held=[kept])
    assert found == {"heads that were kept": found["heads that were kept"]}
    assert "cut or put back" in found["heads that were kept"]


def test_an_older_head_put_in_place_of_the_present_one(crime_scene):
    shutil.copy(crime_scene.root / "heads" / "3.jws", crime_scene.root / "site-log.head.jws")
    assert "the last 4 lines are not signed" in failed(crime_scene)["signed head"]


def test_the_head_taken_away(crime_scene):
    (crime_scene.root / "site-log.head.jws").unlink()
    assert "is missing" in failed(crime_scene)["signed head"]


def test_a_head_among_the_earlier_ones_that_was_changed(crime_scene):
    file = crime_scene.root / "heads" / "3.jws"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"signature":"', b'"signature":"A', 1))
    assert failed(crime_scene).keys() == {"earlier heads"}


def test_a_head_of_another_site_held_against_it(crime_scene, tmp_path):
    other = Site(tmp_path / "other")
    found = failed(crime_scene, held=[other.root / "site-log.head.jws"])
    assert "a key that does not count here" in found["heads that were kept"]


def test_another_site_with_another_key_in_its_place(crime_scene, tmp_path):
    """All made anew by somebody who has not the key: complete, sound, and of another key."""
    other = Site(tmp_path / "other")
    for case_id in CASES:
        other.sealed(case_id)
    trust = SiteTrust(key=crime_scene.root / "keys" / "first.pub.pem")
    found = failed(other, trust=trust)
    assert {"signed head", "keys"} <= found.keys()


# --- cases ----------------------------------------------------------------------------------------


def test_a_case_taken_away(crime_scene):
    shutil.rmtree(crime_scene.vault / "01B")
    assert failed(crime_scene) == {"cases in their place": "01B is missing"}


def test_two_cases_exchanged(crime_scene):
    (crime_scene.vault / "01A").rename(crime_scene.vault / "x")
    (crime_scene.vault / "01B").rename(crime_scene.vault / "01A")
    (crime_scene.vault / "x").rename(crime_scene.vault / "01B")
    found = failed(crime_scene)["cases in their place"]
    assert "01A is another case than the one that was sealed" in found
    assert "01B is another case" in found


def test_a_case_of_another_site_put_in(crime_scene, tmp_path):
    other = Site(tmp_path / "other")
    shutil.copytree(other.sealed("01Z").path, crime_scene.vault / "01Z")
    assert failed(crime_scene) == {"no other cases": "sealed, and not in the log: 01Z"}


def test_the_seal_of_a_case_broken(crime_scene):
    (crime_scene.vault / "01C" / "manifest.jws").unlink()
    found = failed(crime_scene)
    assert found == {"cases in their place": "01C has no seal any more"}


def test_a_case_that_is_not_sealed_yet_is_no_crime(crime_scene):
    folder = crime_scene.open_case("01OPEN")
    assert failed(crime_scene) == {}
    folder.release()


def test_custody_put_back_to_an_older_state_with_its_head(crime_scene):
    """The case alone verifies; only the log knows that there was more."""
    case = crime_scene.vault / "01A"
    older = {name: (case / name).read_bytes() for name in ("custody.jsonl", "custody.head.jws")}
    note(crime_scene)
    for name, data in older.items():
        (case / name).write_bytes(data)
    found = failed(crime_scene)
    assert found.keys() == {"custody"}
    assert "3 entries followed the seal, 2 are there" in found["custody"]


def custody_anew(site, case_id, change):
    """Custody changed, chained again and signed by the site's own key."""
    path = site.vault / case_id
    records = [json.loads(line) for line in (path / "custody.jsonl").read_bytes().splitlines()]
    previous, anew = records[0]["previous"], []
    change(records)
    for n, record in enumerate(records):
        fields = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        anew.append(link(fields, n, previous))
        previous = anew[-1]["chain"]
    lines = [canonical(record) for record in anew]
    (path / "custody.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    head = canonical(site.signer.sign(lines[-1], CUSTODY_TYPE))
    (path / "custody.head.jws").write_bytes(head)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[1].update(actor="nobody"), "another than the one that the log tells"),
        (lambda r: r.pop(1), "2 entries followed the seal, 1 are there"),
        (lambda r: r.append(r[-1] | {"actor": "nobody"}), "1 entries are not in the log"),
        (lambda r: r[2].update(at="2026-11-24T00:00:00.000000Z"), "another than the one"),
    ],
    ids=["a name changed", "an entry out", "an entry in", "a time changed"],
)
def test_custody_changed_and_signed_anew_by_the_same_key(crime_scene, change, said):
    custody_anew(crime_scene, "01A", change)
    found = failed(crime_scene)
    assert found.keys() == {"custody"}
    assert said in found["custody"]


def test_custody_cut_without_its_head(crime_scene):
    path = crime_scene.vault / "01A" / "custody.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert "custody does not end where it was signed" in failed(crime_scene)["custody"]


def test_an_entry_that_a_crash_kept_out_of_the_log_is_named_until_it_is_told(crime_scene):
    older = both_files(crime_scene)
    note(crime_scene, "01C")
    put_back(crime_scene, older)
    assert "01C: 1 entries are not in the log: `ivr recover`" in failed(crime_scene)["custody"]
    crime_scene.open_log().reconcile()
    assert failed(crime_scene) == {}


def test_what_was_left_half_done_is_named(crime_scene):
    with crime_scene.log.turn() as turn:
        turn.intend(events.custody("01A", 3, "a" * 64, "viewed", "2026-11-25T00:00:00.000000Z"))
    assert "ivr recover" in failed(crime_scene)["nothing half done"]
    crime_scene.open_log()
    assert failed(crime_scene) == {}


def test_a_deep_proof_looks_at_every_case(crime_scene):
    looked_at, told = [], []

    def whole_case(path):
        looked_at.append(path.name)
        return "files: derived/caller.wav was changed" if path.name == "01B" else ""

    found = failed(
        crime_scene, whole_case=whole_case, progress=lambda done, of: told.append((done, of))
    )
    assert found == {"each case whole": "01B: files: derived/caller.wav was changed"}
    assert looked_at == list(CASES)
    assert told == [(1, 3), (2, 3), (3, 3)]


# --- deletions ------------------------------------------------------------------------------------


@pytest.fixture
def purged(quick_disk):
    """A site with one case deleted on record and one that stays."""
    site = KeptSite(quick_disk / "purged")
    site.case("01GONE")
    site.case("01STAYS")
    backup = shutil.copytree(site.vault / "01GONE", quick_disk / "backup")
    order = Order("01GONE", "Hoa", "hết hạn lưu", BY_HAND, "scam")
    site.run(lambda keeper: keeper.purger.purge(order))
    return site, backup


def test_a_case_deleted_on_record_is_not_missing(purged):
    site, _ = purged
    assert failed(site) == {}
    steps = {step.name: step.detail for step in prove_site(site.root, SiteTrust())}
    assert steps["deletions"] == "1 cases deleted, each with its tombstone"
    assert steps["cases in their place"].startswith("1 cases")


def test_a_deleted_case_that_came_back(purged):
    site, backup = purged
    shutil.copytree(backup, site.vault / "01GONE")
    assert "01GONE was deleted and is there" in failed(site)["deletions"]


def test_a_tombstone_taken_away_or_changed(purged):
    site, _ = purged
    stone = site.root / "tombstones" / "01GONE.jws.json"
    whole = stone.read_bytes()
    stone.chmod(0o600)
    stone.write_bytes(whole.replace(b'"signature":"', b'"signature":"A', 1))
    assert "its tombstone does not count" in failed(site)["deletions"]
    stone.unlink()
    assert "its tombstone does not count" in failed(site)["deletions"]


def test_a_tombstone_of_which_the_log_does_not_tell(purged):
    """A case taken away, with a tombstone that the thief signed and did not tell the log."""
    site, _ = purged
    stones = site.root / "tombstones"
    shutil.copy(stones / "01GONE.jws.json", stones / "01STAYS.jws.json")
    shutil.rmtree(site.vault / "01STAYS")
    found = failed(site)
    assert found["cases in their place"] == "01STAYS is missing"
    assert "does not tell of the tombstone 01STAYS.jws.json" in found["deletions"]


# --- keys -----------------------------------------------------------------------------------------


@pytest.fixture
def rotated(crime_scene):
    """After a rotation and the revocation of the first key; the first key's file is the thief's."""
    room = KeyRoom(EvidenceSettings(site="dak-lak"), crime_scene.root, crime_scene.clock)
    stolen = crime_scene.signer
    done = room.rotate()
    room.revoke(done.former, "lost with a laptop")
    fresh = Site(crime_scene.root, clock=crime_scene.clock)
    fresh.stolen = stolen
    return fresh


def test_keys_that_followed_count_and_old_heads_of_a_revoked_one_too(rotated):
    rotated.sealed("01NEW")
    assert failed(rotated) == {}
    steps = {step.name: step.detail for step in prove_site(rotated.root, SiteTrust())}
    assert "keyring of 2 keys" in steps["keys"]
    assert "2 changes of keys are in the log" in steps["keys"]


def test_a_head_signed_with_a_revoked_key_after_its_revocation(rotated):
    rotated.sealed("01NEW")
    thief = Site.__new__(Site)
    thief.root, thief.log_path, thief.signer = rotated.root, rotated.log_path, rotated.stolen
    signed_anew(thief)
    assert "a key that does not count here" in failed(rotated)["signed head"]


def test_a_change_of_keys_of_which_the_log_does_not_tell(rotated):
    chained_anew(rotated, lambda records: records.pop())
    signed_anew(rotated)
    assert "the log does not tell that" in failed(rotated)["keys"]


def test_a_keyring_cut_short(rotated):
    ring = rotated.root / "keys" / "keyring.jsonl"
    ring.chmod(0o600)
    ring.write_bytes(b"".join(ring.read_bytes().splitlines(keepends=True)[:1]))
    assert "tells of a key that the keyring lacks" in failed(rotated)["keys"]


# --- the command ----------------------------------------------------------------------------------


def ivr(site, *words):
    return CliRunner().invoke(app, ["--data", str(site.root), *words], env=AT_SITE)


def test_the_log_is_shown_line_by_line(once):
    shown = ivr(once, "log", "show", "--json", "--limit", "0")
    assert shown.exit_code == 0
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert lines == [json.loads(line) for line in lines_of(once)]
    of_one = ivr(once, "log", "show", "--case", "01A").stdout
    assert of_one.count("01A") == of_one.count("\n") == 3


def test_a_head_is_handed_out_and_held_against_the_log_later(crime_scene, tmp_path):
    kept = tmp_path / "kept.jws"
    assert ivr(crime_scene, "log", "head", "--out", str(kept)).exit_code == 0
    older = both_files(crime_scene)
    note(crime_scene)
    shown = json.loads(ivr(crime_scene, "log", "head", "--json").stdout)
    assert (shown["size"], shown["site"]) == (8, "dak-lak")
    assert ivr(crime_scene, "log", "verify", "--head", str(kept)).exit_code == 0
    proof = tmp_path / "consistency.json"
    assert ivr(crime_scene, "log", "consistency", str(kept), "--out", str(proof)).exit_code == 0
    checked = ivr(crime_scene, "log", "verify", str(proof), "--json")
    assert json.loads(checked.stdout)["first"]["size"] == 7
    newer = tmp_path / "newer.jws"
    ivr(crime_scene, "log", "head", "--out", str(newer))
    put_back(crime_scene, older)
    answer = ivr(crime_scene, "log", "verify", "--head", str(newer))
    assert answer.exit_code == 1
    assert "cut or put back" in answer.stdout


def test_a_case_is_proven_to_somebody_who_has_the_key_alone(once, tmp_path):
    file = tmp_path / "inclusion.json"
    assert ivr(once, "log", "prove", "01A", "--out", str(file)).exit_code == 0
    key = once.root / "keys" / "first.pub.pem"
    elsewhere = ["--data", str(tmp_path / "none"), "log", "verify", str(file), "--key", str(key)]
    checked = CliRunner().invoke(app, elsewhere)
    assert checked.exit_code == 0, checked.output
    assert "custody 01A viewed" in checked.stdout
    assert ivr(once, "log", "prove", "01A").stdout == file.read_text() + "\n"


@pytest.mark.parametrize("words", [("prove", "01"), ("prove", "02"), ("consistency", "none.jws")])
def test_what_cannot_be_proven_is_told_with_what_to_do(once, words):
    answer = ivr(once, "log", *words)
    assert isinstance(answer.exception, IvrError)
    assert answer.exception.remedy


def test_the_digest_of_a_tombstone_is_that_of_the_file(purged):
    site, _ = purged
    told = json.loads(lines_of(site)[-1])
    stone = site.root / "tombstones" / "01GONE.jws.json"
    assert told["tombstone_sha256"] == sha256_hex(stone.read_bytes())


def test_a_data_folder_is_verified_by_the_same_command_as_a_case(crime_scene, tmp_path):
    good = ivr(crime_scene, "verify", str(crime_scene.root), "--json")
    answer = json.loads(good.stdout)
    assert good.exit_code == 0
    assert answer["ok"]
    assert [step["name"] for step in answer["steps"]][:3] == ["site log", "signed head", "keys"]
    shutil.rmtree(crime_scene.vault / "01B")
    bad = ivr(crime_scene, "verify", str(crime_scene.root))
    assert bad.exit_code == 1
    assert "01B is missing" in bad.stdout
    assert "NOT as the log tells" in bad.stdout


def test_a_deep_verification_runs_every_step_of_every_case(crime_scene):
    answer = ivr(crime_scene, "verify", str(crime_scene.root), "--deep", "--json")
    steps = {step["name"]: step for step in json.loads(answer.stdout)["steps"]}
    assert "3 of 3 cases verified" in answer.stderr
    changed = crime_scene.vault / "01B" / "derived" / "transcript.json"
    changed.chmod(0o600)
    changed.write_bytes(b"[]")
    again = ivr(crime_scene, "verify", str(crime_scene.root), "--deep", "--json")
    after = {step["name"]: step for step in json.loads(again.stdout)["steps"]}
    assert steps["each case whole"]["detail"] != after["each case whole"]["detail"]
    assert "01B: files" in after["each case whole"]["detail"]
