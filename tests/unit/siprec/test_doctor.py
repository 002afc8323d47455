"""`ivr doctor` says whether mirrored calls can be taken, and on what basis."""

import socket

from ivr.doctor import Check, Level, examine
from ivr.settings import MirrorSettings, Settings


def checked(**mirror: object) -> Check:
    settings = Settings(mirror=MirrorSettings(**mirror))  # type: ignore[arg-type]
    return next(check for check in examine(settings) if check.name == "mirrored calls")


def test_switched_off_there_is_nothing_to_check():
    assert checked().detail == "not taken"


def test_the_basis_is_shown_and_nobody_to_protect_is_a_warning():
    check = checked(enabled=True, lawful_basis="Decision 12/2026", port=0)
    assert check.level is Level.WARNING
    assert "Decision 12/2026" in check.detail
    known = {"protected_numbers": ("+8490*",)}
    assert checked(enabled=True, lawful_basis="Decision 12", port=0, **known).level is Level.OK


def test_a_port_that_is_taken_fails():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        check = checked(enabled=True, lawful_basis="Decision 12/2026", port=port)
    assert check.level is Level.FAILED
    assert str(port) in check.remedy
