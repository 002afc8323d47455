"""What keeps a courier from working, as far as can be told without sending anything."""

import os
import socket
from collections.abc import Sequence

from ivr.errors import SettingsError
from ivr.facts.reports import Channel
from ivr.reporting.couriers.webhook import read_secrets
from ivr.reporting.recipients import Recipient
from ivr.settings import Settings

_CONNECT_S = 5.0


def obstacles(settings: Settings, recipients: Sequence[Recipient]) -> list[str]:
    """One line each; empty when the couriers that are set up can work."""
    return [
        *_webhooks(settings, recipients),
        *_centre(settings),
        *_modem(settings),
        *_maildir(settings),
    ]


def _webhooks(settings: Settings, recipients: Sequence[Recipient]) -> list[str]:
    folder = settings.webhook.secrets_dir
    found = []
    for recipient in recipients:
        if folder is None or recipient.channel is not Channel.WEBHOOK or not recipient.is_enabled:
            continue
        try:
            read_secrets(folder / f"{recipient.id}.secret")
        except SettingsError as problem:
            found.append(f"webhook {recipient.id}: {problem.why}")
    return found


def _centre(settings: Settings) -> list[str]:
    smpp = settings.smpp
    if not smpp.host:
        return []
    try:
        socket.create_connection((smpp.host, smpp.port), timeout=_CONNECT_S).close()
    except OSError as problem:
        return [f"SMPP {smpp.host}:{smpp.port}: {problem}"]
    return []


def _modem(settings: Settings) -> list[str]:
    device = settings.modem.device
    if device is None or os.access(device, os.R_OK | os.W_OK):
        return []
    why = "this user may not use it" if device.exists() else "it is not there"
    return [f"modem {device}: {why}"]


def _maildir(settings: Settings) -> list[str]:
    folder = settings.smtp.replies_maildir
    if folder is None or os.access(folder / "new", os.R_OK | os.W_OK | os.X_OK):
        return []
    why = "this user may not use it" if (folder / "new").exists() else "it has no folder new"
    return [f"maildir {folder}: {why}"]
