"""Starting the test caller: a process of its own, so that a call passes real sockets."""

import asyncio
import sys

from ivr.settings import PROJECT_ROOT


async def start_caller(uri: str, *arguments: str) -> asyncio.subprocess.Process:
    """``python -m ivr.telephony.caller URI ARGUMENTS``; its events are JSON lines on stdout,
    which must be read or the caller stops when the pipe is full (64 kB, some hundred events)."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivr.telephony.caller", uri, *arguments),
        cwd=PROJECT_ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
