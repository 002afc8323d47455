"""The whole configuration: a TOML file, then the environment."""

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ivr.errors import SettingsError
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
from ivr.settings.rights import RightsSettings
from ivr.settings.section import PROJECT_ROOT
from ivr.settings.stamping import TimestampSettings
from ivr.settings.trunks import TrunkSettings, check_trunks
from ivr.settings.understanding import RecognitionSettings, SpottingSettings, VerdictSettings
from ivr.settings.watching import AdmissionSettings, MetricsSettings, WatchSettings


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="IVR_", env_nested_delimiter="__"
    )

    subscribers: tuple[Subscriber, ...] = Field(
        default=(), description="Who may forward calls here."
    )
    registrations: tuple[RegistrationSettings, ...] = Field(
        default=(), description="Registrars at which the first worker makes itself known."
    )
    trunks: tuple[TrunkSettings, ...] = Field(
        default=(), description="Providers and exchanges that calls come from."
    )
    sip: SipSettings = SipSettings()
    call: CallSettings = CallSettings()
    media: MediaSettings = MediaSettings()
    mirror: MirrorSettings = MirrorSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    spotting: SpottingSettings = SpottingSettings()
    verdict: VerdictSettings = VerdictSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    timestamp: TimestampSettings = TimestampSettings()
    retention: RetentionSettings = RetentionSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    smtp: SmtpSettings = SmtpSettings()
    modem: ModemSettings = ModemSettings()
    smpp: SmppSettings = SmppSettings()
    webhook: WebhookSettings = WebhookSettings()
    reporting: ReportingSettings = ReportingSettings()
    links: LinkSettings = LinkSettings()
    storage: StorageSettings = StorageSettings()
    rights: RightsSettings = RightsSettings()
    admission: AdmissionSettings = AdmissionSettings()
    watch: WatchSettings = WatchSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _trunks_are_told_apart(self) -> Self:
        check_trunks(self.trunks)
        return self

    def with_workers(self, workers: int | None) -> Self:
        """The same with another ``sip.workers``; None changes nothing."""
        if workers is None:
            return self
        sip = self.sip.model_copy(update={"workers": workers})
        return self.model_copy(update={"sip": sip})

    @property
    def answered_sip(self) -> SipSettings:
        """``sip`` with all that may call: besides ``sip.allow_from`` every trunk and our front."""
        networks = (network for trunk in self.trunks for network in trunk.networks)
        allowed = dict.fromkeys((*self.sip.allow_from, *self.sip.front_from, *networks))
        return self.sip.model_copy(update={"allow_from": tuple(allowed)})

    @property
    def never_reported(self) -> tuple[str, ...]:
        """Numbers of the people we protect, and our own lines."""
        return (
            *(subscriber.number for subscriber in self.subscribers),
            *(subscriber.access for subscriber in self.subscribers),
            *(registration.username for registration in self.registrations),
            *self.sip.own_numbers,
            *self.mirror.protected_numbers,
        )

    @property
    def contacts(self) -> tuple[str, ...]:
        """Where subscribers are rung: with ``sip.may_call`` all that the agent ever dials."""
        return tuple(subscriber.contact for subscriber in self.subscribers if subscriber.contact)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by position
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls by position
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls by position
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values arrive as init arguments."""
        return env_settings, init_settings


def resolve(path: Path) -> Path:
    """A path of the settings: absolute, from the current folder if it is there, else from the
    project's own folder."""
    if path.is_absolute() or path.exists():
        return path.absolute()
    inside = PROJECT_ROOT / path
    return inside if inside.exists() else path.absolute()


def load(file: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        file: a TOML file; None means defaults and environment alone.

    Raises:
        SettingsError: the file is missing, is no TOML, or holds a wrong name or value.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as problem:
            raise SettingsError(
                f"The settings file {file} cannot be read.",
                why=problem.strerror or str(problem),
                remedy="Give the right path, or copy config/ivr.toml and edit the copy.",
            ) from problem
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise SettingsError(
                f"The settings file {file} is not valid TOML.",
                why=str(problem),
                remedy="Compare the named line with config/ivr.toml.",
            ) from problem
    try:
        return Settings(**values)
    except ValidationError as problem:
        lines = [
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
            for error in problem.errors()
        ]
        raise SettingsError(
            "The settings are not usable.",
            why="; ".join(lines),
            remedy="`ivr config show` prints every name with its default.",
        ) from problem
