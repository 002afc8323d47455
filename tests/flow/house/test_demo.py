"""The main job, as README promises it: one command, a real call, a filed report."""

import asyncio
import email
import email.policy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.serving_house import run_ivr

pytestmark = pytest.mark.timeout(400)  # four calls of a minute each, side by side


@dataclass(frozen=True)
class Ran:
    code: int
    shape: dict[str, Any]
    out: str
    err: str
    folder: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """All four ways to run the demonstration, side by side: each has ports of its own."""
    folder = tmp_path_factory.mktemp("demo")
    options = {
        "scam": ("--json",),
        "benign": ("--json", "--benign"),
        "listen": ("--json", "--mode", "listen"),
        "words": ("--lang", "en"),
    }

    async def one(name: str, extra: tuple[str, ...]) -> Ran:
        # The second pass doubles the work of a call; one of the four shows it.
        twice = "auto" if name == "scam" else "off"
        code, out, err = await run_ivr(
            *("demo", "--folder", str(folder / name), *extra),
            IVR_DEMO_RECOGNITION__SECOND_PASS=twice,
        )
        shape = json.loads(out) if "--json" in extra and code in {0, 1} else {}
        return Ran(code, shape, out, err, folder / name)

    async def both() -> dict[str, Ran]:
        found = await asyncio.gather(*(one(name, extra) for name, extra in options.items()))
        return dict(zip(options, found, strict=True))

    return asyncio.run(both())


def test_an_impersonation_call_is_heard_judged_sealed_verified_and_filed(runs):
    ran = runs["scam"]
    assert ran.code == 0, ran.err
    shape = ran.shape
    assert shape["verdict"]["label"] == "scam"
    assert shape["verdict"]["level"] == "filing"
    assert shape["evidence"]["verified"] is True
    concepts = {hit["concept"] for hit in shape["hits"]}
    assert {"cong_an", "thu_hoi_so_thue_bao", "chuyen_tien"} <= concepts
    states = {report["channel"]: report["state"] for report in shape["reports"]}
    assert states == {"sms": "ready", "mail": "sent"}


def test_json_is_alone_on_standard_output_and_has_the_published_shape(runs):
    for name in ("scam", "benign", "listen"):
        shape = runs[name].shape
        assert runs[name].out.count("\n") == 1
        assert list(shape) == [
            *("case_id", "call", "transcript", "hits", "verdict", "evidence", "reports", "steps")
        ]
        assert set(shape["call"]) == {"mode", "sip_call_id", "caller", "duration_s"}
        assert set(shape["evidence"]) == {"path", "verified"}
        assert all({"channel", "recipient", "state"} <= set(r) for r in shape["reports"])
        assert all(set(step) == {"name", "seconds"} for step in shape["steps"])
        assert all(
            {"channel", "start_s", "end_s", "text", "confidence", "words"} <= set(said)
            for said in shape["transcript"]
        )


def test_the_short_message_names_the_caller_and_never_the_subscriber(runs):
    ran = runs["scam"]
    (message,) = (ran.folder / "outbox").glob("sms-*.txt")
    text = message.read_text(encoding="utf-8")
    assert "LD (0987654321)" in text
    assert "900000001" not in text


def test_the_receipt_hands_the_citizen_the_message_for_their_own_telephone(runs):
    ran = runs["scam"]
    data = str(Path(ran.shape["evidence"]["path"]).parent.parent)
    arguments = ("--data", data, "reports", "receipt", ran.shape["case_id"], "--save", "--json")
    code, out, err = asyncio.run(run_ivr(*arguments))
    assert code == 0, err
    shape = json.loads(out)
    assert shape["message"].startswith("LD (0987654321)")
    assert shape["uri"].startswith("sms:156?body=LD%20%280987654321%29")
    assert "có dấu hiệu lừa đảo" in shape["text"]
    assert {Path(file).suffix for file in shape["files"]} == {".txt", ".html"}
    assert all(Path(file).stat().st_mode & 0o077 == 0 for file in shape["files"])


