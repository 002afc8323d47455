"""Personal data does not reach the logs at info level."""

import json
import logging

import pytest

from ivr import telemetry


@pytest.fixture(autouse=True)
def restore_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(capsys, **fields):
    telemetry.logger("room").info("call.opened", **fields)
    return json.loads(capsys.readouterr().err.splitlines()[-1])


def test_fields_named_pii_are_masked_at_any_depth(capsys):
    telemetry.configure("info", "json")
    entry = logged(
        capsys, pii_caller="+84912345678", call={"pii_text": ["chuyển tiền ngay"], "leg": "caller"}
    )
    assert entry["pii_caller"] == "…78"
    assert entry["call"] == {"pii_text": ["…ay"], "leg": "caller"}


def test_a_number_inside_a_traceback_is_masked(capsys):
    telemetry.configure("info", "json")
    try:
        raise ValueError("bad number 0912 345 678 here")
    except ValueError:
        telemetry.logger("room").exception("failed")
    assert "345" not in capsys.readouterr().err.split("test_telemetry")[-1]


def test_a_number_in_a_message_of_a_library_is_masked(capsys):
    telemetry.configure("info", "json")
    logging.getLogger("library").warning("calling +84912345678")
    assert json.loads(capsys.readouterr().err)["event"] == "calling …"


def test_debug_shows_personal_data_to_the_person_who_asked_for_it(capsys):
    telemetry.configure("debug", "json")
    assert logged(capsys, pii_caller="+84912345678")["pii_caller"] == "+84912345678"
    assert logged(capsys, short="x")["level"] == "info"


def test_nothing_is_logged_to_standard_output(capsys):
    telemetry.configure("info", "console")
    telemetry.logger("room").info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err
