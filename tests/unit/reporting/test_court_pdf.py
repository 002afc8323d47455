"""The printed papers: what they say, read back from the PDF by another library."""

import io
import json
import re
import shutil
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

import font_roboto
import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from typer.testing import CliRunner

from ivr.casefile import read_case
from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.errors import EnvironmentProblem
from ivr.evidence.custody import read_custody
from ivr.facts.judgement import Label, Stage
from ivr.facts.papers import Paragraph, Table, Title
from ivr.reporting import court_pdf
from ivr.reporting.court_text import Heard, Paper, court_paper
from tests.fakes.evidence_site import AT_SITE, Site
from tests.fakes.judged_case import HITS, JUDGED, SAID, judged_case, spoken

WHO, WHY = "Nguyễn Văn A, cán bộ Công an phường Tân Lợi", "Yêu cầu số 12/2026"
MADE_AT = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
LETTERS = {unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in TONES} | {"đ"}


def text_of(pdf: bytes) -> str:
    """All words of it, each parted by one space."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("papers") / "ivr-data")
    return site, judged_case(site)


@pytest.fixture(scope="module")
def court_folder(house):
    """Made once by the command, as a person makes it."""
    target = house[0].root.parent / "bag"
    given = ["--to", str(target), "--who", WHO, "--why", WHY, "--json"]
    done = CliRunner(env=AT_SITE).invoke(
        app, ["--data", str(house[0].root), "export", house[1].name, *given]
    )
    assert done.exit_code == 0, done.output
    return target


@pytest.fixture(scope="module")
def text(court_folder):
    return text_of((court_folder / "data/bien-ban.pdf").read_bytes())


@pytest.fixture
def paper(house):
    facts = read_case(house[1]).facts
    heard = Heard("vosk", "m", True, True, True, JUDGED, (spoken(SAID[0], 0),))
    return Paper(facts, WHO, WHY, "17:30 25/11/2026", "1" * 64, "ivr 0.1.0", (heard,))


@pytest.mark.parametrize(
    "part",
    [
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "BIÊN BẢN SAO CHÉP, GIAO NHẬN DỮ LIỆU ĐIỆN TỬ",
        "VĂN BẢN TRÌNH BÀY VỀ XUẤT XỨ CỦA DỮ LIỆU",
        "Cuộc gọi có dấu hiệu lừa đảo.",
        "BẢN GỠ BĂNG TỰ ĐỘNG, CÓ THỂ SAI",
        "PHỤ LỤC: DANH MỤC TỆP",
        WHO,
        WHY,
        "không phải kết luận về hành vi của bất kỳ người nào",
    ],
)
def test_it_says(text, part):
    assert part in text


def test_every_sentence_stands_in_it_with_its_time(text):
    for n, said in enumerate(SAID):
        at = text.index(said)
        assert f"00:{n * 10:02d},0 –" in text[max(0, at - 60) : at]


def test_each_engine_stands_with_what_it_heard_and_its_own_verdict(text):
    assert re.search("trực tiếp trong cuộc gọi vosk, vosk-demo đáng ngờ", text)
    assert re.search("nghe lại sau cuộc gọi viet-asr, viet-8k có dấu hiệu lừa đảo", text)
    assert "mô hình dùng thử" in text
    assert "Do máy vosk" in text
    assert "Do máy viet-asr" in text


def test_every_file_stands_in_it_with_size_and_digest(text, house):
    manifest = json.loads((house[1] / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        size = f"{entry['size']:,}".replace(",", ".")
        assert f"{entry['path']} {size} {entry['sha256']}" in text


def test_it_names_the_seal_and_the_key(text, house):
    assert read_case(house[1]).sealed.seal_sha256 in text
    assert house[0].signer.key_sha256 in text


def test_the_bag_with_the_papers_verifies(court_folder, house):
    steps = prove_files(court_folder, house[0].public_key, None)
    assert all(step.ok for step in steps), steps


def test_the_time_on_it_is_that_of_the_custody_entry(court_folder, house):
    info = PdfReader(court_folder / "data/bien-ban.pdf").metadata
    entry = read_custody(court_folder / "data" / house[1].name)[-1]
    stated = datetime.fromisoformat(str(entry["at"])).replace(microsecond=0)
    assert info.creation_date == stated


def test_the_pdf_alone_is_entered_into_custody_too(house, tmp_path):
    given = ["--format", "pdf", "--to", str(tmp_path / "out"), "--who", WHO, "--why", WHY, "--json"]
    done = CliRunner(env=AT_SITE).invoke(
        app, ["--data", str(house[0].root), "export", house[1].name, *given]
    )
    assert done.exit_code == 0, done.output
    file = tmp_path / "out" / f"bien-ban-{house[1].name}.pdf"
    assert json.loads(done.stdout)["path"] == str(file)
    assert "BIÊN BẢN" in text_of(file.read_bytes())
    assert read_custody(house[1])[-1]["facts"] == {"format": "pdf"}


def test_the_same_paper_is_the_same_bytes(paper):
    first, second = (court_pdf.draw(court_paper(paper), "X", MADE_AT) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("face", ["Roboto", "RobotoBold", "RobotoItalic"])
def test_the_font_has_every_vietnamese_letter(face):
    known = TTFont(font_roboto.font_files[face]).getBestCmap()
    both = LETTERS | {letter.upper() for letter in LETTERS}
    assert len(both) == 146
    assert [letter for letter in both if ord(letter) not in known] == []


def test_letters_that_the_font_lacks_are_spelled_out(paper):
    blocks = (Title("x", is_first=True), Paragraph("từ 公安 \x07 hết"))
    assert "từ [U+516C][U+5B89] [U+0007] hết" in text_of(court_pdf.draw(blocks, "X", MADE_AT))


def test_an_hour_of_talk_runs_over_pages_with_its_heading_on_each(paper):
    talk = tuple(spoken(SAID[1], n) for n in range(120))
    heard = replace(paper.heard[0], utterances=talk)
    pdf = court_pdf.draw(court_paper(replace(paper, heard=(heard,))), "X", MADE_AT)
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    with_talk = [page for page in pages if page.count("số thuê bao của chị") > 3]
    assert len(with_talk) >= 3
    assert all("Lời theo máy" in page for page in with_talk)
    assert f"trang {len(pages)}/{len(pages)}" in " ".join(pages[-1].split())


def passages(paper: Paper) -> tuple[tuple[str, ...], ...]:
    blocks = court_paper(paper)
    at = next(n for n, b in enumerate(blocks) if isinstance(b, Title) and "ĐÁNG CHÚ Ý" in b.text)
    shown = blocks[at + 2]
    return shown.rows if isinstance(shown, Table) else ()


def test_a_passage_is_the_whole_sentence_with_its_signs(paper):
    assert passages(paper) == (
        ("00:00,0 – 00:02,2", "người gọi", SAID[0], "xưng danh cơ quan: “công an”"),
        (
            "00:10,0 – 00:14,2",
            "người gọi",
            SAID[1],
            "đe dọa: “sẽ bị thu hồi”; lời lẽ: “thu hồi”",
        ),
        ("00:20,0 – 00:23,4", "người gọi", SAID[2], "yêu cầu: “chuyển tiền”"),
    )


@pytest.mark.parametrize(
    "change", [{"negated": True}, {"quoted": True}, {"stage": Stage.COUNTER}], ids=str
)
def test_what_does_not_speak_against_the_caller_is_no_passage(paper, change):
    hits = tuple(replace(hit, **change) for hit in HITS)
    facts = replace(paper.facts, hits=hits, verdict=replace(JUDGED, reasons=()))
    assert passages(replace(paper, facts=facts)) == ()


@pytest.mark.parametrize("label", Label)
def test_no_verdict_ever_says_that_somebody_is_a_criminal(paper, label):
    facts = replace(paper.facts, verdict=replace(JUDGED, label=label))
    said = " ".join(str(block) for block in court_paper(replace(paper, facts=facts)))
    assert not re.search("tội phạm|thủ phạm|kẻ lừa đảo|đối tượng", said)


def test_a_recogniser_that_failed_is_named_and_has_no_transcript(paper):
    failed = Heard("viet-asr", "v", False, False, False, None, (), failure="đã dừng")
    blocks = court_paper(replace(paper, heard=(*paper.heard, failed)))
    assert "không nghe được: đã dừng" in str(blocks)
    assert sum(isinstance(b, Title) and "GỠ BĂNG" in b.text for b in blocks) == 1


def test_without_the_extra_nothing_is_entered_and_the_remedy_is_told(house, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fpdf", None)
    before = read_custody(house[1])
    given = ["--to", str(tmp_path / "bag"), "--who", WHO, "--why", WHY]
    data = ["--data", str(house[0].root)]
    done = CliRunner(env=AT_SITE).invoke(app, [*data, "export", house[1].name, *given])
    assert isinstance(done.exception, EnvironmentProblem)
    assert "requirements/pdf.lock" in done.exception.remedy
    assert read_custody(house[1]) == before
    done = CliRunner(env=AT_SITE).invoke(
        app, [*data, "export", house[1].name, *given, "--no-papers"]
    )
    assert done.exit_code == 0
    assert not (tmp_path / "bag/data/bien-ban.pdf").exists()
    shutil.rmtree(tmp_path / "bag")