def test_the_mail_carries_the_recording_and_opens_in_any_mail_program(runs):
    ran = runs["scam"]
    (kept,) = (ran.folder / "mail/new").iterdir()
    message = email.message_from_bytes(kept.read_bytes(), policy=email.policy.default)
    names = {part.get_filename() for part in message.iter_attachments()}
    assert {"call.wav", "manifest.json", "manifest.jws"} <= names
    recording = next(p for p in message.iter_attachments() if p.get_filename() == "call.wav")
    case = Path(ran.shape["evidence"]["path"])
    assert recording.get_content() == (case / "derived/call.wav").read_bytes()
    body = message.get_body(("plain",)).get_content()
    assert "+84987654321" in body


def test_an_ordinary_call_with_police_words_files_nothing(runs):
    ran = runs["benign"]
    assert ran.code == 0, ran.err
    assert ran.shape["verdict"]["label"] in {"clean", "unsure", "suspicious"}
    assert ran.shape["verdict"]["level"] != "filing"
    assert ran.shape["reports"] == []
    assert ran.shape["evidence"]["verified"] is True
    assert ran.shape["transcript"], "nothing was heard, so nothing was shown"
    assert not list((ran.folder / "mail/new").iterdir())


def test_listen_mode_does_the_same_job(runs):
    ran = runs["listen"]
    assert ran.code == 0, ran.err
    assert ran.shape["call"]["mode"] == "listen"
    assert {said["channel"] for said in ran.shape["transcript"]} == {"mixed"}
    assert ran.shape["verdict"]["label"] == "scam"


def test_people_see_progress_and_an_ending_in_their_language(runs):
    ran = runs["words"]
    assert ran.code == 0, ran.err
    assert "Recording from the first packet" in ran.err
    assert "Verdict" in ran.err
    assert "police" in ran.out
    assert str(ran.folder / "cases") in ran.out


async def test_a_copied_case_verifies_elsewhere_and_a_flipped_byte_is_found(runs, tmp_path):
    ran = runs["scam"]
    case = Path(ran.shape["evidence"]["path"])
    copy = tmp_path / "copy" / case.name
    copy.parent.mkdir()
    process = await asyncio.create_subprocess_exec("cp", "-r", str(case), str(copy))
    await process.wait()
    data = str(tmp_path / "elsewhere")
    code, out, _ = await run_ivr("--data", data, "verify", str(copy), "--json")
    assert code == 0, out
    for name in ("original/wire.pcapng", "derived/call.wav", "manifest.json", "journal.jsonl"):
        path = copy / name
        path.chmod(0o644)
        kept = path.read_bytes()
        middle = len(kept) // 2
        path.write_bytes(kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :])
        code, out, _ = await run_ivr("--data", data, "verify", str(copy), "--json")
        assert code == 1, name
        assert not json.loads(out)["ok"]
        path.write_bytes(kept)


async def test_cases_reports_and_custody_can_be_read_afterwards(runs):
    ran = runs["scam"]
    data, case_id = ("--data", str(ran.folder)), ran.shape["case_id"]
    code, out, _ = await run_ivr(*data, "cases", "list", "--json")
    assert code == 0
    assert [json.loads(line)["case_id"] for line in out.splitlines()] == [case_id]
    code, out, _ = await run_ivr(*data, "cases", "show", case_id[:16], "--json")
    assert json.loads(out)["transcript"] == ran.shape["transcript"]
    code, out, _ = await run_ivr(*data, "cases", "play", case_id, "--path")
    assert out.strip() == f"{ran.shape['evidence']['path']}/derived/call.wav"
    code, out, _ = await run_ivr(*data, "reports", "list", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert {report["state"] for report in found} == {"ready", "sent"}
    code, out, _ = await run_ivr(*data, "reports", "preview", found[0]["report_id"][:10])
    assert code == 0
    assert "attempt 1" in out
    code, out, _ = await run_ivr(*data, "verify", ran.shape["evidence"]["path"], "--json")
    assert code == 0, out
    custody = (Path(ran.shape["evidence"]["path"]) / "custody.jsonl").read_text()
    assert '"viewed"' in custody
