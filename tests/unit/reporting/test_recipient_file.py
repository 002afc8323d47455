"""`ivr recipients`: a verification goes into the file, and nothing else in it moves."""

import stat
import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import InputError, SettingsError, UsageError
from ivr.reporting.recipient_file import note_verified
from ivr.reporting.recipients import load
from ivr.settings import PROJECT_ROOT

SHIPPED = PROJECT_ROOT / "config/recipients.toml"
TODAY = date(2026, 11, 25)


@pytest.fixture
def file(tmp_path):
    copy = tmp_path / "recipients.toml"
    copy.write_bytes(SHIPPED.read_bytes())
    copy.chmod(0o640)
    return copy


def test_two_lines_are_added_to_one_table_and_every_comment_stays(file):
    before = file.read_text(encoding="utf-8").splitlines()
    found = note_verified(file, "cong-an-xa", date(2026, 11, 20), "Nguyễn Thị Lan", TODAY)
    after = file.read_text(encoding="utf-8").splitlines()
    added = ["verified_on = 2026-11-20", 'verified_by = "Nguyễn Thị Lan"']
    at = after.index(added[0])
    assert after[at : at + 2] == added
    assert after[:at] + after[at + 2 :] == before
    assert after[at - 1] == "enabled = false"
    assert (found.verified_on, found.verified_by) == (date(2026, 11, 20), "Nguyễn Thị Lan")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_later_verification_replaces_the_earlier_one_where_it_stands(file):
    note_verified(file, "so-khcn", date(2026, 5, 1), "Lan", TODAY)
    text = file.read_text(encoding="utf-8").replace(
        "verified_on = 2026-05-01", "verified_on   = 2026-05-01   # asked by letter"
    )
    file.write_text(text, encoding="utf-8")
    note_verified(file, "so-khcn", TODAY, 'Hùng "Văn thư" \\ tổ 1', TODAY)
    changed = file.read_text(encoding="utf-8")
    assert "verified_on   = 2026-11-25   # asked by letter" in changed
    assert changed.count("verified_by") == text.count("verified_by")
    (found,) = (each for each in load(file) if each.id == "so-khcn")
    assert found.verified_by == 'Hùng "Văn thư" \\ tổ 1'


def test_line_ends_of_windows_and_a_missing_last_one_stay(file):
    text = file.read_text(encoding="utf-8").rstrip("\n").replace("\n", "\r\n")
    file.write_bytes(text.encode())
    note_verified(file, "nha-mang-webhook", TODAY, "Lan", TODAY)
    raw = file.read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert raw.startswith(text.encode() + b"\r\nverified_on = 2026-11-25\r\n")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_printable_name_is_read_back_as_it_was_given(tmp_path_factory, name):
    file = tmp_path_factory.mktemp("r") / "r.toml"
    file.write_bytes(SHIPPED.read_bytes())
    before = tomllib.loads(file.read_text(encoding="utf-8"))
    try:
        note_verified(file, "cong-an-tinh", TODAY, name, TODAY)
    except UsageError:
        assert not name.strip() or not name.isprintable()
        assert tomllib.loads(file.read_text(encoding="utf-8")) == before
        return
    after = tomllib.loads(file.read_text(encoding="utf-8"))
    row = next(each for each in after["recipient"] if each["id"] == "cong-an-tinh")
    assert row.pop("verified_by") == name.strip()
    assert row.pop("verified_on") == TODAY
    assert after == before


def test_a_header_inside_a_long_text_does_not_lead_to_the_wrong_table(tmp_path):
    file = tmp_path / "r.toml"
    row = 'role = """\n[[recipient]]\n"""\nname = "n"\nchannel = "mail"\naddress = "a@b.vn"\n'
    text = f'[[recipient]]\nid = "a"\n{row}[[recipient]]\nid = "b"\n{row}'
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        note_verified(file, "b", TODAY, "Lan", TODAY)
    assert 'verified_on = 2026-11-25; verified_by = "Lan"' in caught.value.remedy
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("recipient", "on", "by", "problem"),
    [
        ("cong-an-xa", date(2026, 11, 26), "Lan", UsageError),
        ("cong-an-xa", TODAY, "  ", UsageError),
        ("short-code-156", TODAY, "Lan", UsageError),
        ("công-an", TODAY, "Lan", InputError),
    ],
)
def test_what_cannot_be_a_verification_is_refused(file, recipient, on, by, problem):
    before = file.read_bytes()
    with pytest.raises(problem):
        note_verified(file, recipient, on, by, TODAY)
    assert file.read_bytes() == before


def ivr(file, *arguments):
    return CliRunner(env={"IVR_REPORTING__RECIPIENTS": str(file)}).invoke(
        app, ["recipients", *arguments]
    )


def test_the_commands_show_who_is_not_written_to_and_why(file):
    enabled = file.read_text(encoding="utf-8").replace("enabled = false", "enabled = true", 1)
    file.write_text(enabled, encoding="utf-8")
    checked = ivr(file, "check")
    assert checked.exit_code == 1
    assert "cong-an-xa: NOT SENT: nobody has verified its address" in checked.output
    verified = ivr(file, "verify", "cong-an-xa", "--by", "Lan")
    assert verified.exit_code == 0, verified.output
    assert ivr(file, "check").exit_code == 0
    listed = ivr(file, "list", "--json")
    assert '"id":"cong-an-xa"' in listed.output
    assert '"verified_by":"Lan"' in listed.output
    still = ivr(file, "verify", "cong-an-tinh", "--by", "Lan", "--on", "2026-11-01")
    assert "Nothing is sent there yet: it is not enabled" in still.output
