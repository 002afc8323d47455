"""A model that cannot be used is refused with its reason, before Kaldi sees it."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.errors import RecognitionError
from ivr.recognition import manifest
from ivr.recognition.model import card, digest, open_model, vocabulary
from ivr.recognition.vosk_engine import VoskEngine
from ivr.settings import PROJECT_ROOT


@pytest.fixture
def copy(model_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_path, tmp_path / "model"))


def test_the_built_in_model_opens_and_is_called_a_demonstration(model_path: Path) -> None:
    model = open_model(model_path)
    assert model.rate_hz == 8000
    assert model.has_word_times
    assert model.has_run_time_graph
    assert model.is_demonstration
    assert {"công", "an", "chuyển", "tiền", "thu", "hồi"} <= vocabulary(model_path)
    assert "[unk]" not in vocabulary(model_path)


def test_a_missing_directory_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(RecognitionError, match="no model directory"):
        open_model(tmp_path / "nothing")


def test_another_directory_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "something.txt").write_text("hello")
    with pytest.raises(RecognitionError, match="not a Vosk model"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "am/final.mdl",
        "conf/model.conf",
        "conf/mfcc.conf",
        "graph/HCLr.fst",
        "graph/Gr.fst",
        "graph/words.txt",
        "graph/disambig_tid.int",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut off"])
def test_each_file_must_be_whole(copy: Path, name: str, damage: str) -> None:
    file = copy / name
    if damage == "missing":
        file.unlink()
    elif damage == "empty" or name == "graph/disambig_tid.int":
        file.write_bytes(b"")  # the last one holds a single number
    else:
        # Half a file; text is cut inside a line, as a full disk does.
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2].rstrip(b"\n0123456789 "))
    with pytest.raises(RecognitionError) as caught:
        open_model(copy)
    assert Path(name).name in caught.value.what
    assert caught.value.why


def test_one_missing_byte_at_the_end_of_the_network_is_seen(copy: Path) -> None:
    file = copy / "am/final.mdl"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecognitionError, match="does not end"):
        open_model(copy)


def test_an_unknown_option_is_named_with_its_line(copy: Path) -> None:
    with (copy / "conf/model.conf").open("a") as out:
        out.write("--beem=13\n")
    with pytest.raises(RecognitionError, match=r"line \d+ has an unknown option: --beem"):
        open_model(copy)


@pytest.mark.parametrize("line", ["--beam=fast", "--beam", "beam=13", "--minimize=perhaps"])
def test_an_option_without_a_usable_value_is_refused(copy: Path, line: str) -> None:
    (copy / "conf/model.conf").write_text(f"--acoustic-scale=1.0\n{line} # as told\n")
    with pytest.raises(RecognitionError, match="line 2"):
        open_model(copy)


@pytest.mark.parametrize("rate", ["44100", "11025", "fast"])
def test_a_rate_the_telephone_cannot_be_brought_to_is_refused(copy: Path, rate: str) -> None:
    conf = copy / "conf/mfcc.conf"
    conf.write_text(conf.read_text().replace("=8000", f"={rate}"))
    with pytest.raises(RecognitionError, match=rate):
        open_model(copy)


def test_words_that_are_no_words_are_refused(copy: Path) -> None:
    (copy / "graph/words.txt").write_bytes(b"c\xf4ng 1\n")
    with pytest.raises(RecognitionError, match="UTF-8"):
        open_model(copy)


def test_words_inside_the_graph_are_read_when_there_is_no_list(copy: Path) -> None:
    """The layout of the official small models: symbols in Gr.fst, no words.txt."""
    words = vocabulary(copy)
    symbols = (copy / "graph/words.txt").read_text(encoding="utf-8").split()
    _embed_symbols(
        copy / "graph/Gr.fst", dict(zip(symbols[::2], map(int, symbols[1::2]), strict=True))
    )
    (copy / "graph/words.txt").unlink()
    assert vocabulary(copy) == words
    recogniser = VoskEngine(open_model(copy)).recogniser()
    recogniser.accept(bytes(8000))
    assert recogniser.final() == ()


def _embed_symbols(graph: Path, symbols: dict[str, int]) -> None:
    """Writes a symbol table behind the header, as `fstsymbols --osymbols` does."""
    content = bytearray(graph.read_bytes())
    at = 4
    for _ in range(2):
        (length,) = struct.unpack_from("<i", content, at)
        at += 4 + length
    (flags,) = struct.unpack_from("<i", content, at + 4)
    assert flags & 7 == 0, "made for a graph without symbols and without alignment"
    struct.pack_into("<i", content, at + 4, flags | 2)
    table = struct.pack("<i", 2125658996) + struct.pack("<i", 5) + b"words"
    table += struct.pack("<qq", max(symbols.values()) + 1, len(symbols))
    for word, number in symbols.items():
        raw = word.encode()
        table += struct.pack("<i", len(raw)) + raw + struct.pack("<q", number)
    end = at + 8 + 8 + 8 + 8 + 8
    graph.write_bytes(content[:end] + table + content[end:])


def test_the_old_layout_with_everything_in_one_folder_is_taken(copy: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name in (
        "am/final.mdl",
        "conf/mfcc.conf",
        "conf/pitch.conf",
        "graph/HCLr.fst",
        "graph/Gr.fst",
        "graph/words.txt",
        "graph/phones/word_boundary.int",
        "graph/disambig_tid.int",
    ):
        shutil.copy(copy / name, old)
    recogniser = VoskEngine(open_model(old)).recogniser()
    recogniser.accept(bytes(8000))
    assert recogniser.final() == ()


def test_a_missing_pitch_file_is_named_before_kaldi_ends_over_it(copy: Path) -> None:
    (copy / "conf/pitch.conf").unlink()
    with pytest.raises(RecognitionError, match="takes 43 values a frame, these files make 40"):
        open_model(copy)


def test_half_an_ivector_extractor_is_refused(copy: Path) -> None:
    (copy / "ivector").mkdir()
    (copy / "ivector/final.ie").write_bytes(b"x")
    with pytest.raises(RecognitionError, match=r"final\.dubm"):
        open_model(copy)


def test_what_the_checks_cannot_see_kaldi_refuses_as_a_typed_error(copy: Path) -> None:
    file = copy / "am/final.mdl"
    content = bytearray(file.read_bytes())
    content[2:400] = bytes(398)
    content[2:21] = b"<TransitionModel> x"
    file.write_bytes(content)
    with pytest.raises(RecognitionError, match="Kaldi cannot load"):
        VoskEngine(open_model(copy))


def test_the_digest_is_what_standard_tools_give(copy: Path) -> None:
    command = (
        "find . -type f ! -name 'README*' ! -name '*.json' -printf '%P\\n' | LC_ALL=C sort "
        "| xargs -d '\\n' sha256sum | sha256sum"
    )
    said = subprocess.run(
        command, shell=True, cwd=copy, capture_output=True, text=True, check=True
    ).stdout
    assert digest(copy) == said.split()[0]


def test_the_digest_names_content_and_leaves_descriptions_out(copy: Path) -> None:
    before = digest(copy)
    (copy / "README.md").write_text("A model for tests.")
    (copy / "card.json").write_text("{}")
    assert digest(copy) == before
    assert card(copy) == "A model for tests."
    words = copy / "graph/words.txt"
    words.rename(copy / "graph/Words.txt")
    assert digest(copy) != before


def test_a_model_with_a_link_has_no_digest(copy: Path) -> None:
    (copy / "graph/extra").symlink_to("/etc/hostname")
    with pytest.raises(RecognitionError, match="links"):
        digest(copy)


def test_the_digest_command_prints_it(model_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ivr.recognition.model", str(model_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(model_path)
    failed = subprocess.run(
        [sys.executable, "-m", "ivr.recognition.model", "/nowhere"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 3
    assert "no model directory" in failed.stderr


def test_the_manifest_pins_every_official_archive() -> None:
    entries = manifest.load(PROJECT_ROOT / "asr_models")
    official = [entry for entry in entries if entry.kind == "official"]
    assert official
    assert all(entry.sha256 and entry.size and entry.licence for entry in official)


def test_the_manifest_describes_the_built_in_model_as_it_is(model_path: Path) -> None:
    entry = manifest.find(PROJECT_ROOT / "asr_models", model_path.name)
    assert entry.sample_rate_hz == open_model(model_path).rate_hz
    assert entry.sha256 in ("", digest(model_path))


def test_a_manifest_with_an_unpinned_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.toml").write_text(
        '[[model]]\nname = "m"\nkind = "official"\nurl = "http://127.0.0.1/m.zip"\nsize = 1\n'
        'sha256 = ""\nsample_rate_hz = 8000\nlicence = "Apache-2.0"\n'
    )
    with pytest.raises(RecognitionError, match="needs url, size and sha256"):
        manifest.load(tmp_path)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(RecognitionError, match=r"vosk-model-small-vn-0\.4"):
        manifest.find(PROJECT_ROOT / "asr_models", "vosk-model-vn-9")
