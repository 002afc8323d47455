"""Nothing that is unpacked lands outside its folder, fills the disk, or replaces a model."""

import os
import shutil
import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from ivr.errors import RecognitionError
from ivr.recognition import archive
from ivr.recognition.archive import import_model
from ivr.recognition.model import digest


def zip_of(folder: Path, file: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(file, "w") as packed:
        for item in sorted(folder.rglob("*")):
            if item.is_file():
                packed.write(item, f"{inside}{item.relative_to(folder)}")
    return file


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("inside", ["", "mine/"])
def test_a_zip_is_taken_with_or_without_a_folder_around(
    model_path: Path, models: Path, tmp_path: Path, inside: str
) -> None:
    model = import_model(zip_of(model_path, tmp_path / "mine.zip", inside), models)
    assert model.path == models / "mine"
    assert model.sha256 == digest(model_path)


def test_a_folder_is_copied_and_stays(model_path: Path, models: Path) -> None:
    model = import_model(model_path, models, name="copy")
    assert model.path == models / "copy"
    assert digest(model_path) == model.sha256
    assert [item.name for item in models.iterdir()] == ["copy"]


def test_importing_twice_changes_nothing(model_path: Path, models: Path) -> None:
    first = import_model(model_path, models, name="mine")
    assert import_model(model_path, models, name="mine") == first


def test_another_model_of_the_same_name_is_never_replaced(
    model_path: Path, models: Path, tmp_path: Path
) -> None:
    import_model(model_path, models, name="mine")
    other = Path(shutil.copytree(model_path, tmp_path / "other"))
    with (other / "graph/words.txt").open("a", encoding="utf-8") as out:
        out.write("zzz 999999\n")
    with pytest.raises(RecognitionError, match="another model"):
        import_model(other, models, name="mine")
    assert digest(models / "mine") == digest(model_path)


def test_what_is_not_there_or_no_zip_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(RecognitionError, match="does not exist"):
        import_model(tmp_path / "nothing.zip", models)
    text = tmp_path / "text.zip"
    text.write_text("this is no archive")
    with pytest.raises(RecognitionError, match="no sound zip"):
        import_model(text, models)


def entry(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o644) << 16
    return info


HOSTILE: dict[str, list[tuple[zipfile.ZipInfo, bytes]]] = {
    "zip slip": [(entry("../outside"), b"x")],
    "zip slip deep in": [(entry("am/../../outside"), b"x")],
    "absolute path": [(entry("/tmp/outside"), b"x")],
    "backslashes": [(entry("..\\outside"), b"x")],
    "drive": [(entry("C:outside"), b"x")],
    "symbolic link": [(entry("am", stat.S_IFLNK), b"/etc")],
    "device": [(entry("null", stat.S_IFCHR), b"")],
    "same name twice": [(entry("a"), b"x"), (entry("a"), b"y")],
    "empty name": [(entry("."), b"x")],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    models: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "hostile.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of the name given twice
        with zipfile.ZipFile(file, "w") as packed:
            for info, content in HOSTILE[kind]:
                packed.writestr(info, content)
    with pytest.raises(RecognitionError, match="not taken as a model"):
        import_model(file, models)
    assert list(models.iterdir()) == []
    assert sorted(item.name for item in tmp_path.iterdir()) == ["hostile.zip", "models"]


def test_a_bomb_is_stopped_while_it_unpacks(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("am/final.mdl", bytes(64 << 20))
    assert file.stat().st_size < 100_000
    with pytest.raises(RecognitionError, match="more than any model"):
        import_model(file, models)
    assert list(models.iterdir()) == []


def test_a_claimed_size_is_not_believed(models: Path, tmp_path: Path) -> None:
    """The bomb says in its directory that it is small."""
    file = tmp_path / "liar.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("am/final.mdl", bytes(64 << 20))
    raw = file.read_bytes().replace((64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    file.write_bytes(raw)
    with pytest.raises(RecognitionError):
        import_model(file, models)
    assert list(models.iterdir()) == []


def test_too_many_files_are_refused(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.zip"
    with zipfile.ZipFile(file, "w") as packed:
        for number in range(archive.MAX_FILES + 1):
            packed.writestr(f"{number}", b"")
    with pytest.raises(RecognitionError, match="files"):
        import_model(file, models)


def test_an_archive_cut_off_or_flipped_is_refused(
    model_path: Path, models: Path, tmp_path: Path
) -> None:
    whole = zip_of(model_path, tmp_path / "mine.zip").read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecognitionError, match="no sound zip"):
        import_model(cut, models)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / "flipped.zip").write_bytes(flipped)
    with pytest.raises(RecognitionError, match="no sound zip"):
        import_model(tmp_path / "flipped.zip", models)
    assert list(models.iterdir()) == []


def test_a_folder_with_links_or_pipes_is_refused(
    model_path: Path, models: Path, tmp_path: Path
) -> None:
    linked = Path(shutil.copytree(model_path, tmp_path / "linked"))
    (linked / "more").symlink_to("/etc")
    with pytest.raises(RecognitionError, match="link or a device"):
        import_model(linked, models)
    piped = Path(shutil.copytree(model_path, tmp_path / "piped"))
    os.mkfifo(piped / "pipe")
    with pytest.raises(RecognitionError, match="link or a device"):
        import_model(piped, models)


@pytest.mark.parametrize("name", [".hidden", "..", "a/b", "mô hình"])
def test_a_name_that_is_none_is_refused(model_path: Path, models: Path, name: str) -> None:
    with pytest.raises(RecognitionError, match="no name"):
        import_model(model_path, models, name=name)
    assert list(models.iterdir()) == []
