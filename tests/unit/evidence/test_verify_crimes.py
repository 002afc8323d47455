"""Every way to change a sealed case that we could think of, each under its own name.

Each crime works on a copy of a sealed case; the verifier must say no, and at the step that a
reader would expect. Where a crime needs knowledge of the format, it does all that is possible
without the site's private key.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from ivr.evidence.custody import CustodyAction, append_custody
from ivr.evidence.signer import FileSigner
from ivr.evidence.verification import verify_here


def failed(case: Path, key: Path | None = None, log: Path | None = None) -> dict[str, str]:
    return {s.name: s.detail for s in verify_here(case, key, log) if not s.ok}


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    rewrite(path, rfc8785.dumps(value))


def rewrite(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def rechain(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change records of a chained log and make every link right again."""
    records = [json.loads(line) for line in lines_of(path)]
    previous = records[0]["previous"]
    change(records)
    out = b""
    for n, record in enumerate(records):
        record.pop("chain", None)
        record.update(n=n, previous=previous)
        previous = hashlib.sha256(rfc8785.dumps(record)).hexdigest()
        out += rfc8785.dumps({**record, "chain": previous}) + b"\n"
    rewrite(path, out)


def restate(case: Path, name: str) -> None:
    """Make the manifest agree with a changed file."""
    data = (case / name).read_bytes()

    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["files"]:
            if entry["path"] == name:
                entry.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    edit_json(case / "manifest.json", change)


def sign_anew(case: Path, signer: FileSigner) -> None:
    """Sign what is there with another key, everywhere a key is named."""
    edit_json(case / "manifest.json", lambda m: m["signer"].update(key_sha256=signer.key_sha256))
    manifest = (case / "manifest.json").read_bytes()
    signatures = signer.sign(manifest, "ivr-manifest")["signatures"]
    rewrite(case / "manifest.jws", rfc8785.dumps({"signatures": signatures}))
    rewrite(case / "signer.pem", signer.public_pem)
    seal = hashlib.sha256(manifest).hexdigest()
    entry = {"action": "sealed", "at": "2026-11-25T02:00:12.000000Z", "n": 0, "previous": seal}
    line = rfc8785.dumps({**entry, "chain": hashlib.sha256(rfc8785.dumps(entry)).hexdigest()})
    rewrite(case / "custody.jsonl", line + b"\n")
    rewrite(case / "custody.head.jws", rfc8785.dumps(signer.sign(line, "ivr-custody")))


def test_an_untouched_copy_at_another_place_verifies(copy_of_case, trusted_key):
    assert failed(copy_of_case, trusted_key) == {}


def test_a_word_put_into_the_transcript(copy_of_case):
    path = copy_of_case / "derived/transcript.json"
    rewrite(path, path.read_bytes().replace("công an".encode(), "công ty".encode()))
    assert "derived/transcript.json was changed" in failed(copy_of_case)["files"]


def test_a_packet_exchanged_in_the_wire_log(copy_of_case):
    path = copy_of_case / "original/wire.pcapng"
    rewrite(path, path.read_bytes().replace(b"zero", b"hero", 1))
    assert failed(copy_of_case).keys() == {"files", "wire chain"}
    assert "block 0" in failed(copy_of_case)["wire chain"]


def test_a_packet_exchanged_and_the_whole_chain_and_manifest_made_to_fit(copy_of_case):
    wire, chain = copy_of_case / "original/wire.pcapng", "original/wire.chain.jsonl"
    rewrite(wire, wire.read_bytes().replace(b"zero", b"hero", 1))
    block = wire.read_bytes()[:90]
    rechain(copy_of_case / chain, lambda r: r[0].update(sha256=hashlib.sha256(block).hexdigest()))
    restate(copy_of_case, "original/wire.pcapng")
    restate(copy_of_case, chain)
    head = json.loads(lines_of(copy_of_case / chain)[-1])["chain"]
    digest = hashlib.sha256(wire.read_bytes()).hexdigest()
    edit_json(
        copy_of_case / "manifest.json",
        lambda m: m["wire"].update(chain_head=head, sha256=digest),
    )
    assert failed(copy_of_case).keys() == {"signature", "custody", "origins"}


def test_the_last_second_of_the_call_cut_off(copy_of_case):
    wire, chain = copy_of_case / "original/wire.pcapng", copy_of_case / "original/wire.chain.jsonl"
    rewrite(wire, wire.read_bytes()[:-4])
    rewrite(chain, b"".join(lines_of(chain)[:-1]))
    assert failed(copy_of_case).keys() == {"files", "wire chain"}
    assert "does not end where the manifest says" in failed(copy_of_case)["wire chain"]


def test_bytes_put_behind_the_last_block(copy_of_case):
    path = copy_of_case / "original/wire.pcapng"
    rewrite(path, path.read_bytes() + b"more")
    assert "has bytes that are in no block" in failed(copy_of_case)["wire chain"]


