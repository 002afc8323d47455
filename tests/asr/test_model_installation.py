"""`scripts/build_model install`, the card it wants, and the steps that `--dry-run` prints."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.errors import RecognitionError
from ivr.recognition import manifest
from ivr.recognition.model import digest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from model_recipe.card import notes, write_card  # noqa: E402
from model_recipe.figures import table  # noqa: E402
from model_recipe.installation import install, put_in_place, with_digest  # noqa: E402

NAME = "vosk-model-vi-ivr-demo-0.1"
COMMITTED = ROOT / "asr_models" / NAME
FACTS = dict.fromkeys(
    (
        "title",
        "hours",
        "seed",
        "parameters",
        "words",
        "train_voices",
        "steps",
        "sentences",
        "shares",
        "test_voices",
    ),
    "some",
)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build that differs from the committed model in one setting, with its own card."""
    folder = tmp_path / "build" / "vosk-model"
    shutil.copytree(COMMITTED, folder)
    conf = folder / "conf" / "model.conf"
    conf.write_text(conf.read_text().replace("--beam=11", "--beam=12"))
    figures = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    write_card(folder / "README.md", figures, FACTS)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models that holds the manifest alone."""
    folder = tmp_path / "asr_models"
    folder.mkdir()
    shutil.copy(ROOT / "asr_models" / manifest.FILE_NAME, folder)
    return folder


def test_install_copies_everything_and_pins_the_digest(built: Path, models: Path) -> None:
    before = (models / manifest.FILE_NAME).read_text(encoding="utf-8")
    pinned = install(built, models, NAME)
    assert contents(models / NAME) == contents(built)
    assert pinned == digest(models / NAME) == manifest.find(models, NAME).sha256
    after = (models / manifest.FILE_NAME).read_text(encoding="utf-8")
    assert after == before.replace(digest(COMMITTED), pinned) != before
    assert sorted(path.name for path in models.iterdir()) == [manifest.FILE_NAME, NAME]


def test_a_model_that_is_there_is_replaced_only_by_force(built: Path, models: Path) -> None:
    shutil.copytree(COMMITTED, models / NAME)
    (models / NAME / "left-over.txt").write_text("of the old model")
    before = contents(models)
    with pytest.raises(RecognitionError, match="there already"):
        install(built, models, NAME)
    assert contents(models) == before
    pinned = install(built, models, NAME, force=True)
    assert contents(models / NAME) == contents(built)
    assert manifest.find(models, NAME).sha256 == pinned
    assert sorted(path.name for path in models.iterdir()) == [manifest.FILE_NAME, NAME]


def test_a_card_of_another_build_is_refused(built: Path, models: Path) -> None:
    shutil.copy(COMMITTED / "README.md", built)
    with pytest.raises(RecognitionError, match="another build"):
        install(built, models, NAME)


def test_a_card_with_other_figures_is_refused(built: Path, models: Path) -> None:
    figures = json.loads((built / "evaluation.json").read_text(encoding="utf-8"))
    figures["sets"]["telephone"]["syllable_error"] = 0.01
    (built / "evaluation.json").write_text(json.dumps(figures), encoding="utf-8")
    with pytest.raises(RecognitionError, match="another build"):
        install(built, models, NAME)


@pytest.mark.parametrize("name", ["README.md", "evaluation.json"])
def test_a_model_without_card_or_figures_is_refused(built: Path, models: Path, name: str) -> None:
    (built / name).unlink()
    with pytest.raises(RecognitionError, match=name):
        install(built, models, NAME)


def test_a_broken_build_is_refused(built: Path, models: Path) -> None:
    network = built / "am" / "final.mdl"
    network.write_bytes(network.read_bytes()[:-1])
    before = contents(models)
    with pytest.raises(RecognitionError):
        install(built, models, NAME)
    assert contents(models) == before


@pytest.mark.parametrize("name", ["vosk-model-small-vn-0.4", "unheard-of"])
def test_only_built_in_entries_of_the_manifest_are_installed(
    built: Path, models: Path, name: str
) -> None:
    before = contents(models)
    with pytest.raises(RecognitionError):
        install(built, models, name)
    assert contents(models) == before


def test_an_interrupted_install_loses_no_model(built: Path, models: Path) -> None:
    shutil.copytree(COMMITTED, models / f".{NAME}.replaced")
    with pytest.raises(RecognitionError, match="there already"):
        install(built, models, NAME)
    assert contents(models / NAME) == contents(COMMITTED)


@pytest.mark.parametrize("had_a_model", [True, False])
def test_a_failure_at_the_end_leaves_the_old_state(models: Path, had_a_model: bool) -> None:
    target, copy = models / NAME, models / "copy"
    copy.mkdir()
    if had_a_model:
        target.mkdir()
        (target / "old.txt").write_text("old")
    before = contents(models)
    with pytest.raises(FileNotFoundError):
        put_in_place(
            copy, target, models / "old", models / "not written", models / manifest.FILE_NAME
        )
    assert contents(models) == before
    assert target.exists() == had_a_model


def test_an_entry_without_a_digest_line_is_told() -> None:
    with pytest.raises(RecognitionError, match="cannot be written"):
        with_digest('[[model]]\nname = "a"\n[[model]]\nname = "b"\nsha256 = ""\n', "a", "0" * 64)


def test_the_card_claims_for_a_build_only_what_was_measured_on_it(built: Path) -> None:
    known, unknown = notes(digest(COMMITTED)), notes(digest(built))
    assert known["people"] != unknown["people"]
    assert "109.2" in (COMMITTED / "README.md").read_text(encoding="utf-8")
    card = (built / "README.md").read_text(encoding="utf-8")
    assert "109.2" not in card
    assert "run twice" not in card


def test_the_committed_card_and_manifest_agree_with_the_model() -> None:
    card = (COMMITTED / "README.md").read_text(encoding="utf-8")
    figures = json.loads((COMMITTED / "evaluation.json").read_text(encoding="utf-8"))
    assert table(figures) in card
    assert all(text in card for text in notes(digest(COMMITTED)).values())
    assert manifest.find(ROOT / "asr_models", NAME).sha256 == digest(COMMITTED)


def test_the_docs_give_the_committed_figures() -> None:
    figures = json.loads((COMMITTED / "evaluation.json").read_text(encoding="utf-8"))
    docs = (ROOT / "docs" / "speech-model.md").read_text(encoding="utf-8")
    assert table(figures) in docs


def steps_of(*options: str) -> list[list[str]]:
    """Arguments of the recipe's steps as a dry run prints them, the step's name first."""
    command = [str(SCRIPTS / "build_model"), "--dry-run", *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    return [line.split() for line in re.findall(r"-m model_recipe --work \S+ (.*)", printed)]


def test_the_steps_of_a_build_and_their_defaults() -> None:
    assert steps_of() == [
        ["speech", "--hours", "36", "--seed", "1"],
        ["train", "--steps", "5000", "--minutes", "36", "--seed", "1"],
        ["model"],
        ["evaluate", "--seed", "1"],
    ]
    assert [step[0] for step in steps_of("--toy")] == ["speech", "train", "model", "evaluate"]
    assert all(step[-1] == "--toy" for step in steps_of("--toy"))


def test_install_is_a_step_of_its_own_and_not_for_toys() -> None:
    assert steps_of("install", "--force")[-1] == ["install", "--force"]
    refused = subprocess.run(
        [str(SCRIPTS / "build_model"), "--toy", "install"],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert refused.returncode == 2
