"""The agent's side of its supervisor: a byte a second over a pipe, and what the first start left.

``.`` the event loop turns; ``R`` calls are taken.
"""

import asyncio
import contextlib
import faulthandler
import os
import time
from collections.abc import AsyncIterator, Callable

EVERY_S = 1.0
FD_VARIABLE = "IVR_HEARTBEAT_FD"
DUMP_VARIABLE = "IVR_DUMP_FD"
RESTARTS_VARIABLE, WHY_VARIABLE = "IVR_RESTARTS", "IVR_RESTART_WHY"
ALIVE, READY = b".", b"R"


class Heartbeat:
    """Made once a process; without a supervisor it beats for `age_s` alone.

    Args:
        pipe: to the supervisor.
        restarts: how many agents it has had before this one.
        why: how the last one ended.
    """

    def __init__(self, pipe: int | None = None, restarts: int = 0, why: str = "") -> None:
        self._pipe = pipe
        self._beat_at = time.monotonic()
        self.restarts, self.why = restarts, why

    @classmethod
    def from_environment(cls) -> "Heartbeat":
        """As the supervisor left it. Dumps of all threads go where the supervisor keeps them; the
        variables are taken out, for no child of ours is supervised."""
        pipe = os.environ.pop(FD_VARIABLE, "")
        dump = os.environ.pop(DUMP_VARIABLE, "")
        restarts = os.environ.pop(RESTARTS_VARIABLE, "0")
        why = os.environ.pop(WHY_VARIABLE, "")
        if dump:
            os.set_inheritable(int(dump), False)
            faulthandler.enable(file=int(dump))
        if not pipe:
            return cls()
        os.set_inheritable(int(pipe), False)
        os.set_blocking(int(pipe), False)
        return cls(int(pipe), int(restarts), why)

    @property
    def is_supervised(self) -> bool:
        return self._pipe is not None

    @property
    def age_s(self) -> float:
        """Seconds since the event loop last showed life; from any thread."""
        return time.monotonic() - self._beat_at

    def say(self, sign: bytes) -> bool:
        """Tell the supervisor; False when it is gone."""
        self._beat_at = time.monotonic()
        if self._pipe is None:
            return True
        try:
            os.write(self._pipe, sign)
        except BlockingIOError:  # it is stopped by a debugger; the pipe holds an hour of beats
            return True
        except OSError:
            return False
        return True

    @contextlib.asynccontextmanager
    async def beating(self, orphaned: Callable[[], None]) -> AsyncIterator[None]:
        """Beat until the end of the block; ``orphaned`` is called once when nobody listens."""
        task = asyncio.create_task(self._beat(orphaned), name="heartbeat")
        try:
            yield
        finally:
            task.cancel()

    async def _beat(self, orphaned: Callable[[], None]) -> None:
        is_orphaned = False
        while True:
            if not self.say(ALIVE) and not is_orphaned:
                is_orphaned = True
                orphaned()
            await asyncio.sleep(EVERY_S)