def test_two_blocks_exchanged_for_each_other(copy_of_case):
    path = copy_of_case / "original/wire.chain.jsonl"
    first, second, third = lines_of(path)
    rewrite(path, second + first + third)
    assert "wire chain" in failed(copy_of_case)


def test_a_block_taken_out_of_the_middle(copy_of_case):
    path = copy_of_case / "original/wire.chain.jsonl"
    rewrite(path, b"".join(lines_of(path)[::2]))
    assert "line 2 does not continue" in failed(copy_of_case)["wire chain"]


def test_a_chain_line_written_twice(copy_of_case):
    path = copy_of_case / "original/wire.chain.jsonl"
    rewrite(path, path.read_bytes() + lines_of(path)[-1])
    assert "wire chain" in failed(copy_of_case)


def test_the_wire_log_of_another_call_put_in_its_place(site, copy_of_case):
    folder = site.open_case("01JDHZ000000000000000OTHER")
    other = site.seal(folder, site.fill(folder, (b"another", b"call"))).path
    for name in ("original/wire.pcapng", "original/wire.chain.jsonl"):
        rewrite(copy_of_case / name, (other / name).read_bytes())
    assert failed(copy_of_case).keys() == {"files", "wire chain"}
    assert "does not end where the manifest says" in failed(copy_of_case)["wire chain"]


def test_the_notice_taken_out_of_the_journal(copy_of_case):
    path = copy_of_case / "journal.jsonl"
    lines = lines_of(path)
    rewrite(path, b"".join([lines[0], *lines[2:]]))
    assert failed(copy_of_case).keys() == {"files", "journal"}


def test_the_notice_put_earlier_and_the_journal_chained_anew(copy_of_case):
    path = copy_of_case / "journal.jsonl"
    rechain(path, lambda r: r[1].update(at="2026-11-25T02:00:00.000001Z"))
    restate(copy_of_case, "journal.jsonl")
    assert failed(copy_of_case).keys() == {"signature", "journal", "custody"}


def test_journal_lines_in_another_order(copy_of_case):
    path = copy_of_case / "journal.jsonl"
    rewrite(path, b"".join(reversed(lines_of(path))))
    assert "line 1 does not continue" in failed(copy_of_case)["journal"]


def test_the_recording_deleted(copy_of_case):
    (copy_of_case / "derived/caller.wav").unlink()
    assert "derived/caller.wav is missing" in failed(copy_of_case)["files"]


def test_the_recording_deleted_and_struck_from_the_manifest(copy_of_case):
    (copy_of_case / "derived/caller.wav").unlink()
    edit_json(
        copy_of_case / "manifest.json",
        lambda m: m.update(files=[f for f in m["files"] if "wav" not in f["path"]]),
    )
    assert failed(copy_of_case).keys() == {"signature", "origins", "custody"}


def test_a_file_added_to_the_originals(copy_of_case):
    (copy_of_case / "original/upload.wav").write_bytes(b"made at home")
    assert "original/upload.wav" in failed(copy_of_case)["files"]


def test_a_hidden_file_added(copy_of_case):
    (copy_of_case / ".note").write_bytes(b"")
    assert ".note" in failed(copy_of_case)["files"]


def test_a_report_composed_after_the_seal_is_no_crime_but_is_said_to_be_unsealed(copy_of_case):
    (copy_of_case / "reports").mkdir()
    (copy_of_case / "reports/mail.eml").write_bytes(b"From: x")
    steps = {s.name: s for s in verify_here(copy_of_case)}
    assert all(s.ok for s in steps.values())
    assert "but for reports/" in steps["files"].detail


def test_the_verdict_in_the_manifest_changed(copy_of_case):
    edit_json(copy_of_case / "manifest.json", lambda m: m["verdict"].update(score=0.1))
    assert failed(copy_of_case).keys() == {"signature", "custody"}


def test_the_manifest_spelt_otherwise_with_the_same_meaning(copy_of_case):
    path = copy_of_case / "manifest.json"
    rewrite(path, json.dumps(json.loads(path.read_bytes())).encode())
    assert "manifest.jws" in failed(copy_of_case)["signature"]


def test_a_name_given_twice_in_the_manifest(copy_of_case):
    path = copy_of_case / "manifest.json"
    rewrite(path, path.read_bytes().replace(b'{"call":', b'{"site":"elsewhere","call":', 1))
    assert "manifest.jws" in failed(copy_of_case)["signature"]


def test_everything_signed_anew_with_another_key_is_found_by_whoever_knows_the_key(
    copy_of_case, trusted_key, tmp_path
):
    sign_anew(copy_of_case, FileSigner.open(tmp_path / "forger.pem"))
    assert failed(copy_of_case, trusted_key).keys() == {"signing key"}
    assert "does not lead to it" in failed(copy_of_case, trusted_key)["signing key"]


def test_without_a_trusted_key_the_fingerprint_is_told_and_that_it_was_not_compared(
    copy_of_case, sealed_once
):
    step = next(s for s in verify_here(copy_of_case) if s.name == "signing key")
    assert step.ok
    assert "key not compared" in step.detail
    assert sealed_once[0].signer.key_sha256 in step.detail


