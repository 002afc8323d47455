"""A model is fetched to the byte, or not at all; what was loaded once is not loaded again."""

import hashlib
import io
import socket
import zipfile
from pathlib import Path

import pytest

from ivr.errors import EnvironmentProblem, RecognitionError
from ivr.recognition.fetch import fetch
from ivr.recognition.manifest import ModelEntry
from ivr.recognition.model import digest
from tests.fakes.range_server import Published, serve

NAME = "vosk-model-test-0.1"


@pytest.fixture(scope="module")
def archive(model_path: Path) -> bytes:
    """As publishers make them: one folder around the model."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for file in sorted(model_path.rglob("*")):
            if file.is_file():
                packed.write(file, f"{NAME}/{file.relative_to(model_path)}")
    return out.getvalue()


def entry_for(content: bytes, url: str, size: int | None = None) -> ModelEntry:
    return ModelEntry(
        name=NAME,
        kind="official",
        url=url,
        size=len(content) if size is None else size,
        sha256=hashlib.sha256(content).hexdigest(),
        sample_rate_hz=8000,
        licence="Apache-2.0",
    )


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {NAME}


def test_a_good_archive_becomes_a_model_and_shows_its_progress(
    archive: bytes, model_path: Path, tmp_path: Path
) -> None:
    shown: list[tuple[int, int]] = []
    published = Published(archive)
    with serve(published) as url:
        model = fetch(entry_for(archive, url), tmp_path, lambda have, of: shown.append((have, of)))
    assert model.sha256 == digest(model_path)
    assert model.path == tmp_path / NAME
    assert shown[-1] == (len(archive), len(archive))
    assert [have for have, _ in shown] == sorted({have for have, _ in shown})
    assert leftovers(tmp_path) == set()


def test_fetching_again_asks_nobody(archive: bytes, tmp_path: Path) -> None:
    published = Published(archive)
    with serve(published) as url:
        first = fetch(entry_for(archive, url), tmp_path)
        assert fetch(entry_for(archive, url), tmp_path) == first
    assert len(published.requests) == 1


def test_a_cut_connection_goes_on_where_it_broke(archive: bytes, tmp_path: Path) -> None:
    published = Published(archive, cut_after=[1_000_000])
    with serve(published) as url:
        fetch(entry_for(archive, url), tmp_path)
    (first, second) = published.requests
    assert first == (None, None)
    assert second[1] == '"one"'
    assert 900_000 < int(str(second[0]).removeprefix("bytes=").removesuffix("-")) <= 1_000_000


def test_a_broken_download_is_kept_for_the_next_run(archive: bytes, tmp_path: Path) -> None:
    published = Published(archive, cut_after=[200_000, 200_000, 200_000])
    with serve(published) as url:
        with pytest.raises(RecognitionError, match="goes on after") as caught:
            fetch(entry_for(archive, url), tmp_path)
        part = tmp_path / f"{NAME}.zip.part"
        kept = part.stat().st_size
        assert kept > 400_000
        assert str(kept) in caught.value.remedy
        fetch(entry_for(archive, url), tmp_path)
    assert published.requests[-1][0] == f"bytes={kept}-"


def test_a_server_without_ranges_starts_over(archive: bytes, tmp_path: Path) -> None:
    published = Published(archive, has_range=False, cut_after=[1_000_000])
    with serve(published) as url:
        assert fetch(entry_for(archive, url), tmp_path).name == NAME
    assert len(published.requests) == 2


def test_an_archive_replaced_in_between_is_fetched_from_its_start(
    archive: bytes, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(b"x" * 500_000)
    (tmp_path / f"{NAME}.zip.etag").write_text('"old"')
    published = Published(archive)
    with serve(published) as url:
        fetch(entry_for(archive, url), tmp_path)
    assert published.requests == [("bytes=500000-", '"old"')]


def test_a_wrong_beginning_without_a_validator_is_found_by_the_digest(
    archive: bytes, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.zip.part").write_bytes(b"x" * 500_000)
    published = Published(archive)
    with serve(published) as url:
        fetch(entry_for(archive, url), tmp_path)
    assert [wanted for wanted, _ in published.requests] == ["bytes=500000-", None]


def test_a_tampered_archive_is_refused_and_not_kept(archive: bytes, tmp_path: Path) -> None:
    tampered = bytearray(archive)
    tampered[len(tampered) // 2] ^= 1
    with serve(Published(bytes(tampered))) as url, pytest.raises(RecognitionError, match="SHA-256"):
        fetch(entry_for(archive, url), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [-1, 1])
def test_another_size_is_refused_before_it_is_loaded(
    archive: bytes, tmp_path: Path, change: int
) -> None:
    entry = entry_for(archive, "", size=len(archive) + change)
    with serve(Published(archive)) as url, pytest.raises(RecognitionError, match="expected"):
        fetch(entry.model_copy(update={"url": url}), tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_error_status_is_told(archive: bytes, tmp_path: Path, status: int) -> None:
    with (
        serve(Published(archive, status=status)) as url,
        pytest.raises(RecognitionError, match=str(status)),
    ):
        fetch(entry_for(archive, url), tmp_path)


def test_a_refused_connection_is_told(archive: bytes, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/model.zip"
        with pytest.raises(RecognitionError, match="could not be fetched"):
            fetch(entry_for(archive, url), tmp_path)


def test_an_archive_of_the_right_digest_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("hello.txt", "hello")
    content = out.getvalue()
    with serve(Published(content)) as url, pytest.raises(RecognitionError, match="not a Vosk"):
        fetch(entry_for(content, url), tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_full_disk_is_told_before_anything_is_asked(archive: bytes, tmp_path: Path) -> None:
    published = Published(archive)
    with serve(published) as url, pytest.raises(EnvironmentProblem, match="room"):
        fetch(entry_for(archive, url, size=1 << 60), tmp_path)
    assert published.requests == []


def test_the_built_in_model_is_not_published(archive: bytes, tmp_path: Path) -> None:
    entry = entry_for(archive, "").model_copy(update={"kind": "built-in"})
    with pytest.raises(RecognitionError, match="comes with the program"):
        fetch(entry, tmp_path)
