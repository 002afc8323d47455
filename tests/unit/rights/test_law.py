"""The law is a file that a lawyer corrects: every mistake in it is named, nothing is guessed."""

import re
from datetime import date

import pytest

from ivr.errors import SettingsError
from ivr.rights.law import CITED, TERMS, LawBook
from ivr.rights.words import cite, standing, warning
from ivr.settings import PROJECT_ROOT

SHIPPED = (PROJECT_ROOT / "config/law.toml").read_text(encoding="utf-8")
DAYS = (PROJECT_ROOT / "config/holidays.toml").read_text(encoding="utf-8")


@pytest.fixture
def broken(tmp_path):
    """Load the shipped file with one change."""

    def load(old, new):
        assert old in SHIPPED
        file = tmp_path / "law.toml"
        file.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(SettingsError) as caught:
            LawBook.load(file)
        return caught.value.why

    return load


def test_the_shipped_law_has_every_rule_that_is_counted_with_or_cited(law):
    assert {rule.id for rule in law.book} == {*TERMS, *CITED}


def test_the_terms_are_those_of_the_decree(law):
    terms = {name: (law.book.term(name), law.book[name].unit) for name in TERMS}
    assert terms["acknowledge"] == (2, "working_days")
    assert terms["answer_stop"] == terms["extend_stop"] == (15, "days")
    assert terms["answer_stop_third"] == (20, "days")
    assert terms["answer_give"] == (10, "days")
    assert terms["answer_delete"] == (20, "days")
    assert terms["breach"] == (72, "hours")
    assert terms["impact"] == (60, "days")


def test_a_third_party_never_shortens_a_term(law):
    for group in ("stop", "give", "delete"):
        assert law.book.term(f"answer_{group}_third") >= law.book.term(f"answer_{group}")


@pytest.mark.parametrize("text", [SHIPPED, DAYS], ids=["law", "holidays"])
def test_no_address_stands_in_the_files(text):
    assert not re.search(r"https?:|www\.|@|\b[\w-]+\.(vn|com|gov|org)\b", text)


def test_what_nobody_has_read_is_marked_in_both_languages(law):
    unread, read = law.book["breach"], law.book["evidence_lawful"]
    assert cite(unread, "vi").endswith("[CHƯA KIỂM CHỨNG]")
    assert cite(unread, "en").endswith("[NOT VERIFIED]")
    assert cite(read, "vi") == read.article
    assert standing(read, "vi").startswith("đã đọc văn bản")
    assert warning((read,), "vi") == ()
    assert "phải đối chiếu trước khi gửi" in warning((read, unread), "vi")[0].text


def test_every_rule_that_is_called_read_was_read_by_now(law):
    for rule in law.book:
        assert rule.checked_on <= date(2026, 12, 31)
        assert not (rule.verified and "trí nhớ" in rule.source), rule.id


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('id = "breach"', 'id = "breech"', "breach is missing"),
        ('id = "answer_stop"', 'id = "acknowledge"', "acknowledge stands there twice"),
        ('unit = "hours"', 'unit = "days"', "breach counts in days, not in hours"),
        ('value = 72\nunit = "hours"\n', "", "breach counts in nothing"),
        ("value = 72", "value = 0", "greater than or equal to 1"),
        ("value = 72\n", "", "value and unit belong together"),
        ("verified = false", 'verified = "perhaps"', "verified"),
        ("checked_on = 2026-11-25", 'checked_on = "lately"', "checked_on"),
        ("[[rule]]", "[[rules]]", "unknown names: rules"),
        ("[[rule]]", "[[rule", "line"),
        ('source = "', 'sauce = "', "sauce"),
    ],
)
def test_a_mistake_is_named(broken, old, new, named):
    assert named in broken(old, new)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"law\.toml cannot be used"):
        LawBook.load(tmp_path / "law.toml")


def test_a_file_of_another_shape_is_named(tmp_path):
    file = tmp_path / "law.toml"
    file.write_text("rule = 3\n")
    with pytest.raises(SettingsError) as caught:
        LawBook.load(file)
    assert "rule is not a list" in caught.value.why
