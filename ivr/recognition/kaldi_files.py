"""Checks of the single files of a Kaldi model, so that Kaldi never meets a broken one.

Formats: Kaldi's binary I/O (kaldi-io, nnet3 `AmNnetSimple::Write`), OpenFst's `FstHeader`,
`ConstFst`, `AddOn` and `SymbolTable`, Kaldi's `ParseOptions` configuration files.
"""

import mmap
import struct
from pathlib import Path

from ivr.errors import RecognitionError

_FST_MAGIC = 2125659606
_SYMBOLS_MAGIC = 2125658996
_ADD_ON_MAGIC = 446681434
_HAS_ISYMBOLS, _HAS_OSYMBOLS = 1, 2

_MODEL_OPTIONS = """
    beam max-active min-active lattice-beam prune-interval beam-delta hash-ratio
    determinize-max-delay determinize-min-chunk-size determinize-max-active delta max-mem
    phone-determinize word-determinize minimize acoustic-scale frame-subsampling-factor
    frames-per-chunk extra-left-context-initial debug-computation computation.debug
    config print-args verbose help endpoint.silence-phones
"""
_FEATURE_OPTIONS = """
    sample-frequency frame-length frame-shift preemphasis-coefficient remove-dc-offset dither
    window-type blackman-coeff round-to-power-of-two snip-edges allow-downsample allow-upsample
    max-feature-vectors num-mel-bins low-freq high-freq vtln-low vtln-high debug-mel num-ceps
    use-energy energy-floor raw-energy cepstral-lifter htk-compat use-log-fbank use-power
    config print-args verbose help
"""
_RULE_OPTIONS = """
    must-contain-nonsilence min-trailing-silence max-relative-cost min-utterance-length
"""
MODEL_OPTIONS = frozenset(_MODEL_OPTIONS.split()) | {
    f"endpoint.rule{rule}.{name}" for rule in range(1, 6) for name in _RULE_OPTIONS.split()
}
"""Options libvosk 0.3.45 takes in conf/model.conf (each was tried); `optimization.*` besides."""

FEATURE_OPTIONS = frozenset(_FEATURE_OPTIONS.split())
"""Options of Kaldi's MfccOptions and FbankOptions."""

_FLAGS = """
    phone-determinize word-determinize minimize debug-computation computation.debug print-args help
    remove-dc-offset round-to-power-of-two snip-edges allow-downsample
    allow-upsample debug-mel use-energy raw-energy htk-compat use-log-fbank use-power
"""
_FLAG_OPTIONS = frozenset(_FLAGS.split())
_TEXT_OPTIONS = frozenset({"window-type", "config", "endpoint.silence-phones"})


def broken(file: Path, why: str) -> RecognitionError:
    """The error for one file of a model that cannot be used."""
    return RecognitionError(
        f"The model file {file} is not usable.",
        why=why,
        remedy="Fetch or import the model again (`ivr models fetch`, `ivr models import`).",
    )


def read(file: Path) -> bytes:
    """Whole content of a file that must be there and must not be empty."""
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise broken(file, problem.strerror or str(problem)) from problem
    if not content:
        raise broken(file, "the file is empty")
    return content


def read_options(file: Path, known: frozenset[str]) -> dict[str, str]:
    """A Kaldi configuration file: ``--name=value`` a line, ``#`` starts a comment.

    Kaldi refuses the whole model for one unknown name; here the line is named.

    Raises:
        RecognitionError: a line is no option, or its name is not in ``known``.
    """
    try:
        text = read(file).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise broken(file, "it is not UTF-8 text") from problem
    options: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        option = line.split("#", 1)[0].strip()
        if not option:
            continue
        name, equals, value = option.removeprefix("--").partition("=")
        name = name.replace("_", "-").lower()
        if not option.startswith("--") or not name:
            raise broken(file, f"line {number} is no option: {option!r}")
        if name not in known and not name.startswith("optimization."):
            raise broken(file, f"line {number} has an unknown option: --{name}")
        value = value.strip() if equals else "true"
        if not _is_value(name, value):
            raise broken(file, f"line {number} gives --{name} no usable value: {value!r}")
        options[name] = value
    return options


