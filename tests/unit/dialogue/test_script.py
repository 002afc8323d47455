"""A dialogue file is checked before the first call; each mistake names its line."""

from pathlib import Path

import pytest

from ivr.dialogue import listing
from ivr.dialogue.script import Script
from ivr.dialogue.script_reader import read
from ivr.errors import InputError
from ivr.facts.call import Mode
from ivr.settings import PROJECT_ROOT

FOLDER = Path(__file__).parent / "scripts"
PROMPTS = {e.id for e in listing.read(PROJECT_ROOT / "prompts") if e.language == "vi"}
CONCEPTS = {"cong_an"}

MISTAKES = [
    ("unknown_state", 21, "no state 'tlak'", "did you mean 'talk'?"),
    ("unknown_prompt", 21, "no prompt 'ask_offise'", "did you mean 'ask_office'?"),
    ("unknown_condition", 17, "'worsd' can never be heard", "did you mean 'words'?"),
    ("unknown_key", 23, "'hangup' is not known", "did you mean 'hang_up'?"),
    ("unknown_start", 3, "no state 'anouncement'", "announcement"),
    ("unreachable_state", 23, "nothing leads to state 'lonely'", "remove it"),
    ("endless_prompts", 21, "office → office speak for ever", "listens"),
    ("endless_pair", 21, "office → echo → office speak for ever", "listens"),
    ("silent_caller_held", 20, "'stall' does not end the call of a silent caller", "hang_up"),
    ("silence_not_covered", 12, "caller who stays silent", "only 'go:'"),
    ("silence_repeats_for_ever", 19, "'talk' would be chosen for ever", "times"),
    ("no_silence_list", 12, "caller who stays silent", "only 'go:'"),
    ("says_and_listens", 10, "must either say or listen", "one of"),
    ("neither_says_nor_listens", 10, "must either say or listen", "one of"),
    ("no_way_on", 21, "what comes after the prompt", "then"),
    ("two_ways_on", 23, "what comes after the prompt", "then"),
    ("time_up_not_covered", 5, "time_up: its last line must fit always", "only 'go:'"),
    ("time_up_goes_on", 6, "'stall' does not end the call", "hang_up"),
    ("missing_start", 3, "'listen' is missing", "add a line"),
    ("pause_in_words", 13, "must be a number", "0.1 to 120"),
    ("pause_with_comma", 13, "must be a number", "with a dot"),
    ("half_a_time", 22, "times must be a whole number", "1, 2, 3"),
    ("repeated_state", 23, "'office' stands twice", "rename"),
    ("vietnamese_name", 23, "is not usable", "without Vietnamese marks"),
    ("list_without_dashes", 15, "must be a list", "- "),
    ("broken_indentation", 21, "not readable as YAML", "indentation"),
    ("no_states", 7, "'sates' is not known", "did you mean 'states'?"),
    ("empty", 1, "empty", "config/dialogue"),
    ("not_text", 0, "not UTF-8", "UTF-8"),
    ("missing_file", 0, "cannot be read", "path"),
]


def test_a_good_file_is_read_as_it_is_written():
    script, mistakes = read(FOLDER / "good.yaml", CONCEPTS, PROMPTS)
    assert mistakes == []
    assert script is not None
    assert script.starts == {Mode.ANSWER: "announcement", Mode.LISTEN: "quietly"}
    assert script.longest_s == 300
    talk = script.nodes["talk"].listening
    assert talk is not None
    assert (talk.pause_s, talk.first_word_s, talk.silence_s) == (1.5, 5.0, 6.0)
    assert talk.answer[0].heard == ("words", "cong_an")
    assert talk.answer[0].unheard == ("counter",)
    assert script.nodes["stall"].times == 5
    assert script.nodes["office"].times == 1
    assert script.said == {
        *("announcement", "ask_office", "writing", "glasses", "closing"),
    }


@pytest.mark.parametrize(("name", "line", "what", "remedy"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_each_mistake_names_its_line_and_what_to_write(name, line, what, remedy):
    _, mistakes = read(FOLDER / f"{name}.yaml", CONCEPTS, PROMPTS)
    found = [m for m in mistakes if m.line == line and what in m.what and remedy in m.remedy]
    assert found, [str(mistake) for mistake in mistakes]


def test_every_file_of_a_mistake_is_tested():
    assert {path.stem for path in FOLDER.glob("*.yaml")} - {"good"} == {
        name for name, *_ in MISTAKES
    } - {"missing_file"}


def test_loading_a_bad_file_says_all_of_it_with_file_and_line():
    with pytest.raises(InputError) as caught:
        Script.load(FOLDER / "unknown_state.yaml", CONCEPTS, PROMPTS)
    assert "unknown_state.yaml line 21" in caught.value.why
    assert "ivr dialogue check" in caught.value.remedy


def test_a_prompt_that_this_language_lacks_is_a_mistake():
    _, mistakes = read(FOLDER / "good.yaml", CONCEPTS, PROMPTS - {"glasses"})
    assert [m.what for m in mistakes] == ["state 'stall': there is no prompt 'glasses'"]


def test_the_digest_is_of_the_content_not_of_its_layout(tmp_path):
    text = (FOLDER / "good.yaml").read_text(encoding="utf-8")
    (tmp_path / "laid_out.yaml").write_text(
        "# a remark\n" + text.replace("{listen: {}}", "\n    listen: {}")
    )
    (tmp_path / "changed.yaml").write_text(text.replace("pause: 1.5", "pause: 1.6"))
    digests = [
        read(path, CONCEPTS, PROMPTS)[0].sha256  # type: ignore[union-attr]
        for path in (FOLDER / "good.yaml", tmp_path / "laid_out.yaml", tmp_path / "changed.yaml")
    ]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_shipped_dialogue_can_be_spoken_in_every_language(language):
    ids = {e.id for e in listing.read(PROJECT_ROOT / "prompts") if e.language == language}
    assert Script.load(PROJECT_ROOT / "config/dialogue/screening.yaml", (), ids).said <= ids
