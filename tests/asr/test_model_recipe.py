"""The parts of the model recipe that need neither torch nor a synthesiser."""

import itertools
import random
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from model_recipe.corpus import (  # noqa: E402
    SPEECH_SHARES,
    TEXT_SHARES,
    UNKNOWN,
    build_vocabulary,
    read_grammar,
    read_labelled,
)
from model_recipe.graph import (  # noqa: E402
    lexicon_fst_text,
    relabelled_words,
    word_boundary_text,
    word_ids,
)
from model_recipe.kaldi_format import (  # noqa: E402
    Affine,
    Nnet,
    Nonlinear,
    Pass,
    Stream,
    write_transition_model,
)
from model_recipe.language_model import Smoothing, Trigram  # noqa: E402
from model_recipe.pronunciation import (  # noqa: E402
    BASE_PHONES,
    OUTPUTS,
    PHONE_ID,
    PHONES,
    TRANSITION_TUPLES,
    base_of,
    forward_id,
    phones_of,
    self_loop_id,
    with_positions,
)
from model_recipe.workspace import Workspace  # noqa: E402

GRAMMAR = read_grammar()
RUN = 7  # syllables in a row that a test sentence may not share with the text
KEY_PHRASES = ("công an", "thu hồi số thuê bao", "chuyển tiền")


class Reader:
    """Reads Kaldi's binary format back, strictly in order."""

    def __init__(self, data: bytes) -> None:
        assert data[:2] == b"\0B"
        self.data, self.at = data, 2

    def token(self, expected: str) -> None:
        end = self.data.index(b" ", self.at)
        assert self.data[self.at : end].decode() == expected
        self.at = end + 1

    def _number(self, size: int, form: str) -> float:
        assert self.data[self.at] == size
        value = struct.unpack_from(form, self.data, self.at + 1)[0]
        self.at += 1 + size
        return value

    def int32(self) -> int:
        return int(self._number(4, "<i"))

    def float32(self) -> float:
        return self._number(4, "<f")

    def float64(self) -> float:
        return self._number(8, "<d")

    def _raw(self, count: int, kind: str) -> np.ndarray:
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values

    def int_vector(self) -> list[int]:
        assert self.data[self.at] == 4
        (count,) = struct.unpack_from("<i", self.data, self.at + 1)
        self.at += 5
        return [int(value) for value in self._raw(count, "<i4")]

    def float_vector(self) -> np.ndarray:
        self.token("FV")
        return self._raw(self.int32(), "<f4")

    def float_matrix(self) -> np.ndarray:
        self.token("FM")
        rows, columns = self.int32(), self.int32()
        return self._raw(rows * columns, "<f4").reshape(rows, columns)

    def line(self) -> str:
        end = self.data.index(b"\n", self.at)
        text = self.data[self.at : end].decode()
        self.at = end + 1
        return text


def test_scalars_have_kaldis_bytes() -> None:
    stream = Stream()
    stream.token("<Dim>")
    stream.int32(-2)
    stream.float32(0.5)
    stream.float64(0.5)
    stream.int_vector([7])
    assert bytes(stream.data) == (
        b"\0B<Dim> \x04\xfe\xff\xff\xff\x04\x00\x00\x00\x3f\x08"
        b"\x00\x00\x00\x00\x00\x00\xe0\x3f\x04\x01\x00\x00\x00\x07\x00\x00\x00"
    )


def test_matrix_round_trip() -> None:
    values = np.arange(6, dtype=np.float64).reshape(2, 3) / 3
    stream = Stream()
    stream.float_matrix(values)
    assert bytes(stream.data[2:5]) == b"FM "
    np.testing.assert_array_equal(Reader(bytes(stream.data)).float_matrix(), values.astype("<f4"))


