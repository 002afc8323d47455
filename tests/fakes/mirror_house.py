"""One `ivr serve` that takes mirrored calls, for several tests: support for flow tests."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivr.casework.proof import prove_files
from ivr.settings import PROJECT_ROOT
from tests.fakes.serving_house import IVR, settings_text

BASIS = "Test order 1/2026; nobody's calls"
MIRROR = f"""
[mirror]
enabled = true
lawful_basis = "{BASIS}"
port = 0
pair_wait_s = 1.0

[recognition]
second_pass = "off"

[watch]
silent_leg_s = 1.0
"""
START_S = 60.0


@dataclass
class MirrorHouse:
    """The process, its log and its cases."""

    process: subprocess.Popen[str]
    data: Path
    lines: list[str] = field(default_factory=list)
    port: int = 0
    reader: threading.Thread = field(default_factory=threading.Thread)

    @classmethod
    def start(cls, folder: Path, extra: str = "", *, until_well: bool = True) -> "MirrorHouse":
        data, settings = folder / "data", folder / "ivr.toml"
        text = settings_text(data, PROJECT_ROOT / "prompts", MIRROR + extra)
        settings.write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [*IVR, "--settings", str(settings), "serve"],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        house = cls(process, data)
        house.reader = threading.Thread(target=house._read, daemon=True)
        house.reader.start()
        deadline = time.monotonic() + START_S
        while not house.port and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if not house.port:
            house.kill()
            raise AssertionError("it does not take calls:\n" + "\n".join(house.lines))
        while until_well and house.health() != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        return house

    def health(self) -> int:
        """What OPTIONS is answered: 503 while it still seals what an earlier process left."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.connect(("127.0.0.1", self.port))
            where = asking.getsockname()[1]
            asking.send(
                b"OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\n"
                b"Via: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bK%d\r\n"
                b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:srs@127.0.0.1>\r\n"
                b"Call-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
                % (where, time.monotonic_ns(), time.monotonic_ns())
            )
            return int(asking.recv(4096)[8:11])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if line.startswith("Taking mirrored calls on sip:"):
                self.port = int(line.split(" (")[0].rpartition(":")[2])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, and every process of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def case_of(self, sip_call_id: str) -> Path | None:
        """The case that a mirrored call became, once it has begun."""
        for path in self.data.glob("cases/*/opened.json"):
            if json.loads(path.read_bytes())["call"]["sip_call_id"] == sip_call_id:
                return path.parent
        return None

    async def sealed(self, sip_call_id: str, seconds: float = 60.0) -> Path:
        """The same, once it is sealed."""

        def found() -> Path | None:
            case = self.case_of(sip_call_id)
            return case if case is not None and (case / "manifest.jws").exists() else None

        case: Path = await self.until(found, seconds)
        return case

    async def until(self, what: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise AssertionError("it did not happen; the log says:\n" + "\n".join(self.lines[-30:]))


def journal(case: Path) -> list[dict[str, Any]]:
    lines = (case / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def noted(case: Path, event: str) -> list[dict[str, Any]]:
    """Facts of every such event."""
    return [entry["facts"] for entry in journal(case) if entry["event"] == event]


def derived(case: Path, name: str) -> Any:
    return json.loads((case / "derived" / name).read_text(encoding="utf-8"))


async def proven(case: Path) -> bool:
    """Whether every step of `ivr verify` finds the case whole; says which does not."""
    steps = await asyncio.to_thread(prove_files, case, None, None)
    assert all(step.ok for step in steps), [step for step in steps if not step.ok]
    return True
