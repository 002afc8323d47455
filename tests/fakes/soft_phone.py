"""baresip (apt: baresip-core) as a real telephone with TLS and SRTP, in a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CONFIG = """\
poll_method epoll
sip_listen {address}:0
sip_cafile {authority}
call_local_timeout 30
audio_player aufile,/dev/null
snd_path {folder}
audio_source aufile,{sound}
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {ports}
net_interface {address}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module srtp.so
module sndfile.so
module_app account.so
module_app menu.so
"""


@asynccontextmanager
async def calling(
    folder: Path, uri: str, *, address: str, authority: Path, sound: Path, ports: str, media: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A call to ``uri`` (``sip:USER@HOST:PORT;transport=tls``) that lasts until the block ends.

    Args:
        address: own address.
        media: ``srtp-mand`` for SRTP with keys in the SDP (RFC 4568) or no call; empty for RTP.

    ``dump-….wav`` files in ``folder`` hold what was said (``enc``) and heard (``dec``).
    """
    folder.mkdir()  # noqa: ASYNC240 - a moment
    where = uri.partition("@")[2]
    encryption = f";mediaenc={media}" if media else ""
    (folder / "accounts").write_text(
        f'<sip:0912345678@{where}>;regint=0{encryption};audio_codecs=pcma;outbound="sip:{where}"\n'
    )
    (folder / "config").write_text(
        CONFIG.format(address=address, authority=authority, folder=folder, sound=sound, ports=ports)
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(folder), "-e", f"/dial {uri}", "-t", "30"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
