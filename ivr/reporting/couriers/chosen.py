"""Which courier serves which channel in this installation."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ivr.errors import SettingsError
from ivr.facts.reports import Channel
from ivr.ports import Courier
from ivr.reporting.couriers.folder import FolderCourier
from ivr.reporting.couriers.maildir import MaildirReader
from ivr.reporting.couriers.replies import Keep
from ivr.reporting.couriers.smtp import Signer, SmtpCourier
from ivr.reporting.couriers.webhook import WebhookCourier
from ivr.reporting.links import LinkMaker
from ivr.reporting.postscript import Postscript
from ivr.settings import ModemSettings, Settings, SmppSettings, SmtpSettings

INSTALL = ".venv/bin/python -m pip install --require-hashes -r requirements/couriers.lock"


def couriers(
    settings: Settings,
    outbox: Path,
    now: Callable[[], datetime],
    keep: Keep,
    links: LinkMaker | None = None,
) -> dict[Channel, Courier]:
    """A channel whose courier is not set up is laid out for a person.

    Args:
        outbox: folder of what is laid out.
        keep: stores what comes back.
        links: makes links to recordings too large for a mail; None: it says how to ask.

    Raises:
        SettingsError: a courier is set up that cannot be used; says which and why.
    """
    postscript = Postscript(links, settings.reporting.contact)
    folder = FolderCourier(outbox, settings.smtp.sender, now, postscript)
    found: dict[Channel, Courier] = dict.fromkeys(Channel, folder)
    if settings.smtp.host:
        found[Channel.MAIL] = SmtpCourier(settings.smtp, now, _signer(settings.smtp), postscript)
    if settings.webhook.secrets_dir is not None:
        found[Channel.WEBHOOK] = WebhookCourier(settings.webhook, now)
    if settings.smpp.host and settings.modem.device is not None:
        raise SettingsError(
            "Two ways to send short messages are set up.",
            why="[smpp] host and [modem] device are both set",
            remedy="Take one of them back.",
        )
    if settings.modem.device is not None:
        found[Channel.SMS] = _modem(settings.modem, now, keep)
    if settings.smpp.host:
        found[Channel.SMS] = _smpp(settings.smpp, now, keep)
    return found


def listeners(settings: Settings, now: Callable[[], datetime], keep: Keep) -> list[MaildirReader]:
    """Who takes what comes back and is no courier."""
    folder = settings.smtp.replies_maildir
    return [] if folder is None else [MaildirReader(folder, keep, now)]


def _signer(settings: SmtpSettings) -> Signer | None:
    if settings.dkim_key_file is None:
        return None
    try:
        from ivr.reporting.couriers.dkim_signer import DkimSigner
    except ModuleNotFoundError as problem:
        raise not_installed("[smtp] dkim_key_file", problem) from problem
    domain = settings.sender.rpartition("@")[2]
    return DkimSigner(domain, settings.dkim_selector, settings.dkim_key_file)


def _smpp(settings: SmppSettings, now: Callable[[], datetime], keep: Keep) -> Courier:
    try:
        from ivr.reporting.couriers.smpp import SmppCourier
    except ModuleNotFoundError as problem:
        raise not_installed("[smpp] host", problem) from problem
    return SmppCourier(settings, keep, now)


def _modem(settings: ModemSettings, now: Callable[[], datetime], keep: Keep) -> Courier:
    try:
        from ivr.reporting.couriers.modem import ModemCourier
    except ModuleNotFoundError as problem:
        raise not_installed("[modem] device", problem) from problem
    if settings.connection == "none" or settings.model == "dummy":
        raise SettingsError(
            "Messages would be called sent that nobody gets.",
            why="[modem] names Gammu's dummy device, which takes everything and sends nothing",
            remedy='Name the real connection, such as connection = "at115200".',
        )
    return ModemCourier(settings, keep, now)


def not_installed(setting: str, problem: ModuleNotFoundError) -> SettingsError:
    """The library of an optional courier is missing."""
    return SettingsError(
        "A courier is set up whose library is not installed.",
        why=f"{setting} is set; {problem}",
        remedy=f"`{INSTALL}`, or take the setting back.",
    )
