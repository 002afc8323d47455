"""Every flag of a caller has words for the report, in both languages, and stands in the docs."""

import re

import pytest

from ivr.locale import words
from ivr.settings import PROJECT_ROOT

ROOM = PROJECT_ROOT / "ivr" / "telephony"
SOURCES = ("identity.py", "numbers.py", "passport.py", "spoofing.py")


def flags_in_code() -> set[str]:
    """Names in quotes that are put into tuples or lists of flags."""
    found: set[str] = set()
    for name in SOURCES:
        for line in (ROOM / name).read_text(encoding="utf-8").splitlines():
            if re.search(r"flags|odd|emergency|Number\(|return \(", line):
                found.update(re.findall(r'"([a-z]+(?:_[a-z0-9]+)*)"', line))
    return {name for name in found if "_" in name or name in {"invalid", "foreign", "anonymous"}}


FLAGS = sorted(flags_in_code() | {"attested_a", "attested_b", "attested_c", "withheld"})


def test_the_flags_are_found() -> None:
    assert len(FLAGS) > 25
    assert {"double_zero", "authority_display", "iat_stale", "headers_disagree"} <= set(FLAGS)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_has_words(flag: str) -> None:
    assert words("vi")["flag"][flag]
    assert words("en")["flag"][flag]


def test_no_words_are_left_without_a_flag() -> None:
    page = (PROJECT_ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
    assert set(words("vi")["flag"]) == set(words("en")["flag"])
    for flag in words("vi")["flag"]:
        group = flag.split("_")[0] + "_…"
        assert f"`{flag}`" in page or f"`{group}`" in page or "attested_" in flag, flag
