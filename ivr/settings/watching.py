"""Settings of admission, supervision and metrics."""

from pydantic import Field

from ivr.settings.section import Port, Section


class AdmissionSettings(Section):
    max_calls: int = Field(
        default=0,
        ge=0,
        description="Calls at once, mirrored ones included, beyond them 503; 0: as many as the "
        "workers hold.",
    )


class WatchSettings(Section):
    hang_after_s: float = Field(
        default=20.0,
        ge=2.0,
        description="An agent whose event loop shows no life so long is killed and started anew.",
    )
    silent_leg_s: float = Field(
        default=20.0,
        gt=0,
        description="Alarm when a leg that should speak brings no packets so long.",
    )


class MetricsSettings(Section):
    bind: str = Field(
        default="127.0.0.1", description="Address of /metrics, /healthz and /readyz (HTTP)."
    )
    port: Port = Field(default=0, description="Its port; 0: off.")
