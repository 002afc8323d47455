"""`ivr rights` as a person in charge uses it, on a real data folder with real cases."""

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import InputError, UsageError
from ivr.evidence.custody import read_custody
from ivr.facts.call import Mode
from ivr.facts.cases import CaseSummary
from ivr.facts.replies import ReportedMessage
from ivr.settings import PROJECT_ROOT
from ivr.storage.ledger import Ledger
from tests.fakes.evidence_site import AT_SITE, OPENED_AT, Site
from tests.fakes.judged_case import judged_case

CALLER = "0912345678"


def enter(site: Site, path: Path, label: str, seal_sha256: str) -> None:
    """A case that nothing keeps."""
    case = CaseSummary(
        path.name, Mode.ANSWER, "+84912345678", OPENED_AT, 61.5, label, 0.1, True, seal_sha256,
        str(path), "+84987654321",
    )  # fmt: skip

    async def work() -> None:
        async with await Ledger.open(site.root / "ledger.sqlite3") as ledger:
            await ledger.record_sealed_case(case)

    asyncio.run(work())


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "data")


@pytest.fixture
def ivr(site):
    """Run a command; returns what it printed as JSON, or the result when it failed."""

    def run(*arguments, code=0, is_json=True):
        line = ["--data", str(site.root), *arguments, *(["--json"] if is_json else [])]
        result = CliRunner(env=AT_SITE).invoke(app, line)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        if not is_json:
            return result.stdout
        return [json.loads(each) for each in result.stdout.splitlines()]

    return run


def add(ivr, kind="view", **options):
    given = [part for name, value in options.items() for part in (f"--{name}", value)]
    (shown,) = ivr(
        "rights", "request", "add", "--kind", kind, "--number", CALLER,
        "--contact", "an@example.vn", "--who", "Hiền", *given,
    )  # fmt: skip
    return shown


def test_a_request_is_entered_acknowledged_extended_and_answered(ivr, tmp_path):
    shown = add(ivr, received="2024-11-20T09:30")
    assert shown["number"] == "+84912345678"
    assert shown["reference"].startswith("YC-20")
    assert shown["acknowledge_by"] == "2024-11-22T17:00:00.000000Z"
    assert shown["answer_by"] == "2024-11-30T17:00:00.000000Z"
    assert [rule["is_verified"] for rule in shown["rules"]] == [False, False]
    letter = tmp_path / "thu.html"
    (told,) = ivr("rights", "request", "acknowledge", "0001", "--out", str(letter))
    assert "hết ngày 30/11/2024" in told["letter"]
    assert shown["reference"] in letter.read_text(encoding="utf-8")
    assert stat.S_IMODE(letter.stat().st_mode) == 0o600
    (longer,) = ivr("rights", "request", "extend", "0001", "--why", "nhiều hồ sơ")
    assert longer["answer_by"] == "2024-12-10T17:00:00.000000Z"
    (done,) = ivr("rights", "request", "answer", "0001", "--outcome", "done", "--why", "Đã gửi.")
    assert (done["state"], done["is_overdue"]) == ("done", False)
    assert ivr("rights", "request", "list") == []
    (listed,) = ivr("rights", "request", "list", "--all")
    assert listed["reference"] == shown["reference"]


def test_the_list_of_a_person_s_data_stands_in_the_custody_of_each_case(ivr, site, tmp_path):
    case = judged_case(site)
    reference = add(ivr, kind="copy")["reference"]
    paper = tmp_path / "danh-muc.md"
    (shown,) = ivr("rights", "request", "show", "0001", "--data", str(paper), "--who", "Hiền")
    assert [each["case_id"] for each in shown["cases"]] == [case.name]
    assert shown["cases"][0]["role"] == "caller"
    assert case.name in paper.read_text(encoding="utf-8")
    entry = read_custody(case)[-1]
    assert (entry["action"], entry["actor"]) == ("exported", "Hiền")
    assert entry["reason"] == f"request {reference}"
    assert entry["facts"]["request"] == reference
    assert entry["facts"]["list_sha256"] in shown["steps"][-1]["detail"]
    add(ivr, kind="view")
    ivr("rights", "request", "show", "0002", "--data", str(paper))
    assert read_custody(case)[-1]["action"] == "viewed"


def test_a_case_is_shown_with_the_ground_of_its_recording(ivr, site):
    case = judged_case(site)
    (shown,) = ivr("cases", "show", case.name)
    assert shown["lawful_basis"]["ground"] == "none"
    assert "căn cứ ghi âm: Cuộc gọi kết thúc trước khi" in ivr(
        "cases", "show", case.name, is_json=False
    )


def test_a_look_without_a_list_leaves_no_trace_in_custody(ivr, site):
    case = judged_case(site)
    add(ivr)
    before = read_custody(case)
    ivr("rights", "request", "show", "0001")
    assert read_custody(case) == before


def test_a_deletion_is_done_only_when_nothing_is_left(ivr, site):
    kept = judged_case(site)
    free = site.sealed("01JDHZ00000000000000000FREE")
    enter(site, free.path, "clean", free.seal_sha256)
    add(ivr, kind="delete")
    (shown,) = ivr("rights", "request", "show", "0001")
    plan = {each["case_id"]: (each["may_go"], each["reasons"]) for each in shown["cases"]}
    assert plan == {kept.name: (False, ["suspect"]), free.path.name: (True, [])}
    answer = ("rights", "request", "answer", "0001", "--why", "Một vụ đang được giữ.")
    for outcome in ("done", "partly"):
        with pytest.raises(UsageError, match="not carried out") as caught:
            ivr(*answer, "--outcome", outcome)
        assert free.path.name in caught.value.why
    ivr("cases", "purge", free.path.name, "--yes", "--why", "yêu cầu xóa", "--who", "Hiền")
    with pytest.raises(UsageError, match="not carried out"):
        ivr(*answer, "--outcome", "done")
    (told,) = ivr(*answer, "--outcome", "partly")
    assert kept.name in told["letter"]
    assert "điều 14 khoản 2" in told["letter"]


