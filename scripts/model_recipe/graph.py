"""The decoding graph in two parts, as Vosk's look-ahead models want it: HCLr.fst and Gr.fst.

HCL maps transition ids to words; it is written as a prefix tree over phones with their self-loops.
Phones do not depend on their neighbours here, and the decoder does not need a deterministic
graph, so there are no disambiguation symbols: homophones are parallel arcs.  All transition
probabilities are one constant per frame and left out.
"""

import math
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from model_recipe.corpus import UNKNOWN
from model_recipe.pronunciation import (
    NOISE,
    PHONE_ID,
    PHONES,
    POSITIONS,
    SILENCE,
    TRANSITION_TUPLES,
    base_of,
    forward_id,
    phones_of,
    self_loop_id,
    with_positions,
)

# Debian keeps OpenFst's look-ahead types outside of the default library path.
_FST_PLUGINS = "/usr/lib/x86_64-linux-gnu/fst/22"
_HALF = math.log(2)  # cost of an optional silence, and of its absence
_EPSILON = 0


def word_ids(words: Sequence[str]) -> dict[str, int]:
    """Ids before the look-ahead conversion renumbers them."""
    listed = ["<eps>", *words, UNKNOWN, "#0", "<s>", "</s>"]
    return {word: index for index, word in enumerate(listed)}


class _Tree:
    """Arcs (source, target, transition id, word id, cost) of the lexicon tree."""

    def __init__(self) -> None:
        self.arcs: list[tuple[int, int, int, int, float]] = []
        self.states = 0
        self.ends: dict[str, int] = {}
        self.start, self.root, self.silence = self.state(), self.state(), self.state()
        self.arc(self.start, self.root, _EPSILON, cost=_HALF)
        self._into_silence(self.start)
        self.loop(self.silence, SILENCE)
        self.arc(self.silence, self.root, _EPSILON)

    def state(self) -> int:
        self.states += 1
        return self.states - 1

    def arc(
        self, source: int, target: int, transition: int, word: int = _EPSILON, cost: float = 0.0
    ) -> None:
        self.arcs.append((source, target, transition, word, cost))

    def loop(self, state: int, phone: str) -> None:
        self.arc(state, state, self_loop_id(phone))

    def _into_silence(self, source: int) -> None:
        self.arc(source, self.silence, forward_id(SILENCE), cost=_HALF)

    def end(self, phone: str) -> int:
        """The state inside a word's last phone, shared by all words that end in it."""
        if phone not in self.ends:
            state = self.ends[phone] = self.state()
            self.loop(state, phone)
            self.arc(state, self.root, _EPSILON, cost=_HALF)
            self._into_silence(state)
        return self.ends[phone]

    def inside(self, source: int, phone: str, target: int, cost: float = 0.0) -> None:
        """A phone in the middle of the filler."""
        state = self.state()
        self.arc(source, state, forward_id(phone), cost=cost)
        self.loop(state, phone)
        self.arc(state, target, _EPSILON)


def _add_words(tree: _Tree, words: Iterable[str], ids: Mapping[str, int]) -> None:
    nodes: dict[tuple[str, ...], int] = {(): tree.root}
    for word in words:
        phones = with_positions(phones_of(word))
        for length in range(1, len(phones)):
            prefix = tuple(phones[:length])
            if prefix not in nodes:
                nodes[prefix] = tree.state()
                tree.arc(nodes[prefix[:-1]], nodes[prefix], forward_id(prefix[-1]))
                tree.loop(nodes[prefix], prefix[-1])
        last = phones[-1]
        source = nodes[tuple(phones[:-1])]
        tree.arc(source, tree.end(last), forward_id(last), word=ids[word])