def test_transition_model_round_trip() -> None:
    stream = Stream()
    phones = sorted(PHONE_ID.values())
    write_transition_model(stream, phones, TRANSITION_TUPLES)
    reader = Reader(bytes(stream.data))
    reader.token("<TransitionModel>")
    reader.token("<Topology>")
    assert reader.int_vector() == phones
    assert reader.int_vector() == [-1] + [0] * len(phones)
    assert [reader.int32() for _ in range(6)] == [-1, 1, 2, 0, 1, 2]
    assert (reader.int32(), reader.float32()) == (0, 0.5)
    assert (reader.int32(), reader.float32()) == (1, 0.5)
    assert [reader.int32() for _ in range(3)] == [-1, -1, 0]
    reader.token("</Topology>")
    reader.token("<Tuples>")
    assert reader.int32() == len(TRANSITION_TUPLES)
    read = [tuple(reader.int32() for _ in range(4)) for _ in TRANSITION_TUPLES]
    assert read == TRANSITION_TUPLES == sorted(TRANSITION_TUPLES)
    reader.token("</Tuples>")
    reader.token("<LogProbs>")
    assert len(reader.float_vector()) == 2 * len(TRANSITION_TUPLES) + 1
    reader.token("</LogProbs>")
    reader.token("</TransitionModel>")
    assert reader.at == len(stream.data)


def test_network_round_trip() -> None:
    nnet = Nnet(["input-node name=input dim=2"])
    weights = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    last = nnet.add("a", Affine(weights, np.ones(3)), "input")
    last = nnet.add("r", Nonlinear("RectifiedLinearComponent", 3), last)
    last = nnet.add("s", Pass(3), f"Sum({last}, a)")
    nnet.lines.append(f"output-node name=output input={last}")
    stream = Stream()
    nnet.write(stream, [0.25, 0.75])
    reader = Reader(bytes(stream.data))
    reader.token("<Nnet3>")
    lines = list(itertools.takewhile(bool, iter(lambda: reader.line(), None)))[1:]
    # the first line is the empty rest of the line that <Nnet3> stands on
    assert lines == [] or lines == nnet.lines
    while reader.data[reader.at : reader.at + 1] != b"<":
        reader.line()
    reader.token("<NumComponents>")
    assert reader.int32() == 3
    reader.token("<ComponentName>")
    reader.token("a")
    reader.token("<FixedAffineComponent>")
    reader.token("<LinearParams>")
    np.testing.assert_array_equal(reader.float_matrix(), weights)
    reader.token("<BiasParams>")
    np.testing.assert_array_equal(reader.float_vector(), np.ones(3))
    reader.token("</FixedAffineComponent>")
    reader.token("<ComponentName>")
    reader.token("r")
    reader.token("<RectifiedLinearComponent>")
    reader.token("<Dim>")
    assert reader.int32() == 3
    for name in ("<ValueAvg>", "<DerivAvg>"):
        reader.token(name)
        assert len(reader.float_vector()) == 0
    reader.token("<Count>")
    assert reader.float64() == 0.0
    assert bytes(stream.data).endswith(
        b"<Priors> FV \x04\x02\x00\x00\x00" + np.array([0.25, 0.75], "<f4").tobytes()
    )


def test_every_word_of_the_text_has_phones() -> None:
    for word in GRAMMAR.vocabulary():
        assert all(phone in PHONE_ID for phone in with_positions(phones_of(word))), word


def test_every_measured_sentence_has_phones() -> None:
    for group in ("tune", "test"):
        for labelled in read_labelled(group):
            for word in labelled.words:
                assert all(phone in PHONE_ID for phone in with_positions(phones_of(word))), word


def test_measured_sentences_are_not_in_the_text() -> None:
    tune = {labelled.words for labelled in read_labelled("tune")}
    test = {labelled.words for labelled in read_labelled("test")}
    assert not tune & test
    said = set(itertools.islice(GRAMMAR.sentences(4242, TEXT_SHARES), 20_000))
    said.update(Workspace(Path("unused")).dialogues)
    runs = {words[at : at + RUN] for words in said for at in range(len(words) - RUN + 1)}
    for words in test:
        shared = [words[at : at + RUN] for at in range(len(words) - RUN + 1)]
        assert not runs.intersection(shared)


def test_near_misses_and_ordinary_sentences_hold_no_key_phrase() -> None:
    for group in ("tune", "test"):
        for labelled in read_labelled(group):
            found = [phrase for phrase in KEY_PHRASES if phrase in labelled.text]
            assert bool(found) == (labelled.kind == "phrase"), labelled.text


def test_grammar_is_reproducible_and_mixed() -> None:
    first = list(itertools.islice(GRAMMAR.sentences(5, TEXT_SHARES), 300))
    assert first == list(itertools.islice(GRAMMAR.sentences(5, TEXT_SHARES), 300))
    for shares in (TEXT_SHARES, SPEECH_SHARES):
        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares["ordinary"] > shares["scam"]
    text = "\n".join(" ".join(sentence) for sentence in first)
    assert not re.search(r"[{}()|]", text)


