"""The commands of docs/evidence.md do what the page says, with standard tools alone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ivr.evidence.verification import verify_here

PAGE = Path(__file__).parents[3] / "docs" / "evidence.md"
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def check_by_hand(case: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", COMMANDS],
        cwd=case,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_tools_are_there():
    for tool in ("jq", "openssl", "sha256sum", "bash"):
        assert shutil.which(tool), f"install {tool}: the page is checked with it"


def test_an_untouched_case_passes_every_command(copy_of_case):
    done = check_by_hand(copy_of_case)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Signature Verified Successfully" in done.stdout


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("derived/caller.wav", b"RIFF", b"RIFX"),
        ("manifest.json", b'"score":0.93', b'"score":0.13'),
        ("custody.jsonl", b"the call is over", b"the call is long"),
        ("signer.pem", b"MCow", b"MCox"),
    ],
)
def test_a_change_fails_a_command(copy_of_case, name, old, new):
    path = copy_of_case / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    assert check_by_hand(copy_of_case).returncode != 0


def test_the_page_names_every_step_of_the_verifier_in_order(copy_of_case):
    names = ", ".join(step.name for step in verify_here(copy_of_case))
    assert names in " ".join(PAGE.read_text(encoding="utf-8").split())
