"""What the doctor can say of the couriers before a report depends on them."""

import base64
import socket
from dataclasses import replace

import pytest

from ivr.doctor import Level, examine
from ivr.facts.reports import Channel
from ivr.reporting.couriers.readiness import obstacles
from ivr.reporting.recipients import Recipient
from ivr.settings import (
    ModemSettings,
    Settings,
    SmppSettings,
    SmtpSettings,
    WebhookSettings,
)
from tests.fakes.smsc import message_centre

OPERATOR = Recipient("op", "operator", "r", "n", Channel.WEBHOOK, "https://op.example.vn/")


def test_a_webhook_recipient_without_a_good_secret_is_named(tmp_path):
    settings = Settings(webhook=WebhookSettings(secrets_dir=tmp_path))
    (missing,) = obstacles(settings, [OPERATOR])
    assert missing.startswith("webhook op: ")
    (tmp_path / "op.secret").write_text("whsec_" + base64.b64encode(b"k" * 32).decode())
    assert obstacles(settings, [OPERATOR]) == []
    assert obstacles(settings, [replace(OPERATOR, id="other", is_enabled=False)]) == []


async def test_a_centre_that_answers_is_no_obstacle_and_one_that_does_not_is(tmp_path):
    async with message_centre() as centre:
        there = SmppSettings(host="127.0.0.1", port=centre.port, security="none")
        assert obstacles(Settings(smpp=there), []) == []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = SmppSettings(host="127.0.0.1", port=closed.getsockname()[1], security="none")
        (found,) = obstacles(Settings(smpp=away), [])
    assert "refused" in found


def test_a_modem_that_is_not_there_is_named(tmp_path):
    settings = Settings(modem=ModemSettings(device=tmp_path / "ttyUSB0"))
    assert obstacles(settings, []) == [f"modem {tmp_path}/ttyUSB0: it is not there"]


def test_a_maildir_that_nobody_delivers_into_is_named(tmp_path):
    settings = Settings(smtp=SmtpSettings(replies_maildir=tmp_path))
    assert obstacles(settings, []) == [f"maildir {tmp_path}: it has no folder new"]
    (tmp_path / "new").mkdir()
    assert obstacles(settings, []) == []


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, Level.OK, "sms by folder, mail by folder, webhook by folder"),
        ({"modem": ModemSettings(device="/nowhere/tty")}, Level.FAILED, "it is not there"),
        (
            {"smpp": SmppSettings(host="smsc.example.vn", security="none")},
            Level.FAILED,
            "is not this machine",
        ),
    ],
)
def test_the_doctor_tells(monkeypatch, changes, level, said):
    from ivr import doctor

    monkeypatch.setattr(doctor, "PROBES", (doctor._couriers,))
    (check,) = examine(Settings(**changes))
    assert (check.name, check.level) == ("couriers", level)
    assert said in check.detail
