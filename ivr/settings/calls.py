"""Settings of the call itself: subscribers, SIP, dialogue, media."""

from datetime import date
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ivr.settings.section import Port, Seconds, Section

CONTACT = (
    r"sip:[A-Za-z0-9+_.\-]{1,64}@(\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15})"
    r"(:[0-9]{1,5})?(;transport=(udp|tcp))?"
)
"""A SIP URI in which no header, route or name to look up finds room."""


class Subscriber(Section):
    """A person who forwards calls; one access number (user part of the SIP address) each."""

    EXAMPLE: ClassVar[tuple[str, ...]] = ('access = "an"', 'number = "+84900000000"')

    access: str = Field(description="User part of the address the calls are forwarded to.")
    number: str = Field(description="The subscriber's own number, E.164; never reported.")
    name: str = Field(default="", description="Name printed in the receipt.")
    mode: Literal["answer", "bridge", "listen"] = Field(
        default="answer",
        description="answer: speak with the caller; bridge: ring the subscriber, join the two "
        "and warn the subscriber alone; listen: only record.",
    )
    contact: str = Field(
        default="",
        pattern=f"^({CONTACT})?$",
        description="Where to ring the subscriber in bridge mode, by numeric address: "
        "sip:USER@ADDRESS[:PORT][;transport=udp|tcp].",
    )
    ring_s: float = Field(
        default=25.0, gt=0, le=120, description="How long to ring there; then the agent answers."
    )
    allow: tuple[str, ...] = Field(
        default=(), description="Numbers (E.164) that the subscriber knows, for bridge mode."
    )
    connect_allowed_unheard: bool = Field(
        default=False,
        description="Calls from `allow` are joined without being recorded or recognised; nothing "
        "but their count is kept.",
    )

    menu: bool = Field(
        default=True,
        description="The subscriber may call the access number and hear the voice menu, when the "
        "network vouches for the number; not in listen mode.",
    )
    menu_pin_file: Path | None = Field(
        default=None,
        description="File with a code of 6 to 12 digits that opens the menu when the network does "
        "not vouch for the number.",
    )

    consent_version: str = Field(
        default="", description="Version of the consent text that the subscriber agreed to."
    )
    consented_on: date | None = Field(
        default=None, description="Day on which they did; stands in every case of theirs."
    )

    @model_validator(mode="after")
    def _bridge_needs_a_contact(self) -> Self:
        if self.mode == "bridge" and not self.contact:
            raise ValueError("mode bridge needs `contact`: where to ring the subscriber")
        return self


class RegistrationSettings(Section):
    """A registrar at which the agent's first worker makes itself known (digest)."""

    EXAMPLE: ClassVar[tuple[str, ...]] = (
        'registrar = "sip:192.0.2.1"',
        'username = "an"',
        'password_file = "sip.password"',
    )

    registrar: str = Field(
        description="Its numeric address: sip:ADDRESS[:PORT][;transport=udp|tcp]."
    )
    username: str = Field(
        description="User name; calls to it are an access number of a subscriber."
    )
    password_file: Path | None = Field(default=None, description="File that holds the password.")
    expires_s: int = Field(
        default=300, ge=10, description="How long a registration holds; it is renewed before."
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
    front_from: tuple[str, ...] = Field(
        default=(),
        description="Addresses (CIDR) of our own front: the X-Ivr-Source header it writes says "
        "where a call really came from.",
    )
    own_numbers: tuple[str, ...] = Field(
        default=(),
        description="Numbers of this installation besides the access numbers; never reported.",
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
    may_call: tuple[str, ...] = Field(
        default=(),
        description="SIP URIs that the agent may dial besides the subscribers' contacts; it never "
        "dials any other.",
    )
    recycle_after_calls: int = Field(
        default=5000, ge=1, description="An idle worker is relieved after so many calls."
    )
    recycle_above_mb: int = Field(
        default=150, ge=1, description="An idle worker is relieved above so much resident memory."
    )


class CallSettings(Section):
    max_s: Seconds = Field(default=1800.0, description="Longest call; then we close politely.")
    no_audio_s: Seconds = Field(
        default=30.0, description="Hang up when no packet arrived from the other side so long."
    )
    close_after_silence_s: Seconds = Field(
        default=8.0,
        description="Answer mode: after this silence a caller who has spoken has no more to say.",
    )
    language: Literal["vi", "en"] = Field(default="vi", description="Language of the prompts.")
    prompts: Path = Field(default=Path("prompts"), description="Folder of the recorded prompts.")
    dialogue: Path = Field(
        default=Path("config/dialogue/screening.yaml"),
        description="What the agent says and asks in answer mode, and when.",
    )
    number_words: Literal["north", "south"] = Field(
        default="north", description="north says linh and nghìn in numbers, south lẻ and ngàn."
    )


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
        default=200,
        ge=0,
        description="Below this much free disk new calls are refused; below a quarter of it "
        "running calls are ended, while there is room to seal them.",
    )