def test_only_the_key_file_replaced(copy_of_case, tmp_path):
    rewrite(copy_of_case / "signer.pem", FileSigner.open(tmp_path / "forger.pem").public_pem)
    assert failed(copy_of_case).keys() == {"signature", "custody"}


def test_another_kind_of_key(copy_of_case):
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = generate_private_key(SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rewrite(copy_of_case / "signer.pem", pem)
    assert "not known as a key" in failed(copy_of_case)["signature"]


def test_the_signature_of_the_custody_head_used_for_the_manifest(copy_of_case):
    head = json.loads((copy_of_case / "custody.head.jws").read_bytes())
    detached = rfc8785.dumps({"signatures": head["signatures"]})
    rewrite(copy_of_case / "manifest.jws", detached)
    assert failed(copy_of_case).keys() == {"signature"}


def test_algorithm_none(copy_of_case):
    def disarm(jws: dict[str, Any]) -> None:
        header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"ivr-manifest"}').rstrip(b"=")
        jws["signatures"][0] = {"protected": header.decode(), "signature": ""}

    edit_json(copy_of_case / "manifest.jws", disarm)
    assert failed(copy_of_case).keys() == {"signature"}


def test_spare_bits_of_the_signature_turned(copy_of_case):
    def turn(jws: dict[str, Any]) -> None:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        text = jws["signatures"][0]["signature"]
        other = letters[letters.index(text[-1]) ^ 1]
        jws["signatures"][0]["signature"] = text[:-1] + other

    edit_json(copy_of_case / "manifest.jws", turn)
    found = failed(copy_of_case)["signature"]
    assert found == "manifest.jws over manifest.json was changed in its spelling"


def test_a_second_signature_put_beside_the_first(copy_of_case):
    edit_json(copy_of_case / "manifest.jws", lambda j: j["signatures"].append(j["signatures"][0]))
    assert failed(copy_of_case).keys() == {"signature"}


@pytest.fixture
def viewed_case(site):
    """A sealed case with three custody entries."""
    path = site.sealed().path
    for action in (CustodyAction.VIEWED, CustodyAction.EXPORTED):
        append_custody(path, action, site.custodian, actor="Đội 3", reason="YC 12/2026")
    assert failed(path, site.public_key) == {}
    return path


def test_the_last_custody_entry_taken_off(viewed_case):
    path = viewed_case / "custody.jsonl"
    rewrite(path, b"".join(lines_of(path)[:-1]))
    assert failed(viewed_case).keys() == {"custody"}


def test_a_custody_entry_taken_out_of_the_middle_and_chained_anew(viewed_case):
    rechain(viewed_case / "custody.jsonl", lambda records: records.pop(1))
    assert failed(viewed_case).keys() == {"custody"}


def test_a_custody_entry_invented(viewed_case):
    rechain(viewed_case / "custody.jsonl", lambda r: r.append({**r[-1], "actor": "nobody"}))
    assert failed(viewed_case).keys() == {"custody"}


def test_the_name_in_a_custody_entry_changed(viewed_case):
    path = viewed_case / "custody.jsonl"
    rewrite(path, path.read_bytes().replace("Đội 3".encode(), "Đội 4".encode()))
    assert "line 2 was changed" in failed(viewed_case)["custody"]


def test_the_custody_log_emptied(viewed_case):
    rewrite(viewed_case / "custody.jsonl", b"")
    assert failed(viewed_case)["custody"].startswith("custody.jsonl is empty")


def test_the_custody_log_deleted(viewed_case):
    (viewed_case / "custody.jsonl").unlink()
    assert {"structure", "custody"} == failed(viewed_case).keys()


def test_the_custody_log_of_another_case(site, viewed_case):
    other = site.sealed("01JDHZ000000000000000OTHER").path
    for name in ("custody.jsonl", "custody.head.jws"):
        rewrite(viewed_case / name, (other / name).read_bytes())
    assert failed(viewed_case).keys() == {"custody"}


def test_a_case_that_the_log_of_the_site_does_not_know(site, sealed_once):
    site.sealed()
    stranger = sealed_once[1]
    assert failed(stranger, None, site.log_path).keys() == {"log of the site"}


def test_a_case_exchanged_between_two_others(site):
    paths = [site.sealed(f"01JDHZ00000000000000000CA{n}").path for n in range(3)]
    assert [failed(p, site.public_key, site.log_path) for p in paths] == [{}, {}, {}]
    rechain(site.log_path, lambda records: records.pop(2))
    assert "log of the site" in failed(paths[1], None, site.log_path)
    assert "log of the site" in failed(paths[2], None, site.log_path)


def test_the_seals_of_a_site_name_each_other(site):
    first, second = site.sealed("01A"), site.sealed("01B")
    link = json.loads((second.path / "manifest.json").read_bytes())["site_link"]
    assert link["previous_seal_sha256"] == first.seal_sha256
    assert link["previous_case_id"] == "01A"
    assert link["n"] == 2
