"""A running `ivr serve` in a process of its own, and callers in theirs: support for flow tests."""

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ivr.dialogue import listing
from ivr.dialogue.sound import as_wav
from ivr.settings import PROJECT_ROOT
from ivr.telephony.caller_process import start_caller
from tests.fakes.raw_caller import tone

IVR = (sys.executable, "-m", "ivr")
SUBSCRIBER = "+84900000001"
START_S = 60.0
HERTZ = {"ringback": 425, "alert": 1700, "bridge_caller_gone": 1100, "bridge_intro_unknown": 1300}
HERTZ |= {"n_7": 700, "n_8": 1000, "menu_none": 1500, "menu_pin_wrong": 2300, "menu_keys": 1900}
HERTZ |= {"menu_confirm_file": 2600, "menu_confirm_withdraw": 2600, "menu_pin": 2900}
"""Tones by which a test knows prompts apart; all others are 500 Hz."""


def write_short_prompts(folder: Path) -> Path:
    """Every prompt as half a second of tone (words of numbers: a tenth), so that a test call is
    not mostly prompts."""
    entries = []
    for entry in listing.read(PROJECT_ROOT / "prompts"):
        hertz, seconds = HERTZ.get(entry.id, 500), 0.1 if entry.is_word else 0.5
        content = as_wav(tone(hertz, seconds).astype("int16"))
        listing.replace_file(entry.path(folder), content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append(replace(entry, voice="tone", sha256=digest, duration_s=seconds))
    listing.write(folder, entries)
    return folder


SHORT_DIALOGUE = PROJECT_ROOT / "tests/assets/dialogue/short.yaml"


def settings_text(
    data: Path, prompts: Path, extra: str = "", dialogue: Path = SHORT_DIALOGUE
) -> str:
    """Settings of a test house: free ports, everything local."""
    return f"""
[[subscribers]]
access = "an"
number = "{SUBSCRIBER}"

[[subscribers]]
access = "nghe"
number = "{SUBSCRIBER}"
mode = "listen"

[sip]
port = 0

[call]
close_after_silence_s = 4.0
no_audio_s = 3.0
prompts = "{prompts}"
dialogue = "{dialogue}"

[reporting]
recipients = "{PROJECT_ROOT}/ivr/demo/recipients.toml"
poll_s = 0.2

[storage]
root = "{data}"

[log]
format = "json"
{extra}"""


@dataclass
class RunningServe:
    """One `ivr serve` process."""

    process: asyncio.subprocess.Process
    data: Path
    settings: Path
    ports: list[int]
    lines: list[str] = field(default_factory=list)

    def uri(self, access: str = "an") -> str:
        return f"sip:{access}@127.0.0.1:{self.ports[0]}"

    def sealed(self) -> list[Path]:
        return sorted(path.parent for path in self.data.glob("cases/*/manifest.jws"))

    def unsealed(self) -> list[Path]:
        every = {path.parent for path in self.data.glob("cases/*/opened.json")}
        return sorted(every - set(self.sealed()))

    async def until(self, what: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Poll until ``what()`` is true; fails with the log otherwise."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            if self.process.returncode is not None:
                break
            await asyncio.sleep(0.05)
        raise AssertionError("it did not happen; the log says:\n" + "\n".join(self.lines[-30:]))

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


async def run_ivr(*arguments: str, **env: str) -> tuple[int, str, str]:
    """One command to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *IVR,
        *arguments,
        cwd=PROJECT_ROOT,
        env=os.environ | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 300)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def read_log(running: RunningServe) -> None:
    assert running.process.stderr is not None
    async for raw in running.process.stderr:
        line = raw.decode(errors="replace").rstrip()
        running.lines.append(line)
        if line.startswith("Listening on sip:"):
            running.ports.append(int(line.split("sip:")[1].split(" ")[0].rpartition(":")[2]))


async def call(uri: str, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """One call to its end: exit code and events of the test caller."""
    caller = await start_caller(uri, *arguments)
    out, _ = await asyncio.wait_for(caller.communicate(), 110)
    assert caller.returncode is not None
    return caller.returncode, [json.loads(line) for line in out.decode().splitlines()]


def manifest_of(case: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((case / "manifest.json").read_bytes())
    return loaded


def events_of(case: Path) -> Sequence[str]:
    lines = (case / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in lines]