def test_a_message_that_was_reported_is_told_of_and_keeps_its_sender_s_data(ivr, site, tmp_path):
    message = ReportedMessage(
        "sms-1", "LD", CALLER, "+84912345678", "chuyển tiền", OPENED_AT, "Hiền"
    )  # fmt: skip

    async def work() -> None:
        async with await Ledger.open(site.root / "ledger.sqlite3") as ledger:
            await ledger.messages.enter(message, [])

    asyncio.run(work())
    add(ivr, kind="delete")
    paper = tmp_path / "danh-muc.txt"
    (shown,) = ivr("rights", "request", "show", "0001", "--data", str(paper))
    assert [(each["case_id"], each["role"]) for each in shown["cases"]] == [("sms-1", "sender")]
    assert "người gửi tin nhắn bị báo" in " ".join(paper.read_text(encoding="utf-8").split())
    with pytest.raises(UsageError, match="not carried out"):
        ivr("rights", "request", "answer", "0001", "--outcome", "done")


def test_a_refusal_needs_a_reason(ivr):
    add(ivr, kind="delete")
    with pytest.raises(UsageError, match="without a reason"):
        ivr("rights", "request", "answer", "0001", "--outcome", "refused")


def test_what_is_no_number_no_time_and_no_request_is_refused(ivr):
    with pytest.raises(UsageError, match="no telephone number"):
        ivr(
            "rights", "request", "add", "--kind", "view", "--number", "An", "--contact", "x"
        )  # fmt: skip
    with pytest.raises(UsageError, match="no time"):
        add(ivr, received="hôm qua")
    with pytest.raises(InputError, match="No single request"):
        ivr("rights", "request", "show", "0009")


def test_a_paper_needs_a_known_ending(ivr, tmp_path):
    add(ivr)
    with pytest.raises(UsageError, match="cannot be written as"):
        ivr("rights", "request", "acknowledge", "0001", "--out", str(tmp_path / "thu.doc"))


def test_a_breach_from_its_detection_to_its_end(ivr, tmp_path):
    detected = datetime.now(UTC) - timedelta(hours=71)
    (shown,) = ivr("rights", "breach", "open", "mất ổ đĩa", "--detected", detected.isoformat())
    assert not shown["is_late"]
    assert 0.9 < shown["hours_left"] <= 1.0
    (form,) = ivr("rights", "breach", "form", "0001", code=1)
    assert "cause" in form["lacking"]
    for about in ("where", "cause", "data", "people", "consequences", "measures", "contact"):
        ivr("rights", "breach", "note", "0001", f"điều về {about}", "--about", about)
    record = tmp_path / "bien-ban.txt"
    arguments = ("rights", "breach", "form", "0001", "--record", "--out", str(record))
    ivr(*arguments, is_json=False)
    assert "điều về measures" in record.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be closed"):
        ivr("rights", "breach", "close", "0001", "--why", "xong")
    (told,) = ivr("rights", "breach", "note", "0001", "công văn 12", "--about", "notified")
    assert told["notified_at"] is not None
    ivr("rights", "breach", "close", "0001", "--why", "đã khắc phục")
    assert ivr("rights", "breach", "list") == []
    assert len(ivr("rights", "breach", "list", "--all")) == 1


def test_a_form_can_be_a_pdf(ivr, tmp_path):
    ivr("rights", "breach", "open", "mất ổ đĩa")
    paper = tmp_path / "mau-08.pdf"
    ivr("rights", "breach", "form", "0001", "--out", str(paper), code=1, is_json=False)
    assert paper.read_bytes().startswith(b"%PDF")


def test_the_law_is_printed_with_marks(ivr):
    rules = [each for each in ivr("rights", "law") if "article" in each]
    unread = [each for each in ivr("rights", "law", "--unverified") if "article" in each]
    assert 0 < len(unread) < len(rules)
    assert not any(each["verified"] for each in unread)
    printed = ivr("rights", "law", is_json=False)
    assert printed.count("CHƯA KIỂM CHỨNG") > len(unread)


def test_grounds_that_lack_something_are_a_no(ivr):
    (shown,) = ivr("rights", "basis", code=1)
    assert not shown["ok"]
    assert [each["code"] for each in shown["missing"]] == ["controller", "contact"]


def test_the_impact_file_is_written_in_each_form(ivr, tmp_path):
    (shown,) = ivr("rights", "impact")
    for suffix in (".json", ".md", ".html", ".txt"):
        file = tmp_path / f"ho-so{suffix}"
        ivr("rights", "impact", "--out", str(file), is_json=False)
        text = file.read_text(encoding="utf-8")
        for row in shown["recipients"]:
            assert row[0] in text.replace("\\", ""), suffix
    assert json.loads((tmp_path / "ho-so.json").read_text(encoding="utf-8")) == shown


def test_every_reference_of_the_page_to_a_setting_is_one():
    page = (PROJECT_ROOT / "docs/rights.md").read_text(encoding="utf-8")
    settings = (PROJECT_ROOT / "config/ivr.toml").read_text(encoding="utf-8")
    for name in ("erase_after_days", "breach_warn_h", "consent_version", "processing_since"):
        assert f"rights.{name}" in page
        assert name in settings
