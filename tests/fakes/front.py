"""The front of config/kamailio as it runs: real Kamailio and rtpengine on loopback addresses."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from ivr.settings import PROJECT_ROOT, Settings
from ivr.telephony.front import address_list, dispatcher_list

OUTSIDE = "127.0.0.20"
INSIDE = "127.0.0.21"
START_S = 20.0


@dataclass
class Front:
    """Where the front listens, and the certificate authority of its certificate."""

    folder: Path
    sip_port: int
    tls_port: int

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, *command: str) -> str:
        """One kamcmd command."""
        asked = subprocess.run(
            ("kamcmd", "-s", f"unix:{self.folder}/kamailio_ctl", *command),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return asked.stdout + asked.stderr

    def count(self, name: str) -> int:
        """One of the front's own counters."""
        return int(self.ask("stats.fetch", f"script.{name}").split(":")[-1].split("}")[0].strip())

    async def until_workers(self, *states: str) -> None:
        """Wait until the pings have found each worker in this state (``AP``, ``IP`` …)."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            told = await asyncio.to_thread(self.ask, "dispatcher.list")
            flags = [line.split()[-1] for line in told.splitlines() if "FLAGS:" in line]
            if flags == list(states):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(told + self.log("kamailio"))


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of so many ports in a row that nobody has, UDP and TCP."""
    for first in range(20_000 + os.getpid() % 5_000, 32_000, count):
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with closing(socket.socket(socket.AF_INET, kind)) as probe:
                        probe.bind((host, port))
        except OSError:
            continue
        return first
    raise AssertionError("no ports are free")


@contextmanager
def running_front(folder: Path, settings: Settings) -> Iterator[Front]:
    """The configuration of the repository with another site.cfg, running."""
    for name in ("kamailio.cfg", "tls.cfg"):
        shutil.copy(PROJECT_ROOT / "config/kamailio" / name, folder)
    base = free_ports(60, OUTSIDE)
    sip, tls, control, media = base, base + 1, base + 2, base + 10
    front = Front(folder, sip, tls)
    (folder / "site.cfg").write_text(
        f'#!substdef "!FRONT_DIR!{folder}!g"\n#!substdef "!FRONT_RUN!{folder}!g"\n'
        f"listen=udp:{OUTSIDE}:{sip}\nlisten=tcp:{OUTSIDE}:{sip}\nlisten=tls:{OUTSIDE}:{tls}\n"
        f'listen=udp:{INSIDE}:{sip}\n#!define FRONT_INSIDE "udp:{INSIDE}:{sip}"\n'
        f'#!define FRONT_RTPENGINE "udp:127.0.0.1:{control}"\n'
        "#!define FRONT_CHILDREN 2\n#!define FRONT_REQUESTS_PER_2S 60\n"
    )
    (folder / "address.list").write_text(address_list(settings))
    (folder / "dispatcher.list").write_text(dispatcher_list(settings))
    authority = trustme.CA()
    certificate = authority.issue_cert(OUTSIDE)
    authority.cert_pem.write_to_path(front.authority)
    certificate.private_key_pem.write_to_path(folder / "front.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "front.pem")
    with (
        _program(
            folder / "rtpengine.log",
            *("rtpengine", "--foreground", "--log-stderr", "--no-fallback", "--table=-1"),
            *(f"--interface=outside/{OUTSIDE}", f"--interface=inside/{INSIDE}"),
            *(f"--listen-ng=127.0.0.1:{control}", f"--port-min={media}"),
            *(f"--port-max={media + 49}", "--log-level=6"),
        ),
        _program(
            folder / "kamailio.log",
            *("kamailio", "-DD", "-E", "-f", str(folder / "kamailio.cfg"), "-Y", str(folder)),
            *("-P", str(folder / "kamailio.pid"), "-m", "32", "-M", "4"),
        ),
    ):
        _wait_for_tls(front)
        yield front


@contextmanager
def _program(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(10)


def _wait_for_tls(front: Front) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((OUTSIDE, front.tls_port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise AssertionError(front.log("kamailio") + front.log("rtpengine")) from None
            time.sleep(0.05)
