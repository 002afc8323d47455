"""Settings of mirrored calls: what an operator's border controller copies to us."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ivr.settings.section import Port, Seconds, Section


class MirrorSettings(Section):
    enabled: bool = Field(default=False, description="Take mirrored calls (SIPREC, forks).")
    lawful_basis: str = Field(
        default="",
        description="On what law, order or contract mirrored calls are recorded, by whom decided, "
        "since when. Stands in every case; without it nothing is taken.",
    )
    bind: str = Field(default="127.0.0.1", description="Address it listens on, UDP and TCP.")
    port: Port = Field(default=5080, description="Its port; 0 chooses a free one.")
    advertise: str = Field(
        default="", description="Address our Contact names when it is not mirror.bind."
    )
    allow_from: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks (CIDR) of the border controllers; all others get no answer.",
    )
    protected_numbers: tuple[str, ...] = Field(
        default=(),
        description="Numbers of the people we protect besides the subscribers: E.164, or the "
        "beginning of a range with * behind.",
    )
    stream_order: Literal["unknown", "caller first", "callee first"] = Field(
        default="unknown",
        description="Whose sound the first stream is when neither metadata nor labels say it; "
        "unknown judges both.",
    )
    pair_call_header: str = Field(
        default="X-Mirror-Call",
        description="Plain fork: two INVITEs with the same value here are one call.",
    )
    pair_leg_header: str = Field(
        default="X-Mirror-Leg",
        description="Plain fork: whose sound it is: caller or callee (also a or b).",
    )
    pair_wait_s: Seconds = Field(
        default=10.0, description="How long the second INVITE of a pair may take."
    )
    max_sessions: int = Field(
        default=100, ge=1, le=10_000, description="Calls at once; beyond them 503."
    )
    max_streams: int = Field(
        default=6, ge=1, le=6, description="Streams of one call; further ones are refused."
    )
    max_message_kb: int = Field(
        default=128, ge=4, le=1024, description="Longest SIP message; beyond it 513."
    )
    invites_per_s: float = Field(
        default=50.0, gt=0, description="New calls a second from one address; beyond them 503."
    )
    no_media_s: Seconds = Field(
        default=120.0,
        description="End a call when no packet came on any stream so long, unless all are on hold.",
    )
    max_s: Seconds = Field(default=14_400.0, description="Longest mirrored call.")

    @model_validator(mode="after")
    def _must_state_its_basis(self) -> Self:
        if self.enabled and len(self.lawful_basis.split()) < 2:
            raise ValueError(
                "mirror.enabled needs mirror.lawful_basis: recording others' calls without a "
                "stated basis is not done; write down the law, order or contract"
            )
        return self
