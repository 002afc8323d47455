"""What is no case, or half of one, gets a clear answer and never a traceback."""

import json
import os
import shutil
from pathlib import Path

import pytest
import rfc8785

from ivr.evidence.verification import verify_here
from ivr.evidence.verifier import LARGEST_TEXT, STEPS


def answer(path: Path, key: Path | None = None, log: Path | None = None) -> dict[str, str]:
    steps = verify_here(path, key, log)
    assert [s.name for s in steps][:11] == STEPS.split(", ")
    assert [s.n for s in steps] == list(range(1, len(steps) + 1))
    return {s.name: s.detail for s in steps if not s.ok}


def test_nothing_there(tmp_path):
    assert answer(tmp_path / "none")["structure"] == "not a folder"


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "case.zip").write_bytes(b"PK")
    assert answer(tmp_path / "case.zip")["structure"] == "not a folder"


def test_an_empty_folder(tmp_path):
    assert "not a sealed case" in answer(tmp_path)["structure"]


def test_an_open_case(site):
    folder = site.open_case()
    assert "missing: manifest.json, manifest.jws" in answer(folder.path)["structure"]
    assert "missing" in answer(folder.path)["manifest"]
    folder.release()


def test_half_a_copy(copy_of_case):
    shutil.rmtree(copy_of_case / "original")
    (copy_of_case / "manifest.jws").unlink()
    found = answer(copy_of_case)
    assert "manifest.jws" in found["structure"]
    assert "original/wire.pcapng is missing" in found["files"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"{}",
        b'{"format":"ivr-case/2"}',
        b'{"files":[null],"format":"ivr-case/2"}',
        b'{"files":{"a":1},"format":"ivr-case/2"}',
        b'{"files":[{"path":7}],"format":"ivr-case/2"}',
        b'{"format":"ivr-case/999"}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda content: repr(content[:36]),
)
def test_a_manifest_that_is_none(copy_of_case, content):
    manifest = copy_of_case / "manifest.json"
    manifest.unlink()
    manifest.write_bytes(content)
    found = answer(copy_of_case)
    assert found["manifest"].startswith("manifest.json ")
    assert "signature" in found
    assert found["files"] == "not checked: it needs a step above that failed"


@pytest.mark.parametrize(
    "name", ["manifest.jws", "custody.head.jws", "custody.jsonl", "journal.jsonl", "signer.pem"]
)
@pytest.mark.parametrize("content", [b"", b"{}", b"\n", b"[]\n", b'{"signatures":[]}', b"\xff\n"])
def test_seal_files_that_are_none(copy_of_case, name, content):
    (copy_of_case / name).unlink()
    (copy_of_case / name).write_bytes(content)
    assert answer(copy_of_case)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a//b", "./x", ""])
def test_a_manifest_that_points_out_of_the_folder(copy_of_case, path):
    manifest = json.loads((copy_of_case / "manifest.json").read_bytes())
    manifest["files"][0]["path"] = path
    (copy_of_case / "manifest.json").unlink()
    (copy_of_case / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    assert f"{path} is missing".strip() in answer(copy_of_case)["files"]


def test_a_link_out_of_the_folder_is_not_followed(copy_of_case, sealed_once):
    wav = copy_of_case / "derived/caller.wav"
    wav.unlink()
    wav.symlink_to(sealed_once[1] / "derived/caller.wav")  # the right content, elsewhere
    found = answer(copy_of_case)
    assert "derived/caller.wav" in found["structure"]
    assert "derived/caller.wav is missing" in found["files"]


def test_a_folder_that_is_a_link_is_not_followed(copy_of_case, sealed_once):
    shutil.rmtree(copy_of_case / "original")
    (copy_of_case / "original").symlink_to(sealed_once[1] / "original")
    assert "original" in answer(copy_of_case)["structure"]


def test_a_pipe_does_not_hold_the_verifier_up(copy_of_case):
    (copy_of_case / "journal.jsonl").unlink()
    os.mkfifo(copy_of_case / "journal.jsonl")
    assert "journal.jsonl" in answer(copy_of_case)["structure"]


@pytest.mark.parametrize("name", ["manifest.json", "custody.jsonl", "original/wire.chain.jsonl"])
def test_a_huge_file_is_not_read(copy_of_case, name):
    with (copy_of_case / name).open("rb+") as file:
        file.truncate(LARGEST_TEXT * 1000)  # sparse
    assert "larger than any case needs" in " ".join(answer(copy_of_case).values())


def test_a_trusted_key_that_is_none(copy_of_case, tmp_path):
    (tmp_path / "key.pem").write_bytes(b"-----BEGIN CERTIFICATE-----")
    (tmp_path / "empty.pem").write_bytes(b"")
    for name in ("key.pem", "none.pem", "empty.pem"):
        found = answer(copy_of_case, tmp_path / name)
        assert found["keyring"].startswith("--key "), name
        assert "signing key" in found


def test_a_log_of_the_site_that_is_none(copy_of_case, tmp_path):
    (tmp_path / "site-log.jsonl").write_bytes(b"x\n")
    for log in (tmp_path / "site-log.jsonl", tmp_path / "none"):
        assert log.name in answer(copy_of_case, None, log)["log of the site"]


def test_control_codes_and_broken_names_do_not_reach_the_terminal(copy_of_case):
    (copy_of_case / "\x1b[1A 1. ok").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(copy_of_case) + b"/h\xff")).write_bytes(b"")
    detail = answer(copy_of_case)["files"]
    assert "\\x1b[1A 1. ok" in detail
    assert "h\\udcff" in detail
    assert detail.isprintable()