def _add_filler(tree: _Tree, word: int, cost: float) -> None:
    """[unk] as any syllable at a fixed cost, or as noise.

    When a caller limits the recogniser to a phrase list, everything else must have somewhere to
    go, or ordinary talk comes out as the phrases.
    """
    noise = f"{NOISE}_S"
    tree.arc(tree.root, tree.end(noise), forward_id(noise), word=word)
    after_initial, before_coda = tree.state(), tree.state()
    for phone in PHONES:
        base = base_of(phone)
        if base in (SILENCE, NOISE):
            continue
        if base.endswith("-"):
            tree.inside(tree.root, phone, after_initial, cost)
        elif base.startswith("-"):
            tree.arc(before_coda, tree.end(phone), forward_id(phone), word=word)
        elif phone.endswith("_I"):
            tree.inside(after_initial, phone, before_coda)
        elif phone.endswith("_E"):
            tree.arc(after_initial, tree.end(phone), forward_id(phone), word=word)
        elif phone.endswith("_B"):
            tree.inside(tree.root, phone, before_coda, cost)
        else:
            tree.arc(tree.root, tree.end(phone), forward_id(phone), word=word, cost=cost)


def lexicon_fst_text(words: Sequence[str], ids: Mapping[str, int], filler_cost: float = 3.0) -> str:
    """HCL in OpenFst's text format."""
    tree = _Tree()
    _add_words(tree, words, ids)
    _add_filler(tree, ids[UNKNOWN], filler_cost)
    lines = [f"{a} {b} {i} {o} {cost:.5f}" for a, b, i, o, cost in tree.arcs]
    lines += [f"{state} 0.0" for state in (tree.silence, *tree.ends.values())]
    return "\n".join(lines) + "\n"


def word_boundary_text() -> str:
    """`phones/word_boundary.int`, from which Vosk knows where words start and end."""
    return "".join(
        f"{PHONE_ID[phone]} {'nonword' if phone == SILENCE else POSITIONS[phone[-1]]}\n"
        for phone in PHONES
    )


def _pipe(command: str, folder: Path) -> None:
    environment = {**os.environ, "LD_LIBRARY_PATH": _FST_PLUGINS}
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=True, cwd=folder, env=environment
    )


def write_graph(model: Path, words: Sequence[str], grammar_text: str, filler_cost: float) -> None:
    """Write the model's `graph/` from the vocabulary and the language model's text form."""
    graph = (model / "graph").absolute()
    (graph / "phones").mkdir(parents=True, exist_ok=True)
    ids = word_ids(words)
    (graph / "hcl.txt").write_text(lexicon_fst_text(words, ids, filler_cost), encoding="utf-8")
    (graph / "g.txt").write_text(grammar_text, encoding="utf-8")
    _pipe(
        "fstcompile hcl.txt | fstarcsort --sort_type=olabel | fstconvert "
        "--fst_type=olabel_lookahead --save_relabel_opairs=relabel - HCLr.fst",
        graph,
    )
    _pipe(
        "fstcompile g.txt | fstrelabel --relabel_ipairs=relabel --relabel_opairs=relabel "
        "| fstarcsort --sort_type=ilabel | fstconvert --fst_type=const - Gr.fst",
        graph,
    )
    (graph / "words.txt").write_text(
        relabelled_words(ids, (graph / "relabel").read_text(encoding="utf-8")), encoding="utf-8"
    )
    for temporary in ("hcl.txt", "g.txt", "relabel"):
        (graph / temporary).unlink()
    # Vosk wants the file; the one id in it is used by no arc
    unused = 2 * len(TRANSITION_TUPLES) + 1
    (graph / "disambig_tid.int").write_text(f"{unused}\n", encoding="utf-8")
    boundary = graph / "phones" / "word_boundary.int"
    boundary.write_text(word_boundary_text(), encoding="utf-8")


def relabelled_words(ids: Mapping[str, int], relabel: str) -> str:
    """`words.txt` with the ids that the look-ahead conversion gave.

    Words that are on no arc of HCL get ids after all the others.
    """
    moved = dict(tuple(map(int, line.split())) for line in relabel.splitlines())  # type: ignore[misc]
    free = max([*moved.values(), len(ids)]) + 1
    lines = []
    for word, old in ids.items():
        if old == _EPSILON:
            new = _EPSILON
        elif old in moved:
            new = moved[old]
        else:
            new, free = free, free + 1
        lines.append(f"{word} {new}")
    return "\n".join(lines) + "\n"
