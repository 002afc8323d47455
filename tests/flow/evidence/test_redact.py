"""A copy for other eyes: numbers silent on every leg and masked, the case as it was."""

import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ivr.casefile import FIRST
from ivr.casework.proof import prove_files
from ivr.cli.main import app
from ivr.evidence.custody import read_custody
from tests.fakes.evidence_site import AT_SITE, Site
from tests.fakes.spoken_case import spoken_case

CASE = "01JDHZ00000000000000REDACT"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    spoken_case(site, CASE)
    return site


def redacted(site: Site, target: Path, *more: str):
    given = ["--data", str(site.root), "redact", CASE, "--to", str(target)]
    return CliRunner(env=AT_SITE).invoke(app, [*given, "--who", "An", "--why", "7/2026", *more])


def sound(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return samples.reshape(-1, file.getnchannels())


def silent_s(path: Path) -> tuple[float, float]:
    """First and last second of the stretch in which all channels are silent."""
    quiet = np.flatnonzero(
        np.convolve(np.abs(sound(path)).sum(axis=1) == 0, np.ones(400), "valid") == 400
    )
    return quiet[0] / 8000, (quiet[-1] + 400) / 8000


def test_a_number_is_silent_on_every_leg_masked_and_the_case_stays_as_it_was(site, tmp_path):
    case, target = site.vault / CASE, tmp_path / "copy"
    before = {file: file.read_bytes() for file in (case / "derived").iterdir()}
    done = redacted(site, target, "--json")
    assert done.exit_code == 0, done.output
    (span,) = json.loads(done.stdout)["spans"]
    assert (span["start_s"], span["end_s"], span["leg"]) == (0.7, 3.0, "caller")

    assert silent_s(target / "caller.wav") == pytest.approx((0.7, 3.0), abs=0.01)
    assert silent_s(target / "call.wav") == pytest.approx((0.7, 3.0), abs=0.01)
    assert silent_s(target / "agent.wav") == pytest.approx((0.0, 2.0), abs=0.05)
    kept = sound(target / "caller.wav")[:5600]
    assert np.array_equal(kept, sound(case / "derived/caller.wav")[:5600])
    (heard,) = json.loads((target / FIRST.transcript).read_bytes())
    shown = " ".join(word["text"] for word in heard["words"])
    assert shown == "đọc số tài ███ ███ ███ ███ ███ ███ ███ ███ ███ tôi"

    listed = json.loads((target / "redaction.json").read_bytes())
    for file in listed["files"]:
        assert file["sha256"] == hashlib.sha256((target / file["path"]).read_bytes()).hexdigest()
        assert file["parent_sha256"] == hashlib.sha256(before[case / file["parent"]]).hexdigest()
    assert {file["path"] for file in listed["files"]} == {
        "caller.wav", "agent.wav", "call.wav", FIRST.transcript,
    }  # fmt: skip
    assert before == {file: file.read_bytes() for file in (case / "derived").iterdir()}
    entry = read_custody(case)[-1]
    digest = hashlib.sha256((target / "redaction.json").read_bytes()).hexdigest()
    assert entry["facts"] == {"format": "redacted", "list_sha256": digest}
    assert [s.name for s in prove_files(case, site.public_key, site.log_path) if not s.ok] == []


def test_a_span_by_hand_is_on_the_clock_of_its_leg(site, tmp_path):
    done = redacted(site, tmp_path / "copy", "--no-numbers", "--span", "agent:1.5-2.5")
    assert done.exit_code == 0, done.output
    assert silent_s(tmp_path / "copy/agent.wav") == pytest.approx((1.5, 2.5), abs=0.01)
    assert silent_s(tmp_path / "copy/caller.wav") == pytest.approx((2.5, 3.5), abs=0.05)


@pytest.mark.parametrize("span", ["agent", "agent:3-2", "nobody:1-2", "agent:-1-2"])
def test_a_span_that_is_none_is_refused(site, tmp_path, span):
    assert redacted(site, tmp_path / "copy", "--span", span).exit_code == 2
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("more", [["--no-numbers"], ["--span", "callee:1-2"]])
def test_nothing_to_silence_or_a_leg_that_was_not_there_leaves_no_copy(site, tmp_path, more):
    done = redacted(site, tmp_path / "copy", *more)
    assert type(done.exception).__name__ == "UsageError"
    assert list(tmp_path.iterdir()) == []
