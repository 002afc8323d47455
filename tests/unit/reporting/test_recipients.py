"""The recipients table: what is wrong is said, with the row's name."""

from datetime import date
from pathlib import Path

import pytest

from ivr.errors import SettingsError
from ivr.facts.reports import Channel
from ivr.reporting.recipients import load

SHIPPED = Path(__file__).parents[3] / "config" / "recipients.toml"
ROW = '[[recipient]]\nid = "{id}"\nrole = "r"\nname = "n"\nchannel = "mail"\naddress = "{to}"\n'


def test_the_shipped_table_writes_to_nobody_but_the_short_codes():
    today = date(2026, 11, 24)
    open_today = [r for r in load(SHIPPED) if r.refusal(today, 180) is None]
    assert {r.address for r in open_today} == {"156", "5656"}


def test_the_shipped_table_claims_no_verification_and_no_real_address():
    for recipient in load(SHIPPED):
        assert recipient.verified_on is None
        assert recipient.channel is Channel.SMS or recipient.address.endswith(".example")


def test_a_row_is_read_whole(tmp_path):
    file = tmp_path / "r.toml"
    file.write_text(
        ROW.format(id="ca", to="a@example.vn")
        + 'aliases = ["cũ"]\nverified_on = 2026-11-01\nverified_by = "Lan"\nenabled = true\n'
    )
    (recipient,) = load(file)
    assert (recipient.aliases, recipient.is_enabled) == (("cũ",), True)
    assert recipient.refusal(date(2026, 11, 24), 180) is None
    assert recipient.refusal(date(2026, 10, 31), 180) is not None  # verified in the future


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[recipient]]\nid = 'x'\n", "role: Field required"),
        (ROW.format(id="Ca Xã", to="a@b.vn"), "id: String should match"),
        (ROW.format(id="a", to="nowhere"), "not a mail address"),
        (ROW.format(id="a", to="a@b.vn\\nBcc: c@d.vn"), "not a mail address"),
        (ROW.format(id="a", to="công.an@b.vn"), "ASCII"),
        (ROW.format(id="a", to="a@b.vn") * 2, "used 2 times"),
        (ROW.format(id="a", to="a@b.vn") + "superseded_by = 'zz'\n", "which is not here"),
        (ROW.format(id="a", to="a@b.vn") + "phone = '113'\n", "phone: Extra inputs"),
        (ROW.format(id="a", to="a@b.vn") + "kind = 'local'\n", "ends in localhost"),
        (ROW.format(id="a", to="156").replace("mail", "sms"), "belong together"),
        (ROW.format(id="a", to="0912").replace("mail", "sms"), "156 or 5656"),
        (ROW.format(id="a", to="a@b.vn") + "superseded_by = 'a'\n", "leads back to it"),
        (ROW.format(id="a", to="a@b.vn") + "filing = 'maybe'\n", "filing: Input should be"),
        (
            ROW.format(id="a", to="a@b.vn") + "valid_from = 2026-01-01\nvalid_to = 2025-01-01\n",
            "before valid_from",
        ),
        ("[recipients]\n", "unknown name 'recipients'"),
        ("recipient = 3", "not a list"),
        ("recipient = [3]", "not a table"),
        ("= broken", "Invalid"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, why):
    file = tmp_path / "r.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert why in caught.value.why


def test_all_mistakes_are_listed_at_once(tmp_path):
    file = tmp_path / "r.toml"
    file.write_text(ROW.format(id="a", to="nowhere") + ROW.format(id="b", to="nowhere"))
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert "recipient 1 (a)" in caught.value.why
    assert "recipient 2 (b)" in caught.value.why


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.toml")


def test_an_office_that_another_took_over_gets_nothing_more(tmp_path):
    file = tmp_path / "r.toml"
    checked = "verified_on = 2026-11-01\nverified_by = 'Lan'\nenabled = true\n"
    old = ROW.format(id="old", to="a@example.vn") + checked + "superseded_by = 'new'\n"
    new = ROW.format(id="new", to="b@example.vn") + checked
    file.write_text(old + new)
    first, heir = load(file)
    assert first.refusal(date(2026, 11, 24), 180) == "it is superseded by new"
    assert heir.refusal(date(2026, 11, 24), 180) is None
    file.write_text(old + "valid_to = 2026-12-31\n" + new)
    first, _ = load(file)
    assert first.refusal(date(2026, 12, 31), 180) is None
    assert first.refusal(date(2027, 1, 1), 180) == "it was valid until 2026-12-31; see new"
