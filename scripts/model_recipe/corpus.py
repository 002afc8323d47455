"""Text for the language model and for synthesis, expanded from the templates in `text/`."""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ivr.spotting.syllable import canonical, parse

TEXT = Path(__file__).parent / "text"
UNKNOWN = "[unk]"

# How often a sentence comes from each template file.  Ordinary talk outweighs fraud: a language
# model that knows mostly fraud hears fraud everywhere.
SPEECH_SHARES = {"scam": 0.36, "ordinary": 0.54, "near_miss": 0.10}
TEXT_SHARES = {
    "scam": 0.24,
    "ordinary": 0.32,
    "general": 0.24,
    "near_miss": 0.08,
    "collocations": 0.12,
}

_SLOT = re.compile(r"\{([^{}]+)\}")
_MARK = re.compile(r"[^\w\s]")
_CHOICE = re.compile(r"\(([^()]*)\)")

Sentence = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """Templates by file, and the slots they refer to."""

    slots: dict[str, tuple[str, ...]]
    templates: dict[str, tuple[str, ...]]

    def expand(self, template: str, rng: random.Random) -> Sentence:
        """One random sentence of a template, as canonical syllables."""
        text = template
        while True:
            changed = _CHOICE.sub(lambda found: rng.choice(found.group(1).split("|")), text)
            changed = _SLOT.sub(lambda found: rng.choice(self.slots[found.group(1)]), changed)
            if changed == text:
                return tuple(canonical(text).split())
            text = changed

    def sentences(self, seed: int, shares: Mapping[str, float]) -> Iterator[Sentence]:
        """Endless random sentences, drawn from the files by `shares`."""
        rng = random.Random(seed)
        files, weights = zip(*shares.items(), strict=True)
        while True:
            (name,) = rng.choices(files, weights)
            yield self.expand(rng.choice(self.templates[name]), rng)

    def vocabulary(self) -> set[str]:
        """Every syllable that the grammar can say."""
        texts = [t for group in self.templates.values() for t in group]
        texts += [choice for choices in self.slots.values() for choice in choices]
        bare = (re.sub(r"[()|]", " ", _SLOT.sub(" ", text)) for text in texts)
        return {word for text in bare for word in canonical(text).split()}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence for measurement; `kind` is phrase, ordinary or near."""

    kind: str
    words: Sentence

    @property
    def text(self) -> str:
        return " ".join(self.words)


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def read_grammar(folder: Path = TEXT) -> Grammar:
    """The project's own grammar, with every reference checked."""
    slots: dict[str, tuple[str, ...]] = {}
    for line in _lines(folder / "slots.txt"):
        name, _, choices = line.partition(":")
        # choices are divided by " | ", so that a choice may hold "(a|b)"
        slots[name.strip()] = tuple(choice.strip() for choice in choices.split(" | "))
    templates = {name: tuple(_lines(folder / f"{name}.txt")) for name in TEXT_SHARES}
    grammar = Grammar(slots, templates)
    known = set(slots)
    for text in (t for group in (*templates.values(), *slots.values()) for t in group):
        missing = set(_SLOT.findall(text)) - known
        if missing:
            message = f"no slot {sorted(missing)} for template {text!r}"
            raise ValueError(message)
    return grammar


def read_labelled(name: str, folder: Path = TEXT) -> list[Labelled]:
    """The sentences of `tune_sentences.txt` or `test_sentences.txt`."""
    found = []
    for line in _lines(folder / f"{name}_sentences.txt"):
        kind, _, text = line.partition("|")
        found.append(Labelled(kind, tuple(canonical(text).split())))
    return found


def read_dictionary(path: Path) -> list[Sentence]:
    """Compound words of a word list, one a line, kept when each syllable is Vietnamese."""
    found: list[Sentence] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = tuple(canonical(line).split())
        if words and all(parse(word) is not None for word in words):
            found.append(words)
    return found


def read_dialogues(path: Path) -> list[Sentence]:
    """The turns of the project's written calls, without their marks."""
    calls = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    texts = (canonical(turn["text"]) for call in calls for turn in call["turns"])
    return [tuple(_MARK.sub(" ", text).split()) for text in texts]


def build_vocabulary(grammar: Grammar, dictionary: Sequence[Sentence]) -> list[str]:
    """Sorted syllables of the recogniser: those of the grammar and of the word list."""
    return sorted(grammar.vocabulary().union(*dictionary))
