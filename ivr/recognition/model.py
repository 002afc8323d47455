"""A Vosk model directory: opened and checked before Kaldi sees it, and named by a digest.

``python -m ivr.recognition.model DIRECTORY`` prints the digest of a model directory.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ivr.errors import IvrError, RecognitionError
from ivr.recognition import kaldi_files, manifest
from ivr.recognition.kaldi_files import broken

SUPPORTED_RATES_HZ = (8000, 16000)
UNKNOWN_WORD = "[unk]"
_PITCH_VALUES = 3  # Kaldi: normalised log pitch, its delta, probability of voicing
_INPUT_DIM = re.compile(rb"input-node name=input dim=(\d+)")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model after its files were checked.

    Args:
        name: name of its directory.
        sha256: `digest` of the directory, hex; the ``model_sha256`` of every utterance.
        rate_hz: sample rate its features are made for: 8000 or 16000.
        words: number of words it can put out; 0: it spells words from pieces.
        has_word_times: whether the words come with times and confidences.
        has_run_time_graph: whether a grammar list could be used (HCLr.fst + Gr.fst).
        is_demonstration: True for a model that proves the way but was not made for people.
        engine: which engine it is for, see `ivr.recognition.engines`.
    """

    name: str
    path: Path
    sha256: str
    rate_hz: int
    words: int
    has_word_times: bool
    has_run_time_graph: bool
    is_demonstration: bool
    engine: str = "vosk"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where Vosk looks: the present layout has folders, the old one everything in the root."""

    acoustic: Path
    options: Path | None
    mfcc: Path
    fbank: Path
    graph: Path
    boundaries: Path


def _layout(path: Path) -> _Layout:
    if not path.is_dir():
        raise RecognitionError(
            f"There is no model directory {path}.",
            why="it does not exist" if not path.exists() else "it is not a directory",
            remedy="Set recognition.model to a Vosk model, or run `ivr models fetch NAME`.",
        )
    if (path / "am/final.mdl").exists() or (path / "conf").is_dir():
        conf, graph = path / "conf", path / "graph"
        return _Layout(
            path / "am/final.mdl",
            conf / "model.conf",
            conf / "mfcc.conf",
            conf / "fbank.conf",
            graph,
            graph / "phones/word_boundary.int",
        )
    if (path / "final.mdl").exists() and (path / "mfcc.conf").exists():
        return _Layout(
            path / "final.mdl",
            None,
            path / "mfcc.conf",
            path / "fbank.conf",
            path,
            path / "word_boundary.int",
        )
    raise RecognitionError(
        f"{path} is not a Vosk model.",
        why="neither am/final.mdl with conf/model.conf nor final.mdl with mfcc.conf is there",
        remedy="Give the folder that holds am/, conf/ and graph/ (some archives have one above).",
    )


def _rate(layout: _Layout) -> int:
    if not layout.mfcc.exists() and not layout.fbank.exists():
        raise broken(layout.mfcc, "neither mfcc.conf nor fbank.conf is there")
    file = layout.mfcc if layout.mfcc.exists() else layout.fbank
    value = kaldi_files.read_options(file, kaldi_files.FEATURE_OPTIONS).get(
        "sample-frequency", "16000"
    )
    rate = float(value)
    if rate not in SUPPORTED_RATES_HZ:
        raise RecognitionError(
            f"The model works at {value} Hz, which telephone sound cannot be brought to.",
            why="supported are 8000 Hz (the telephone's own) and 16000 Hz (resampled)",
            remedy="Use a model trained at 8000 or 16000 Hz.",
        )
    return int(rate)


def _graph_words(layout: _Layout) -> tuple[dict[str, int], bool]:
    """Words of the graph, and whether grammars can be put on it at run time.

    HCLG.fst wins over HCLr.fst + Gr.fst, as in Vosk; symbols inside a graph win over words.txt.
    """
    whole = layout.graph / "HCLG.fst"
    if whole.exists():
        words = kaldi_files.check_graph(whole)
    else:
        for name in ("HCLr.fst", "Gr.fst"):
            if not (layout.graph / name).exists():
                raise broken(layout.graph / name, "missing, and there is no HCLG.fst either")
        kaldi_files.read(layout.graph / "disambig_tid.int")
        kaldi_files.check_graph(layout.graph / "HCLr.fst")
        words = kaldi_files.check_graph(layout.graph / "Gr.fst")
    return words or kaldi_files.read_words(layout.graph / "words.txt"), not whole.exists()


def _check_features(layout: _Layout) -> None:
    """The network must expect what the files of ``conf`` make: cepstra, and three values of pitch
    when there is a pitch.conf. Kaldi notices a difference only with the first sound, and ends."""
    if not layout.mfcc.exists():
        return
    expected = _INPUT_DIM.search(layout.acoustic.read_bytes())
    options = kaldi_files.read_options(layout.mfcc, kaldi_files.FEATURE_OPTIONS)
    pitch = layout.mfcc.with_name("pitch.conf")
    made = int(options.get("num-ceps", "13")) + (_PITCH_VALUES if pitch.exists() else 0)
    if expected is not None and int(expected[1]) != made:
        raise broken(
            pitch if int(expected[1]) == made + _PITCH_VALUES else layout.mfcc,
            f"the network takes {int(expected[1])} values a frame, these files make {made}",
        )


def _check_ivector(path: Path) -> None:
    """Vosk uses i-vectors when final.ie is there, and then needs all of these."""
    if (path / "ivector/final.ie").exists():
        for name in (
            "final.ie",
            "final.dubm",
            "final.mat",
            "global_cmvn.stats",
            "online_cmvn.conf",
            "splice.conf",
        ):
            file = path / "ivector" / name
            # online_cmvn.conf is empty in some official models: its defaults hold.
            if not file.exists() or (name != "online_cmvn.conf" and file.stat().st_size == 0):
                raise broken(file, "missing or empty, although the model has i-vectors")


def open_model(path: Path) -> ModelInfo:
    """Check every file Kaldi will read and tell what the model is. Blocking: reads it whole.

    Raises:
        RecognitionError: no model, another layout, a missing, empty, cut off or unreadable file,
            an unknown option, or a sample rate that is not supported.
    """
    path = path.absolute()
    layout = _layout(path)
    kaldi_files.check_acoustic_model(layout.acoustic)
    if layout.options is not None:
        kaldi_files.read_options(layout.options, kaldi_files.MODEL_OPTIONS)
    rate = _rate(layout)
    _check_features(layout)
    words, has_run_time_graph = _graph_words(layout)
    _check_ivector(path)
    return ModelInfo(
        name=path.name,
        path=path,
        sha256=digest(path),
        rate_hz=rate,
        words=len(words),
        has_word_times=layout.boundaries.exists(),
        has_run_time_graph=has_run_time_graph,
        is_demonstration=manifest.is_demonstration(path),
    )


def vocabulary(path: Path) -> frozenset[str]:
    """The words the model can put out, as the model writes them (a keyword that is not among
    them can never be heard), without its symbols (``<eps>``, ``#0``, ``[unk]``).

    Raises:
        RecognitionError: the graph or word list cannot be read.
    """
    words, _ = _graph_words(_layout(path.absolute()))
    return frozenset(word for word in words if word[0] not in "<#[!")


def card(path: Path) -> str:
    """The model's own description (README…), or an empty text."""
    for file in sorted(path.glob("README*")):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""


def digest(path: Path) -> str:
    """SHA-256 (hex) that names the content of a model directory.

    Taken over one line for each regular file, ``<sha256 of the file, hex>  <path>\\n``, where the
    path is relative with ``/``, lines sorted by the bytes of the path. Files whose name begins
    with ``README`` or ends in ``.json`` describe the model and are left out, at any depth. The
    same with standard tools, inside the directory::

        find . -type f ! -name 'README*' ! -name '*.json' -printf '%P\\n' | LC_ALL=C sort \\
          | xargs -d '\\n' sha256sum | sha256sum

    Raises:
        RecognitionError: the directory holds a link, or a file cannot be read.
    """
    files: list[tuple[bytes, Path]] = []
    for file in path.rglob("*"):
        if file.is_symlink():
            raise broken(file, "a model must not hold links")
        if file.is_file() and not file.name.startswith("README") and file.suffix != ".json":
            files.append((file.relative_to(path).as_posix().encode(), file))
    total = hashlib.sha256()
    for name, file in sorted(files):
        try:
            with file.open("rb") as source:
                content = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as problem:
            raise broken(file, problem.strerror or str(problem)) from problem
        total.update(content.encode() + b"  " + name + b"\n")
    return total.hexdigest()


def main(arguments: list[str]) -> int:
    """``python -m ivr.recognition.model DIRECTORY``: print the digest of a model."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m ivr.recognition.model DIRECTORY\n")
        return 2
    try:
        sys.stdout.write(open_model(Path(arguments[0])).sha256 + "\n")
    except IvrError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
