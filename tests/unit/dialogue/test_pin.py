"""The code of the voice menu: read with care, guessed at only so often."""

import pytest

from ivr.dialogue import pin
from ivr.errors import SettingsError


def test_a_code_is_read_without_its_line_end(tmp_path):
    file = tmp_path / "code"
    file.write_text("482913\n")
    assert pin.read(file) == "482913"


@pytest.mark.parametrize(
    "content",
    [b"", b"12345", b"1234567890123", b"12345a", "１２３４５６".encode(), b"\xff\xfe", b"123 456"],
    ids=["empty", "short", "long", "letter", "wide digits", "no text", "gap"],
)
def test_what_is_no_code_is_refused_without_showing_it(tmp_path, content):
    file = tmp_path / "code"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        pin.read(file)
    assert "code" in caught.value.what
    shown = content.decode(errors="ignore")
    assert not shown or shown not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="code"):
        pin.read(tmp_path / "code")


def test_five_calls_without_the_code_shut_the_menu_for_an_hour_of_that_number_alone():
    gate = pin.PinGate()
    for n in range(pin.FAILED_CALLS):
        assert not gate.is_shut("an", 10.0 * n)
        gate.fail("an", 10.0 * n)
    assert gate.is_shut("an", 60.0)
    assert not gate.is_shut("binh", 60.0)
    assert gate.is_shut("an", pin.LOCKED_S - 0.1)
    assert not gate.is_shut("an", pin.LOCKED_S + 0.1)


def test_the_right_code_forgets_the_wrong_ones():
    gate = pin.PinGate()
    for _ in range(4):
        gate.fail("an", 0.0)
    gate.succeed("an")
    gate.fail("an", 1.0)
    assert not gate.is_shut("an", 2.0)
