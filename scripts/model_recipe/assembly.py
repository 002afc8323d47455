"""A Vosk model directory from the trained network, the words and the decoding settings."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from model_recipe.corpus import TEXT_SHARES, Sentence
from model_recipe.graph import word_ids, write_graph
from model_recipe.language_model import Smoothing, Trigram
from model_recipe.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings chosen on the tune set."""

    acoustic_scale: float = 0.6
    prior_power: float = 0.5
    prior_floor: float = 1e-4
    beam: float = 11.0
    max_active: int = 3000
    lattice_beam: float = 4.0
    filler_cost: float = 3.0

    def model_conf(self) -> str:
        """The text of `conf/model.conf`; Vosk takes 30 ms per network output for granted.

        Endpoints suit talk over the telephone: half a second of silence ends a complete
        sentence, a little more any other, and nobody waits longer than 15 s for a result.
        """
        return "\n".join(
            (
                "--min-active=200",
                f"--max-active={self.max_active}",
                f"--beam={self.beam:g}",
                f"--lattice-beam={self.lattice_beam:g}",
                f"--acoustic-scale={self.acoustic_scale:g}",
                "--frame-subsampling-factor=3",
                "--endpoint.silence-phones=1",
                "--endpoint.rule2.min-trailing-silence=0.5",
                "--endpoint.rule3.min-trailing-silence=0.8",
                "--endpoint.rule4.min-trailing-silence=1.2",
                "--endpoint.rule5.min-utterance-length=15",
                "",
            )
        )


@dataclass(frozen=True, slots=True)
class LanguageData:
    """What the language model counts, and how much each sentence of a source weighs.

    Weights were chosen by the perplexity of practice-4 and practice-5, which were left out
    meanwhile. Small counts make Witten-Bell smoothing trust the short histories more, which
    sentences from templates need.
    """

    sentences: int = 60_000
    template_weight: float = 0.02
    dialogue_weight: float = 0.5
    dictionary_weight: float = 0.05
    seed: int = 4242
    smoothing: Smoothing = field(default_factory=Smoothing)


def language_data(toy: bool) -> LanguageData:
    """The language model's sources for a model, or for a toy that only tries the steps."""
    return LanguageData(sentences=3_000) if toy else LanguageData()


def language_model(space: Workspace, data: LanguageData) -> Trigram:
    """The trigram over the project's sentences and calls, and the compounds of the word list."""
    templates = itertools.islice(space.grammar.sentences(data.seed, TEXT_SHARES), data.sentences)
    known = set(space.vocabulary)
    weighted: list[tuple[Sentence, float]] = [(s, data.template_weight) for s in templates]
    weighted += [(turn, data.dialogue_weight) for turn in space.dialogues if known >= set(turn)]
    weighted += [(entry, data.dictionary_weight) for entry in space.dictionary]
    return Trigram(weighted, space.vocabulary, data.smoothing)


def write_graph_files(space: Workspace, model: Path, data: LanguageData, filler: float) -> None:
    """Write `graph/`."""
    trigram = language_model(space, data)
    write_graph(model, space.vocabulary, trigram.fst_text(word_ids(space.vocabulary)), filler)


def write_acoustic_files(space: Workspace, model: Path, decoding: Decoding) -> None:
    """Write `am/` and `conf/`."""
    from model_recipe.export import softened_priors, write_model
    from model_recipe.training import load

    network, features, log_priors = load(space.network)
    priors = softened_priors(log_priors, decoding.prior_power, decoding.prior_floor)
    write_model(model / "am" / "final.mdl", network, priors)
    conf = model / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    features.write_conf(conf)
    (conf / "model.conf").write_text(decoding.model_conf(), encoding="utf-8")
