"""Writer of Kaldi's binary stream format, for the two objects of an acoustic model file.

A stream starts with the bytes ``\\0B``.  A token is ASCII and one space.  Numbers carry their size
in bytes before them; bools are ``T`` or ``F``.  The names follow Kaldi's sources (base/io-funcs,
matrix/kaldi-matrix, hmm/transition-model, nnet3/nnet-nnet, nnet3/am-nnet-simple).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Probability of staying in a phone, the same for every phone: a constant per frame.
_STAY = 0.5


@dataclass(slots=True)
class Stream:
    """Bytes of one Kaldi file being written."""

    data: bytearray = field(default_factory=lambda: bytearray(b"\0B"))

    def token(self, name: str) -> None:
        self.data += name.encode("ascii") + b" "

    def int32(self, value: int) -> None:
        self.data += b"\x04" + struct.pack("<i", value)

    def float32(self, value: float) -> None:
        self.data += b"\x04" + struct.pack("<f", value)

    def float64(self, value: float) -> None:
        self.data += b"\x08" + struct.pack("<d", value)

    def int_vector(self, values: Sequence[int]) -> None:
        """WriteIntegerVector: the size of an element, the raw count, the raw elements."""
        self.data += b"\x04" + struct.pack("<i", len(values))
        self.data += np.asarray(values, "<i4").tobytes()

    def float_vector(self, values: Sequence[float] | np.ndarray) -> None:
        self.token("FV")
        self.int32(len(values))
        self.data += np.asarray(values, "<f4").tobytes()

    def float_matrix(self, values: np.ndarray) -> None:
        self.token("FM")
        rows, columns = values.shape
        self.int32(rows)
        self.int32(columns)
        self.data += np.ascontiguousarray(values, "<f4").tobytes()


def write_transition_model(
    stream: Stream, phones: Sequence[int], tuples: Sequence[tuple[int, int, int, int]]
) -> None:
    """One-state phones in the chain topology.

    `phones` are sorted ids; `tuples` are (phone, state, forward pdf, self-loop pdf), sorted.
    """
    stream.token("<TransitionModel>")
    stream.token("<Topology>")
    stream.int_vector(phones)
    entry_of_phone = [-1] * (max(phones) + 1)
    for phone in phones:
        entry_of_phone[phone] = 0
    stream.int_vector(entry_of_phone)
    stream.int32(-1)  # says that forward and self-loop pdf classes may differ
    stream.int32(1)  # topology entries
    stream.int32(2)  # states of the entry
    stream.int32(0)  # forward pdf class
    stream.int32(1)  # self-loop pdf class
    stream.int32(2)  # transitions: to itself, to the end
    for destination, probability in ((0, _STAY), (1, 1 - _STAY)):
        stream.int32(destination)
        stream.float32(probability)
    stream.int32(-1)  # the end state has no pdf classes
    stream.int32(-1)
    stream.int32(0)
    stream.token("</Topology>")
    stream.token("<Tuples>")
    stream.int32(len(tuples))
    for entry in tuples:
        for value in entry:
            stream.int32(value)
    stream.token("</Tuples>")
    stream.token("<LogProbs>")
    pair = (float(np.log(_STAY)), float(np.log(1 - _STAY)))
    stream.float_vector([0.0, *pair * len(tuples)])  # transition ids start at 1
    stream.token("</LogProbs>")
    stream.token("</TransitionModel>")


@dataclass(frozen=True, slots=True)
class Affine:
    """A FixedAffineComponent: `weights` is outputs by inputs."""

    weights: np.ndarray
    bias: np.ndarray

    kind = "FixedAffineComponent"

    def write(self, stream: Stream) -> None:
        stream.token("<LinearParams>")
        stream.float_matrix(self.weights)
        stream.token("<BiasParams>")
        stream.float_vector(self.bias)


@dataclass(frozen=True, slots=True)
class Nonlinear:
    """A RectifiedLinearComponent or LogSoftmaxComponent, with empty training statistics."""

    kind: str
    dimension: int

    def write(self, stream: Stream) -> None:
        stream.token("<Dim>")
        stream.int32(self.dimension)
        stream.token("<ValueAvg>")
        stream.float_vector([])
        stream.token("<DerivAvg>")
        stream.float_vector([])
        stream.token("<Count>")
        stream.float64(0.0)
        stream.token("<OderivRms>")
        stream.float_vector([])
        stream.token("<OderivCount>")
        stream.float64(0.0)
        stream.token("<NumDimsSelfRepaired>")
        stream.float64(0.0)
        stream.token("<NumDimsProcessed>")
        stream.float64(0.0)


@dataclass(frozen=True, slots=True)
class Pass:
    """A NoOpComponent: the place where a skip sum lands."""

    dimension: int

    kind = "NoOpComponent"

    def write(self, stream: Stream) -> None:
        stream.token("<Dim>")
        stream.int32(self.dimension)
        stream.token("<BackpropScale>")
        stream.float32(1.0)


Component = Affine | Nonlinear | Pass


@dataclass(slots=True)
class Nnet:
    """An nnet3 network: configuration lines and components, in the order they are added."""

    lines: list[str]
    components: dict[str, Component] = field(default_factory=dict)

    def add(self, name: str, component: Component, source: str) -> str:
        """Add a component and its node of the same name; `source` is an nnet3 descriptor."""
        self.components[name] = component
        self.lines.append(f"component-node name={name} component={name} input={source}")
        return name

    def write(self, stream: Stream, priors: Sequence[float] | np.ndarray) -> None:
        """Write it as AmNnetSimple.  Vosk recomputes the two contexts when it loads."""
        stream.token("<Nnet3>")
        stream.data += b"\n"
        for line in self.lines:
            stream.data += line.encode("ascii") + b"\n"
        stream.data += b"\n"
        stream.token("<NumComponents>")
        stream.int32(len(self.components))
        for name, component in self.components.items():
            stream.token("<ComponentName>")
            stream.token(name)
            stream.token(f"<{component.kind}>")
            component.write(stream)
            stream.token(f"</{component.kind}>")
        stream.token("</Nnet3>")
        stream.token("<LeftContext>")
        stream.int32(0)
        stream.token("<RightContext>")
        stream.int32(0)
        stream.token("<Priors>")
        stream.float_vector(priors)
