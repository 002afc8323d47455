"""Sound and packets beside a vCon."""

import hashlib
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from ivr.casework import vcon_draft
from ivr.errors import EvidenceError, UsageError
from ivr.evidence.custody import read_custody
from tests.fakes.exported_vcon import (
    CASE,
    SCHEMA,
    export,
    failed,
    files_in,
    flip,
    said_in,
)


@pytest.fixture
def external(house, tmp_path):
    return export(house, tmp_path / "out", is_external=True, base_url="https://kho.example/a/")


def test_sound_and_packets_lie_beside_it_named_by_sha_512(house, external):
    assert set(external.beside) == {"call.wav", "wire.pcapng"}
    files = files_in(said_in(external.path))
    for name in ("derived/call.wav", "original/wire.pcapng"):
        content = (external.path.parent / Path(name).name).read_bytes()
        digest = urlsafe_b64encode(hashlib.sha512(content).digest()).rstrip(b"=").decode()
        assert content == (house[1] / name).read_bytes()
        assert files[name]["content_hash"] == f"sha512-{digest}"
        assert files[name]["url"] == f"https://kho.example/a/{Path(name).name}"
        assert "body" not in files[name]
    SCHEMA.validate(said_in(external.path))
    assert failed(external.path, house[0]) == {}


@pytest.mark.parametrize("name", ["call.wav", "wire.pcapng"])
@pytest.mark.parametrize("crime", ["changed", "gone"])
def test_a_file_beside_it_that_is_changed_or_gone_is_named(house, external, name, crime):
    file = external.path.parent / name
    file.unlink() if crime == "gone" else flip(file)
    assert name in failed(external.path, house[0])["vcon content hashes"]


def test_without_an_address_the_url_leads_nowhere(house, tmp_path):
    done = export(house, tmp_path / "out", is_external=True)
    (dialog,) = said_in(done.path)["dialog"]
    assert dialog["url"] == f"https://{CASE.lower()}.invalid/call.wav"


@pytest.mark.parametrize("url", ["http://kho.example", "kho.example", "https://kho example"])
def test_an_address_that_is_not_https_is_refused_and_nothing_entered(house, tmp_path, url):
    before = read_custody(house[1])
    with pytest.raises(UsageError, match="cannot be the address"):
        export(house, tmp_path / "out", is_external=True, base_url=url)
    assert read_custody(house[1]) == before


def test_a_case_too_large_for_one_file_asks_for_external(house, tmp_path, monkeypatch):
    monkeypatch.setattr(vcon_draft, "MOST_INLINE", 50_000)
    before = read_custody(house[1])
    with pytest.raises(EvidenceError, match="too large") as refused:
        export(house, tmp_path / "out")
    assert "--external" in refused.value.remedy
    assert read_custody(house[1]) == before
    export(house, tmp_path / "out", is_external=True)
