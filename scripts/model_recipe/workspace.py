"""Where the steps leave their results, and the words they share."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from model_recipe.corpus import (
    Grammar,
    Sentence,
    build_vocabulary,
    read_dialogues,
    read_dictionary,
    read_grammar,
)

REPOSITORY = Path(__file__).parents[2]


def dictionary_file() -> Path:
    """The MIT-licensed word list inside the installed package pyvi, found without importing it."""
    from importlib.metadata import files

    for entry in files("pyvi") or ():
        if entry.name == "words.txt":
            return Path(str(entry.locate()))
    message = "the package pyvi carries no words.txt; install scripts/model_recipe/requirements.txt"
    raise FileNotFoundError(message)


@dataclass(frozen=True)
class Workspace:
    """Files of one build under a folder such as `build/model`."""

    root: Path

    @property
    def speech(self) -> Path:
        return self.root / "speech"

    @property
    def validation(self) -> Path:
        """Speech of the tune voices, on which training settings are compared."""
        return self.root / "validation.npz"

    def features(self, name: str) -> Path:
        """All features and labels of the training speech."""
        return self.root / f"features-{name}.npz"

    @property
    def measured(self) -> Path:
        return self.root / "measured"

    @property
    def network(self) -> Path:
        return self.root / "network.pt"

    @property
    def network_so_far(self) -> Path:
        """The network in the middle of training."""
        return self.root / "network.partial.pt"

    @property
    def model(self) -> Path:
        return self.root / "vosk-model"

    @cached_property
    def grammar(self) -> Grammar:
        return read_grammar()

    @cached_property
    def dictionary(self) -> list[Sentence]:
        return read_dictionary(dictionary_file())

    @cached_property
    def dialogues(self) -> list[Sentence]:
        """Every written call that rules and scorer may learn from; the test part stays unseen."""
        folder = REPOSITORY / "data" / "dialogues"
        files = [
            folder / "tuning.jsonl",
            *sorted(folder.glob("practice-*.jsonl")),
            *sorted((folder / "training").glob("*.jsonl")),
        ]
        return [turn for file in files for turn in read_dialogues(file)]

    @cached_property
    def vocabulary(self) -> list[str]:
        return build_vocabulary(self.grammar, self.dictionary)
