"""Calls through a real door: real sockets, real files, real time."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr.facts.audio import AudioFrame, LegStats, Recording, WireLog
from ivr.facts.call import LegName, MediaAgreed
from ivr.media.door import CallDoor
from ivr.media.recordings import write_recordings
from ivr.settings import MediaSettings
from tests.fakes.rtp_sender import HERE, Shot, play, udp_socket

PAYLOADS = {8: ("PCMA", 8000), 0: ("PCMU", 8000), 101: ("telephone-event", 8000)}


@dataclass
class FakeAgent:
    """Stands where pjsua2's RTP port is: answers to whoever it hears first, keeps what comes."""

    port: socket.socket
    heard: list[bytes] = field(default_factory=list)
    door: tuple[str, int] | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.port.getsockname()
        return host, port

    async def latch(self) -> None:
        """Wait for the first packet, as symmetric RTP does."""
        data, self.door = await asyncio.get_running_loop().sock_recvfrom(self.port, 2048)
        self.heard.append(data)

    def drain(self) -> list[bytes]:
        with suppress(BlockingIOError):
            while True:
                self.heard.append(self.port.recv(65_535))
        return self.heard


@dataclass
class PlayedCall:
    """What is left of a call that went through the door."""

    folder: Path
    wire: WireLog
    recordings: dict[LegName, Recording]
    live: dict[LegName, LegStats]
    frames: dict[LegName, list[AudioFrame]]
    agent_heard: list[bytes]
    caller_heard: list[bytes]
    foreign_heard: list[bytes]
    incomplete_reasons: tuple[str, ...]


def agreed(remote: tuple[str, int], agent: tuple[str, int], **changes: object) -> MediaAgreed:
    facts: dict[str, object] = {
        "remote": remote,
        "signalled_from": remote[0],
        "agent": agent,
        "payload_types": PAYLOADS,
        "direction": "sendrecv",
    }
    return MediaAgreed(**{**facts, **changes})  # type: ignore[arg-type]


def received(sock: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            found.append(sock.recv(65_535))
    return found


async def play_call(
    folder: Path,
    caller_shots: Sequence[Shot],
    agent_shots: Sequence[Shot] = (),
    foreign_shots: Sequence[Shot] = (),
    settings: MediaSettings | None = None,
    during: AbstractContextManager[None] | None = None,
) -> PlayedCall:
    """One whole call: agree, send from all sides, close, decode. ``during`` holds until the
    door is closed."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    frames: dict[LegName, list[AudioFrame]] = {LegName.CALLER: [], LegName.AGENT: []}
    with (
        udp_socket() as caller,
        udp_socket() as stranger,
        udp_socket() as agent_port,
        ExitStack() as around,
    ):
        if during is not None:
            around.enter_context(during)
        door = await CallDoor.open(folder, settings or MediaSettings(bind=HERE), call_id="01TEST")
        agent = FakeAgent(agent_port)
        for leg, kept in frames.items():
            door.tap(leg, kept.append)
        door.agree(agreed(caller.getsockname(), agent.address))
        await agent.latch()
        assert agent.door is not None
        to = (door.endpoint.host, door.endpoint.port)
        await asyncio.gather(
            play(caller, to, caller_shots),
            play(agent.port, agent.door, agent_shots),
            play(stranger, to, foreign_shots),
        )
        wire = await door.close()
        around.close()
        recordings = await asyncio.to_thread(write_recordings, wire, folder)
        return PlayedCall(
            folder,
            wire,
            {recording.leg: recording for recording in recordings},
            {stats.leg: stats for stats in door.stats()},
            frames,
            agent.drain(),
            received(caller),
            received(stranger),
            door.incomplete_reasons(),
        )
