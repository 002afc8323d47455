"""Every setting of the house, declared once: type, default and what it is for.

Sources, later ones win: the defaults below (printed in ``config/ivr.toml``), a TOML file,
environment variables ``IVR_<SECTION>__<FIELD>``. Secrets are read from files named here.
A misspelt name is an error, never ignored.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ivr.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

Port = Annotated[int, Field(ge=0, le=65535)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Subscriber(Section):
    """A person who forwards calls; one access number (user part of the SIP address) each."""

    access: str = Field(description="User part of the address the calls are forwarded to.")
    number: str = Field(description="The subscriber's own number, E.164; never reported.")
    name: str = Field(default="", description="Name printed in the receipt.")
    mode: Literal["answer", "listen"] = Field(
        default="answer", description="answer: speak with the caller; listen: only record."
    )


class SipSettings(Section):
    bind: str = Field(default="127.0.0.1", description="Address SIP listens on (private).")
    port: Port = Field(default=5060, description="First worker's UDP port; 0 chooses free ones.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Worker processes; each takes four calls (compiled in)."
    )
    user_agent: str = Field(default="ivr", description="User-Agent and Server header.")
    allow_from: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks (CIDR) whose requests are answered; all others are refused.",
    )
    trusted_from: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks whose P-Asserted-Identity and other network headers are believed.",
    )
    identity_precedence: tuple[str, ...] = Field(
        default=("P-Asserted-Identity", "Remote-Party-ID", "From"),
        description="Which header names the caller, best first.",
    )
    retry_after_s: int = Field(
        default=30, ge=1, description="Retry-After of a 503 when calls are refused."
    )
    transaction_timeout_s: float = Field(
        default=8.0,
        ge=2.0,
        le=32.0,
        description="How long a silent peer may keep a transaction, and so one of four slots.",
    )


class CallSettings(Section):
    max_s: Seconds = Field(default=1800.0, description="Longest call; then we close politely.")
    no_audio_s: Seconds = Field(
        default=30.0, description="Hang up when no packet arrived from the other side so long."
    )
    close_after_silence_s: Seconds = Field(
        default=8.0, description="Answer mode: close after this silence once the caller has spoken."
    )
    language: Literal["vi", "en"] = Field(default="vi", description="Language of the prompts.")
    prompts: Path = Field(default=Path("prompts"), description="Folder of the recorded prompts.")


class MediaSettings(Section):
    bind: str = Field(default="127.0.0.1", description="Address the RTP door listens on.")
    advertise: str = Field(
        default="", description="Address our SDP names when it is not media.bind (NAT, wildcard)."
    )
    port_min: Port = Field(default=0, description="First RTP port; 0 lets the system choose.")
    port_max: Port = Field(default=0, description="Last RTP port; 0 lets the system choose.")
    block_s: float = Field(
        default=1.0, gt=0, le=10, description="Length of a hash-chained block of the wire log."
    )
    queue_blocks: int = Field(
        default=64, ge=4, description="Blocks that may wait for a slow disk before it is an error."
    )
    min_free_mb: int = Field(
        default=200, ge=0, description="Below this much free disk new calls are refused."
    )


class RecognitionSettings(Section):
    engine: Literal["vosk", "viet-asr"] = Field(
        default="vosk",
        description="What hears calls: vosk with the model below, or viet-asr, an optional extra "
        "with its own weights (its package names Apache-2.0; their origin is undocumented).",
    )
    second_pass: Literal["auto", "off", "vosk", "viet-asr"] = Field(
        default="auto",
        description="What listens again after a call, before sealing; auto: viet-asr when it is "
        "installed and does not hear the calls already.",
    )
    second_pass_max_s: float = Field(
        default=180.0,
        gt=0,
        description="Longest wait for the second pass; then the case is sealed without it.",
    )
    model: Path = Field(
        default=Path("asr_models/vosk-model-vi-ivr-demo-0.1"), description="Vosk model directory."
    )
    models_dir: Path = Field(
        default=Path("asr_models"), description="Where models are listed and unpacked."
    )
    processes: int = Field(
        default=0, ge=0, le=64, description="Recogniser processes; 0 is one for each core."
    )
    queue_s: float = Field(
        default=10.0,
        gt=0,
        description="Sound a leg may wait for its recogniser; what is beyond is heard again later.",
    )
    max_lag_s: float = Field(
        default=2.0, gt=0, description="Recognition behind by more than this: calls get 503."
    )
    vad_mode: int = Field(
        default=2, ge=0, le=3, description="webrtcvad aggressiveness; 0 lets most through."
    )
    preroll_s: Seconds = Field(
        default=0.4, description="Sound kept before speech starts, so no first word is clipped."
    )
    hangover_s: Seconds = Field(
        default=0.7, description="Silence that ends an utterance on the telephone."
    )
    partial_every_s: float = Field(
        default=0.2, gt=0, description="How often a partial result is asked for."
    )


class SpottingSettings(Section):
    rulebook: Path = Field(
        default=Path("config/rulebook/vi.yaml"), description="The rulebook: phrases and stages."
    )


class VerdictSettings(Section):
    live_threshold: Fraction = Field(default=0.5, description="Score from which we warn.")
    filing_threshold: Fraction = Field(default=0.8, description="Score from which we report.")
    min_syllables: int = Field(
        default=8, ge=0, description="Fewer syllables heard than this: the verdict is unsure."
    )


class EvidenceSettings(Section):
    site: str = Field(default="ivr", description="Name of this installation in every manifest.")
    key_file: Path | None = Field(
        default=None, description="Ed25519 key (PEM); default: made under the data folder."
    )


class SmtpSettings(Section):
    host: str = Field(default="", description="Mail server; empty: no mail is sent.")
    port: Port = Field(default=587, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="none only for a server on this machine."
    )
    username: str = Field(default="", description="Login, if the server wants one.")
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    sender: str = Field(default="ivr@localhost", description="From address of the reports.")
    ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) to trust besides the system's."
    )
    timeout_s: float = Field(default=30.0, gt=0, description="Longest wait for one delivery.")


class ReportingSettings(Section):
    recipients: Path = Field(
        default=Path("config/recipients.toml"), description="Who may be written to."
    )
    file_automatically: bool = Field(
        default=True,
        description="File at the filing level without asking; False waits for a person.",
    )
    sms_form: Literal["A", "B", "C"] = Field(
        default="A", description="Spelling of LD/V/S messages: A (…) (…), B […][…], C plain."
    )
    sms_short_code: Literal["156", "5656"] = Field(
        default="156", description="Where LD/V/S messages go."
    )
    outbox_dir: Path | None = Field(
        default=None, description="Folder for composed messages; default: under the data folder."
    )
    lease_s: float = Field(
        default=60.0, gt=0, description="How long one delivery may hold a report."
    )
    retry_first_s: float = Field(default=5.0, gt=0, description="First wait after a failure.")
    retry_longest_s: float = Field(default=3600.0, gt=0, description="Longest wait.")
    attempts: int = Field(default=20, ge=1, description="Attempts before a person must look.")
    parallel: int = Field(default=4, ge=1, le=64, description="Deliveries at the same time.")
    poll_s: float = Field(
        default=5.0,
        gt=0,
        description="How often the ledger is asked for reports of other processes.",
    )
    verified_max_age_days: int = Field(
        default=180, ge=1, description="Older verification of a recipient: nothing is sent there."
    )
    attachments_max_mb: float = Field(
        default=15.0, gt=0, description="Recordings beyond this stay out of a mail and are listed."
    )
    english_summary: bool = Field(
        default=True, description="Put an English summary at the end of a mail."
    )


class StorageSettings(Section):
    root: Path = Field(default=Path("ivr-data"), description="Data folder: cases, keys, ledger.")
    ledger_url: str = Field(
        default="", description="Database URL; default: SQLite in the data folder."
    )


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Below debug, fields named pii_* are masked."
    )
    format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for machines."
    )


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="IVR_", env_nested_delimiter="__"
    )

    subscribers: tuple[Subscriber, ...] = Field(
        default=(), description="Who may forward calls here."
    )
    sip: SipSettings = SipSettings()
    call: CallSettings = CallSettings()
    media: MediaSettings = MediaSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    spotting: SpottingSettings = SpottingSettings()
    verdict: VerdictSettings = VerdictSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    smtp: SmtpSettings = SmtpSettings()
    reporting: ReportingSettings = ReportingSettings()
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()

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


def as_toml(settings: Settings) -> str:
    """The settings as a commented TOML file; ``load`` reads it back to the same settings."""
    lines = ["# Settings of ivr. Every name stands here with its default; the environment wins:"]
    lines += ["# IVR_SIP__PORT=5062 sets [sip] port. A misspelt name is an error.", ""]
    lines.append(f"# subscribers: {Settings.model_fields['subscribers'].description}")
    for name, field in Subscriber.model_fields.items():
        lines.append(f"#   {name}: {field.description}")
    if not settings.subscribers:
        lines += ["# [[subscribers]]", '# access = "an"', '# number = "+84900000000"', ""]
    for subscriber in settings.subscribers:
        lines += ["[[subscribers]]", *_toml_fields(subscriber, with_help=False), ""]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            lines += [f"[{name}]", *_toml_fields(section, with_help=True), ""]
    return "\n".join(lines)


def _toml_fields(section: Section, *, with_help: bool) -> list[str]:
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if with_help:
            lines.append(f"# {field.description}")
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml_value(value)}")
    return lines


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a TOML basic string
