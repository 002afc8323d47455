"""Loading a rulebook: every mistake is named with its line and a remedy; the digest is stable."""

import shutil
from pathlib import Path

import pytest

from ivr.errors import RulebookError
from ivr.facts.judgement import Stage
from ivr.spotting.examples import run_examples
from ivr.spotting.rulebook import Rulebook


def test_a_good_rulebook_loads(rulebooks: Path) -> None:
    book = Rulebook.load(rulebooks / "good.yaml")
    assert [phrase.phrase_id for phrase in book.phrases] == ["xung", "thu_hoi.so"]
    assert [phrase.stage for phrase in book.phrases] == [Stage.AUTHORITY, Stage.THREAT]
    assert all(result.ok for result in run_examples(book))


@pytest.mark.parametrize(
    ("name", "line", "says", "remedy"),
    [
        ("unclosed_bracket", 19, "(tôi|em gọi từ", "never closed"),
        ("unknown_list", 19, "{orgs}", "org"),
        ("unused_list", 11, "'org' is never used", "remove"),
        ("list_in_list", 11, "holds a list", "words only"),
        ("unknown_stage", 25, "thret", "threat"),
        ("unknown_pretext", 26, "simm", "pretexts:"),
        ("unknown_key", 17, "wieght", "did you mean 'weight'"),
        ("weight_with_comma", 27, "must be a number", "with a dot"),
        ("weight_too_large", 27, "must be a number", "0 to 1"),
        ("repeated_concept", 22, "'xung' stands twice", "rename"),
        ("repeated_phrase_id", 29, "'xung' stands already", "another id"),
        ("missing_meaning", 23, "'meaning' is missing", "add a line"),
        ("missing_say", 29, "'say' is missing", "add a line"),
        ("vietnamese_concept_name", 23, "thu_hồi", "without Vietnamese marks"),
        ("bad_date", 32, "not a date", "2026-01-31"),
        ("unknown_region", 31, "miền nam", "north, central, south"),
        ("bad_limits", 5, "limits", "[mean, worst]"),
        ("phrases_not_a_list", 28, "must be a list", "- say:"),
        ("broken_indentation", 25, "not readable as YAML", "indentation"),
        ("tab_character", 25, "not readable as YAML", "indentation"),
        ("wrong_language", 3, "'en'", "vi"),
        ("everything_optional", 30, "optional", "one word must stay"),
        ("empty", 1, "empty", "config/rulebook"),
        ("only_a_word", 1, "must be a table", "indent"),
        ("latin1", 0, "not UTF-8", "UTF-8"),
        ("no_such_file", 0, "cannot be read", "path"),
    ],
)
def test_each_mistake_names_its_line(
    rulebooks: Path, name: str, line: int, says: str, remedy: str
) -> None:
    path = rulebooks / f"{name}.yaml"
    with pytest.raises(RulebookError) as caught:
        Rulebook.load(path)
    assert f"{path}:{line}: " in caught.value.why
    assert says in caught.value.why
    assert remedy in caught.value.why
    assert str(path) in caught.value.what
    assert "ivr rules check" in caught.value.remedy


def test_all_mistakes_are_told_at_once(rulebooks: Path) -> None:
    with pytest.raises(RulebookError, match="2 mistake"):
        Rulebook.load(rulebooks / "two_mistakes.yaml")


def test_comments_and_layout_do_not_change_the_digest(rulebooks: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    shutil.copy(rulebooks / "good.yaml", copy)
    text = copy.read_text(encoding="utf-8").replace(
        "[là, thì, mà]", "\n    - là\n    - thì\n    - mà"
    )
    copy.write_text("# another comment\n" + text, encoding="utf-8")
    first, second = Rulebook.load(rulebooks / "good.yaml"), Rulebook.load(copy)
    assert first.sha256 == second.sha256
    copy.write_text(text.replace("weight: 0.5", "weight: 0.4"), encoding="utf-8")
    assert Rulebook.load(copy).sha256 != first.sha256


def test_a_word_the_model_cannot_output_is_named_with_its_phrase(rulebooks: Path) -> None:
    book = Rulebook.load(rulebooks / "good.yaml")
    vocabulary = {"tôi", "gọi", "từ", "công", "an", "hồi", "sim", "số", "thuê", "bao"}
    mistakes = book.check(vocabulary)
    fatal = [mistake for mistake in mistakes if mistake.is_fatal]
    assert len(fatal) == 1
    assert "'thu_hoi.so' can never fire" in fatal[0].what
    assert "'thu'" in fatal[0].what
    assert fatal[0].line == 29


def test_losing_one_variant_is_told_but_not_fatal(rulebooks: Path) -> None:
    book = Rulebook.load(rulebooks / "good.yaml")
    vocabulary = {"tôi", "gọi", "từ", "công", "an", "thu", "hồi", "số", "thuê", "bao"}
    mistakes = book.check(vocabulary)
    assert [mistake.is_fatal for mistake in mistakes] == [False]
    assert "'sim'" in mistakes[0].what


def test_a_list_that_can_never_be_heard_is_fatal(rulebooks: Path) -> None:
    book = Rulebook.load(rulebooks / "good.yaml")
    whats = [m.what for m in book.check({"tôi", "gọi", "từ"}) if m.is_fatal]
    assert any("list {org}" in what for what in whats)
    assert any("'xung' can never fire" in what for what in whats)


def test_any_spelling_of_the_vocabulary_serves(rulebook: Rulebook) -> None:
    assert rulebook.check({word.upper() for word in rulebook.words()}) == ()
    assert rulebook.check(None) == ()


def test_the_own_rulebook_holds_what_outside_programs_rely_on(rulebook: Rulebook) -> None:
    concepts = {concept.name for concept in rulebook.concepts}
    assert {"cong_an", "thu_hoi_so_thue_bao", "chuyen_tien"} <= concepts
    assert {phrase.stage for phrase in rulebook.phrases} == set(Stage)
    assert len(rulebook.pretexts) >= 23
    told = {phrase.pretext for phrase in rulebook.phrases if phrase.pretext}
    assert set(rulebook.pretexts) == told


def test_every_example_of_the_own_rulebook_holds(rulebook: Rulebook) -> None:
    results = run_examples(rulebook)
    assert len(results) > 100
    assert [result for result in results if not result.ok] == []


def test_every_phrase_of_the_own_rulebook_has_an_example(rulebook: Rulebook) -> None:
    assert [phrase.phrase_id for phrase in rulebook.phrases if not phrase.examples] == []