def _is_value(name: str, value: str) -> bool:
    """Whether Kaldi could read the value: true or false, a text, or a number."""
    if name.startswith("optimization.") or name in _TEXT_OPTIONS:
        return bool(value)
    if name in _FLAG_OPTIONS or name.endswith("must-contain-nonsilence"):
        return value in ("true", "false", "t", "f", "1", "0", "")
    try:
        float(value)
    except ValueError:
        return False
    return True


def check_acoustic_model(file: Path) -> None:
    """A binary TransitionModel + nnet3 AmNnetSimple whose last vector reaches the file's end.

    Raises:
        RecognitionError: missing, empty, text form, or cut off.
    """
    content = read(file)
    if not content.startswith(b"\0B<TransitionModel> "):
        raise broken(file, "it does not begin like a binary Kaldi transition model")
    mark = b"<Priors> "
    at = content.rfind(mark)
    if at < 0 or b"<Nnet3>" not in content:
        raise broken(file, "the end of the network is missing: the file was cut off")
    vector = content[at + len(mark) :]
    kinds = {b"FV ": 4, b"DV ": 8}
    width = kinds.get(vector[:3], 0)
    if width == 0 or len(vector) < 8 or vector[3:4] != b"\4":
        raise broken(file, "the end of the network is missing: the file was cut off")
    (count,) = struct.unpack_from("<i", vector, 4)
    if len(vector) != 8 + count * width:
        raise broken(file, "its last vector does not end at the end of the file")


class _Reader:
    """Little-endian values of an OpenFst file, in order."""

    def __init__(self, content: "bytes | mmap.mmap") -> None:
        self.content = content
        self.at = 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        length = self.take("<i")
        if not 0 <= length <= 1_000_000:
            raise ValueError("a string has an impossible length")
        raw = bytes(self.content[self.at : self.at + length])
        if len(raw) != length:
            raise ValueError("a string is cut off")
        self.at += length
        return raw.decode("utf-8")

    def symbols(self) -> list[tuple[str, int]]:
        if self.take("<i") != _SYMBOLS_MAGIC:
            raise ValueError("a symbol table has the wrong magic number")
        self.text()
        self.take("<q")
        return [(self.text(), self.take("<q")) for _ in range(self.take("<q"))]


def check_graph(file: Path) -> dict[str, int]:
    """The header of an OpenFst file, and that its states and arcs can be in it.

    Returns:
        The words of its output symbol table with their ids; empty when it carries none.

    Raises:
        RecognitionError: missing, empty, another kind of file, or cut off.
    """
    read_size = len(read(file))
    with file.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as view:
        try:
            return _read_graph(_Reader(view), read_size)
        except (struct.error, ValueError) as problem:
            why = "it is cut off" if isinstance(problem, struct.error) else str(problem)
            raise broken(file, why) from problem


def _read_graph(reader: _Reader, size: int) -> dict[str, int]:
    if reader.take("<i") != _FST_MAGIC:
        raise ValueError("it does not begin like an OpenFst file")
    kind, arc = reader.text(), reader.text()
    if arc != "standard":
        raise ValueError(f"its arcs are of type {arc!r}, expected 'standard'")
    reader.take("<i")
    flags = reader.take("<i")
    reader.take("<Q")
    reader.take("<q")
    states, arcs = reader.take("<q"), reader.take("<q")
    if flags & _HAS_ISYMBOLS:
        reader.symbols()
    words = dict(reader.symbols()) if flags & _HAS_OSYMBOLS else {}
    if kind.endswith("_lookahead"):
        if reader.take("<i") != _ADD_ON_MAGIC:
            raise ValueError("its look-ahead part has the wrong magic number")
        return _read_graph(reader, size) or words
    if kind == "const" and reader.at + 20 * states + 16 * arcs > size:
        raise ValueError(f"it is cut off: {states} states and {arcs} arcs need more bytes")
    return words


def read_words(file: Path) -> dict[str, int]:
    """``words.txt``: a word and its id a line, UTF-8.

    Raises:
        RecognitionError: missing, empty, not UTF-8, or a line of another form.
    """
    words: dict[str, int] = {}
    try:
        lines = read(file).decode("utf-8").splitlines()
    except UnicodeDecodeError as problem:
        raise broken(file, "it is not UTF-8 text") from problem
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if len(parts) != 2 or not parts[1].isdecimal():
            raise broken(file, f"line {number} is not a word and its id: {line!r}")
        words[parts[0]] = int(parts[1])
    return words
