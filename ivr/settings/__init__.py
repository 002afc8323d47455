"""Every setting of the house, declared once: type, default and what it is for.

Sources, later ones win: the defaults below (printed in ``config/ivr.toml``), a TOML file,
environment variables ``IVR_<SECTION>__<FIELD>``. Secrets are read from files named here.
A misspelt name is an error, never ignored.
"""

from ivr.settings.calls import (
    CallSettings,
    MediaSettings,
    RegistrationSettings,
    SipSettings,
    Subscriber,
)
from ivr.settings.couriers import ModemSettings, SmppSettings, WebhookSettings
from ivr.settings.filing import (
    EvidenceSettings,
    LogSettings,
    ReportingSettings,
    SmtpSettings,
    StorageSettings,
)
from ivr.settings.keeping import EncryptionSettings, RetentionSettings
from ivr.settings.links import LinkSettings
from ivr.settings.mirror import MirrorSettings
from ivr.settings.reading import Settings, load, resolve
from ivr.settings.rights import RightsSettings
from ivr.settings.section import PROJECT_ROOT, Section
from ivr.settings.stamping import TimestampSettings
from ivr.settings.trunks import TrunkSettings
from ivr.settings.understanding import RecognitionSettings, SpottingSettings, VerdictSettings
from ivr.settings.watching import AdmissionSettings, MetricsSettings, WatchSettings
from ivr.settings.writing import as_toml

__all__ = [
    "PROJECT_ROOT",
    "AdmissionSettings",
    "CallSettings",
    "EncryptionSettings",
    "EvidenceSettings",
    "LinkSettings",
    "LogSettings",
    "MediaSettings",
    "MetricsSettings",
    "MirrorSettings",
    "ModemSettings",
    "RecognitionSettings",
    "RegistrationSettings",
    "ReportingSettings",
    "RetentionSettings",
    "RightsSettings",
    "Section",
    "Settings",
    "SipSettings",
    "SmppSettings",
    "SmtpSettings",
    "SpottingSettings",
    "StorageSettings",
    "Subscriber",
    "TimestampSettings",
    "TrunkSettings",
    "VerdictSettings",
    "WatchSettings",
    "WebhookSettings",
    "as_toml",
    "load",
    "resolve",
]
