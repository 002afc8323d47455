"""Every message of a mirrored call, both ways, handed to whoever keeps its case."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from ivr.facts.call import Signalling

REMEMBERED: Final = 1024
"""Dialogs, those that are over included: our own BYE is answered after the call's end."""

_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.I | re.M)


class Traced(Protocol):
    """A call that takes its messages; see ``MirrorLine``."""

    def signalled(self, message: Signalling) -> None: ...


class Tracing:
    """Knows by Call-ID whose message passes. What comes with a message that begins a call is
    held until the call is there, and dropped when it is not."""

    def __init__(self) -> None:
        self._calls: OrderedDict[bytes, Traced] = OrderedDict()
        self._held: list[tuple[bytes, Signalling]] = []
        self._is_within = False

    def follow(self, call_id: str, call: Traced) -> None:
        """A dialog of a call begins."""
        self._calls[call_id.encode("utf-8", "surrogateescape")] = call
        while len(self._calls) > REMEMBERED:
            self._calls.popitem(last=False)

    def received(self, raw: bytes, peer: tuple[str, int], work: Callable[[], None]) -> None:
        """A message came; ``work`` deals with it, and may send others."""
        self._is_within = True
        self._pass(raw, peer, is_sent=False)
        try:
            work()
        finally:
            self._is_within = False
            held, self._held = self._held, []
            for key, message in held:
                if key in self._calls:
                    self._calls[key].signalled(message)

    def sent(self, raw: bytes, peer: tuple[str, int]) -> None:
        """A message of ours left."""
        self._pass(raw, peer, is_sent=True)

    def _pass(self, raw: bytes, peer: tuple[str, int], *, is_sent: bool) -> None:
        found = _CALL_ID.search(raw.partition(b"\r\n\r\n")[0])
        if found is None:
            return
        message = Signalling(time.time_ns(), is_sent, peer, raw)
        if self._is_within:
            self._held.append((found[1], message))
        elif found[1] in self._calls:
            self._calls[found[1]].signalled(message)
