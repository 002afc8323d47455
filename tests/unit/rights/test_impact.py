"""The impact file and the grounds say what the settings say, and nothing else."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ivr.casework.duties import addressees, grounds_now, impact_now
from ivr.reporting import recipients
from ivr.rights.claims import Claims, shown, value_of
from ivr.rights.grounds import grounds, grounds_paper
from ivr.rights.impact import impact_paper
from ivr.rights.render import as_text
from ivr.settings import PROJECT_ROOT, Settings

NOW = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)
TODAY = date(2026, 11, 25)
NOTICE = {"vi": "Cuộc gọi này được ghi âm."}
FULL: dict[str, Any] = {
    "subscribers": (
        {
            "access": "an",
            "number": "+84900000001",
            "consent_version": "2",
            "consented_on": "2026-10-01",
        },
        {
            "access": "binh",
            "number": "+84900000002",
            "mode": "bridge",
            "contact": "sip:binh@192.0.2.7",
        },
    ),
    "trunks": ({"name": "nha-mang-a", "networks": ("198.51.100.0/28",)},),
    "mirror": {"enabled": True, "lawful_basis": "Lệnh số 12/2026 của cơ quan điều tra"},
    "smtp": {"host": "thu.example.vn"},
    "smpp": {"host": "tin.example.vn"},
    "timestamp": {"url": "https://tsa.example.vn", "ca_file": "ca.pem"},
    "metrics": {"port": 9464},
    "rights": {
        "controller": "Trung tâm A",
        "contact": "so 1",
        "consent_version": "3",
        "processing_since": "2026-11-01",
    },
    "retention": {"scam_days": 400.0},
}


@pytest.fixture
def full():
    return Settings(**FULL)


def test_every_recipient_of_the_table_is_named_with_its_state(full, law):
    file = impact_now(full, law, NOW, "vi")
    table = recipients.load(PROJECT_ROOT / "config/recipients.toml")
    assert [row[0] for row in file.recipients] == [each.id for each in table]
    paper = " ".join(as_text(impact_paper(file, law, "vi")).split())
    for each in table:
        assert each.id in paper
        assert each.name in paper
        assert each.address in paper


def test_every_setting_that_is_named_is_one_and_has_that_value(full, law):
    file = impact_now(full, law, NOW, "vi")
    assert len(file.settings) > 25
    for name, said in file.settings.items():
        assert shown(value_of(full, name)) == said, name
    printed = " ".join(as_text(impact_paper(file, law, "vi")).split())
    rows = (*file.flows, *file.processors, *file.retention, *file.safeguards)
    for row in rows:
        assert row[-1] in printed or " ".join(row[-1].split()) in printed


def test_only_flows_that_are_turned_on_are_listed(full, law):
    names = [row[0] for row in impact_now(full, law, NOW, "en").flows]
    for name in ("calls mirrored", "joining the subscriber", "reports by mail", "metrics"):
        assert any(name in each for each in names), name
    plain = [row[0] for row in impact_now(Settings(), law, NOW, "en").flows]
    assert not any("mirrored" in each or "mail" in each or "time-stamp" in each for each in plain)


def test_processors_are_those_outside_this_machine(full, law):
    who = [row[0] for row in impact_now(full, law, NOW, "vi").processors]
    assert who[0] == "nha-mang-a"
    assert {"thu.example.vn", "tin.example.vn", "https://tsa.example.vn"} <= set(who)
    assert impact_now(Settings(), law, NOW, "vi").processors == ()


def test_retention_is_that_of_the_settings(full, law):
    rows = impact_now(full, law, NOW, "en").retention
    assert ("1 days", "retention.clean_days = 1.0") in [row[1:] for row in rows]
    assert ("400 days", "retention.scam_days = 400.0") in [row[1:] for row in rows]
    default = impact_now(Settings(), law, NOW, "en").retention
    assert ("not by itself; a person closes it", "retention.scam_days = 0.0") in [
        row[1:] for row in default
    ]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_file_has_all_its_parts_and_marks_the_law(full, law, language):
    paper = as_text(impact_paper(impact_now(full, law, NOW, language), law, language))
    for n in range(1, 11):
        assert f"\n{n}. " in paper
    assert ("CHƯA KIỂM CHỨNG" if language == "vi" else "NOT VERIFIED") in paper
    assert "31/12/2026" in paper  # sixty days from the first of November


def test_a_claim_about_a_setting_that_is_none_cannot_be_made(full):
    with pytest.raises(AttributeError):
        Claims(full).say("smtp.hostess")


def codes(settings, law, notices=NOTICE):
    return [each.code for each in grounds(settings, notices, law, TODAY).missing]


def test_what_lacks_is_named(full, law):
    assert codes(full, law) == ["consent_old", "consent", "impact"]
    assert codes(full, law, {}) == ["announcement", "consent_old", "consent", "impact"]
    assert codes(Settings(), law) == ["controller", "contact"]
    assert codes(Settings(subscribers=FULL["subscribers"][:1]), law)[-1] == "since"


def test_mirrored_calls_on_a_basis_of_two_words_are_doubted(law):
    short = {**FULL, "mirror": {"enabled": True, "lawful_basis": "Lệnh 12"}}
    assert "mirror" in codes(Settings(**short), law)


def test_a_house_that_lacks_nothing_says_what_a_machine_cannot_check(law):
    whole = Settings(
        rights={"controller": "A", "contact": "B"},
        retention={"scam_days": 90.0},
        encryption={"recipients_file": "r.txt"},
        reporting={"file_automatically": False},
    )
    found = grounds(whole, NOTICE, law, TODAY)
    assert (found.missing, found.notes) == ((), ())
    said = " ".join(as_text(grounds_paper(found, law, "vi")).split())
    assert "“Cuộc gọi này được ghi âm.”" in said
    assert "không kiểm tra được bằng máy" in said
    assert "116/2025/QH15, điều 15 khoản 1 điểm đ [CHƯA KIỂM CHỨNG]" in said


def test_the_installed_announcement_is_found(law):
    found = grounds_now(Settings(), law, NOW, "vi")
    assert "ghi âm" in found.rows[0][1]
    assert "announcement" not in [each.code for each in found.missing]


def test_a_recipient_that_is_enabled_and_cannot_be_used_is_told(tmp_path, law):
    table = (PROJECT_ROOT / "config/recipients.toml").read_text(encoding="utf-8")
    begin, end = table.split('id = "cong-an-xa"')
    file = tmp_path / "recipients.toml"
    file.write_text(
        f'{begin}id = "cong-an-xa"{end.replace("enabled = false", "enabled = true", 1)}',
        encoding="utf-8",
    )
    settings = Settings(reporting={"recipients": str(file)})
    told = [
        each for each in grounds_now(settings, law, NOW, "vi").notes if each.code == "recipient"
    ]
    assert len(told) == 1
    assert "cong-an-xa" in told[0].text
    assert sum(not each.refusal for each in addressees(settings, NOW)) == 2  # the short codes
