"""An alarm is told once, and taken back once; in words, without personal data."""

import json
import re

import pytest

from ivr import locale
from ivr.board import Board
from ivr.clock import SystemClock
from ivr.facts.alarms import Alarm, AlarmCleared, AlarmCode
from ivr.settings import PROJECT_ROOT
from ivr.telemetry import configure
from ivr.watch import alarms as alarms_module
from ivr.watch.alarms import Alarms
from ivr.watch.metrics import Metrics

PAGE = (PROJECT_ROOT / "docs/operations.md").read_text(encoding="utf-8")


async def test_an_alarm_is_told_once_and_taken_back_once():
    board = Board()
    alarms = Alarms(board, SystemClock())
    with board.watch() as watcher:
        for _ in range(3):
            alarms.raise_(AlarmCode.LEG_SILENT, "C1", legs="caller")
        alarms.raise_(AlarmCode.LEG_SILENT, "C2", legs="callee")
        alarms.clear(AlarmCode.LEG_SILENT, "C1")
        alarms.clear(AlarmCode.LEG_SILENT, "C1")
        alarms.clear(AlarmCode.LEDGER)
        facts = []
        async for call_id, fact in watcher:
            facts.append((call_id, type(fact), fact.code))
            if isinstance(fact, AlarmCleared):
                break
    code = AlarmCode.LEG_SILENT
    assert facts == [("C1", Alarm, code), ("C2", Alarm, code), ("C1", AlarmCleared, code)]
    (left,) = alarms.standing
    assert (left.call_id, left.detail) == ("C2", "legs callee")
    assert alarms.since(code, "C2") == left.since
    assert alarms.since(code, "C1") is None


def test_an_alarm_is_an_error_in_the_log(capsys):
    configure("info", "json")
    Alarms(Board(), SystemClock()).raise_(AlarmCode.DISK_LOW, free_mb=12)
    told = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert (told["level"], told["code"], told["free_mb"]) == ("error", "disk_low", 12)


def test_a_flood_of_bad_calls_fills_no_memory(monkeypatch):
    monkeypatch.setattr(alarms_module, "MOST", 5)
    alarms = Alarms(Board(), SystemClock())
    for n in range(20):
        alarms.raise_(AlarmCode.WIRE_LOG, f"C{n}")
    assert len(alarms.standing) == 5


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_alarm_has_its_words(language):
    texts = locale.table(language, "alarms.toml")
    assert set(texts) == {code.value for code in AlarmCode}


@pytest.mark.parametrize("code", list(AlarmCode))
def test_every_alarm_stands_in_the_page_for_three_in_the_morning(code):
    assert f"| `{code.value}` |" in PAGE


def test_every_metric_stands_in_the_page_for_three_in_the_morning():
    for family in Metrics().registry.collect():
        assert f"| `{family.name}" in PAGE, family.name


def test_the_dashboard_asks_for_metrics_that_there_are():
    known = {family.name for family in Metrics().registry.collect()}
    board = json.loads((PROJECT_ROOT / "config/grafana/ivr.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            for name in re.findall(r"ivr_\w+", target["expr"]):
                assert re.sub(r"_(total|bucket)$", "", name) in known, name