@pytest.mark.parametrize("loan", ["ô tê pê", "da lô", "vê en ai đi", "sao sao hai mốt"])
def test_loans_are_spelled_as_heard(loan: str) -> None:
    rng = random.Random(0)
    said = {
        " ".join(GRAMMAR.expand(template, rng))
        for template in GRAMMAR.templates["scam"]
        for _ in range(20)
    }
    assert any(loan in sentence for sentence in said)


def test_transition_ids_agree_with_the_tuples() -> None:
    for position, (phone, state, first, following) in enumerate(TRANSITION_TUPLES, start=1):
        name = PHONES[phone - 1]
        assert state == 0
        assert self_loop_id(name) == 2 * position - 1
        assert forward_id(name) == 2 * position
        assert following == first + 1 < OUTPUTS
        assert BASE_PHONES[first // 2] == base_of(name)


def _toy_graph() -> tuple[list[str], dict[str, int], list[list[str]]]:
    words = ["an", "công", "tiền", "y"]
    ids = word_ids(words)
    return words, ids, [line.split() for line in lexicon_fst_text(words, ids).splitlines()]


def test_lexicon_graph_says_each_word_and_the_filler() -> None:
    words, ids, rows = _toy_graph()
    arcs = [row for row in rows if len(row) == 5]
    labels = {int(row[3]) for row in arcs} - {0}
    assert labels == {ids[word] for word in (*words, UNKNOWN)}
    known = {2 * len(PHONES)} | set(range(2 * len(PHONES)))
    assert all(int(row[2]) in known for row in arcs)
    assert all(float(row[4]) >= 0 for row in arcs)


def test_lexicon_graph_states_that_emit_loop_on_their_own_phone() -> None:
    _, _, rows = _toy_graph()
    arcs = [(int(r[0]), int(r[1]), int(r[2])) for r in rows if len(r) == 5]
    loops = {source: label for source, target, label in arcs if source == target}
    for source, target, label in arcs:
        if source != target and label:
            assert loops[target] == label - 1


def test_relabelled_words_are_unique_and_complete() -> None:
    ids = word_ids(["an", "công"])
    text = relabelled_words(ids, "1 9\n2 4\n3 5\n")
    table = dict(line.rsplit(" ", 1) for line in text.splitlines())
    assert table["<eps>"] == "0"
    assert (table["an"], table["công"], table[UNKNOWN]) == ("9", "4", "5")
    assert len(set(table.values())) == len(ids)


def test_word_boundaries_cover_all_phones() -> None:
    rows = [line.split() for line in word_boundary_text().splitlines()]
    assert [int(row[0]) for row in rows] == sorted(PHONE_ID.values())
    assert {row[1] for row in rows} == {"nonword", "singleton", "begin", "internal", "end"}


def test_trigram_probabilities_sum_to_one() -> None:
    sentences = [(("công", "an"), 1.0), (("chuyển", "tiền"), 2.0), (("công", "an", "đến"), 1.0)]
    words = sorted({word for sentence, _ in sentences for word in sentence})
    model = Trigram(sentences, words, Smoothing())
    everything = [*words, "</s>", UNKNOWN]
    for history in model.histories:
        total = sum(model.probability(history, word) for word in everything)
        assert total == pytest.approx(1.0, abs=1e-9)
    assert model.probability(("công",), "an") > model.probability((), "an")


def test_trigram_acceptor_starts_at_the_sentence_begin() -> None:
    model = Trigram([(("công", "an"), 1.0)], ["an", "công"], Smoothing())
    text = model.fst_text(word_ids(["an", "công"]))
    assert int(text.split()[0]) == model.histories[("<s>",)]
    arcs = [line.split() for line in text.splitlines() if len(line.split()) == 5]
    assert all(row[2] == row[3] for row in arcs)
    reachable = {int(row[1]) for row in arcs} | {model.histories[("<s>",)]}
    assert reachable >= {int(row[0]) for row in arcs}


def test_vocabulary_takes_in_the_dictionary() -> None:
    words = build_vocabulary(GRAMMAR, [("quẫn", "trí")])
    assert "quẫn" in words
    assert words == sorted(set(words))
