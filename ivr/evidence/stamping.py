"""Asking an authority to stamp every seal (RFC 3161 over HTTP, section 3.4).

The queue is the set of sealed cases without a token, read from the vault each time: nothing can be
lost, whatever ends this process or however long the authority is away.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from ivr.errors import EnvironmentProblem, EvidenceError, IvrError
from ivr.evidence.durable import SEALED, waiting_lock, write_atomic
from ivr.evidence.layout import COMMIT, LOCKED, case_folders, is_sealed
from ivr.evidence.timestamp import (
    LARGEST_TOKEN,
    TOKEN,
    TRUSTED,
    Stamp,
    Trust,
    check_token,
    request_for,
)
from ivr.settings import TimestampSettings
from ivr.telemetry import logger

_HEADERS: Final = {"Content-Type": "application/timestamp-query", "User-Agent": "ivr"}
_log = logger(__name__)


def unstamped(vault: Path) -> tuple[Path, ...]:
    """Sealed cases without a token, by name (which is by time); three looks at the disk a case. Of
    one that was encrypted before an authority was set, no token could be held against the times."""
    sealed = (path for path in case_folders(vault) if is_sealed(path))
    bare = (path for path in sealed if not (path / TOKEN).exists())
    return tuple(path for path in bare if not (path / LOCKED).exists())


@dataclass(frozen=True, slots=True)
class Stamped:
    """What became of one case: ``stamp``, or why it still waits."""

    case_id: str
    stamp: Stamp | None
    problem: IvrError | None = None


class Stamper:
    """Stamps the seals of a vault, one after the other."""

    def __init__(self, vault: Path, settings: TimestampSettings) -> None:
        """
        Args:
            settings: ``url`` and ``ca_file`` must be set.

        Raises:
            SettingsError: the certificates cannot be read.
        """
        self._vault, self._settings = vault, settings
        self._trust = Trust.of(settings)
        self._last = ""

    async def catch_up(self) -> tuple[Stamped, ...]:
        """Stamp what waits. A case whose folder refuses is passed over; the round ends when the
        authority does not answer or its answer does not hold, and the next one begins behind that
        case, so that none keeps the others back."""
        waiting = await asyncio.to_thread(unstamped, self._vault)
        if not waiting:
            return ()
        waiting = (
            *(path for path in waiting if path.name > self._last),
            *(path for path in waiting if path.name <= self._last),
        )
        done: list[Stamped] = []
        async with httpx.AsyncClient(trust_env=False, timeout=self._settings.timeout_s) as client:
            for path in waiting:
                self._last = path.name
                done.append(await self._stamp(path, client))
                if isinstance(done[-1].problem, EnvironmentProblem):
                    break
        return tuple(done)

    async def run(self) -> None:
        """Rounds until cancelled. A vault that cannot be read is told: it ends no calls."""
        while True:
            try:
                await self.catch_up()
            except OSError as problem:
                _log.error("seals.not_looked_for", why=problem.strerror or str(problem))
            await asyncio.sleep(self._settings.every_s)

    async def _stamp(self, path: Path, client: httpx.AsyncClient) -> Stamped:
        try:
            seal = await asyncio.to_thread((path / COMMIT).read_bytes)
            request = request_for(seal)
            token = await self._ask(request.as_bytes(), client)
            try:
                stamp = await asyncio.to_thread(check_token, token, path, self._trust, request)
            except EvidenceError as problem:
                raise _no_answer(self._settings.url, problem.why) from problem
            await asyncio.to_thread(_keep, path, token, self._trust)
        except OSError as refused:
            return _told(path.name, _not_kept(path, refused))
        except EnvironmentProblem as problem:
            return _told(path.name, problem)
        _log.info("seal.stamped", case_id=path.name, at=stamp.at.isoformat())
        return Stamped(path.name, stamp)

    async def _ask(self, request: bytes, client: httpx.AsyncClient) -> bytes:
        """The answer's bytes; a redirect is no answer."""
        url, answer = self._settings.url, b""
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                client.stream("POST", url, content=request, headers=_HEADERS) as reply,
            ):
                if reply.status_code != httpx.codes.OK:
                    raise _no_answer(url, f"HTTP {reply.status_code}")
                async for piece in reply.aiter_bytes():
                    answer += piece
                    if len(answer) > LARGEST_TOKEN:
                        raise _no_answer(url, "its answer is longer than any token")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            raise _no_answer(url, str(problem) or type(problem).__name__) from problem
        return answer


def _keep(path: Path, token: bytes, trust: Trust) -> None:
    """The token last: where it is, its certificates are. One that came meanwhile stays."""
    roots = b"".join(root.public_bytes(Encoding.PEM) for root in trust.roots)
    with waiting_lock(path):
        if (path / TOKEN).exists():
            return
        (path / TOKEN).parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path / TRUSTED, roots, SEALED)
        write_atomic(path / TOKEN, token, SEALED)


def _no_answer(url: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The time-stamping authority gave no token that holds.",
        why=f"{url}: {why}",
        remedy="It is asked again; `ivr doctor` counts what waits. Check [timestamp] and the way.",
    )


def _not_kept(path: Path, problem: OSError) -> EvidenceError:
    return EvidenceError(
        f"The time-stamp of {path.name} could not be kept.",
        why=problem.strerror or str(problem),
        remedy="Check free space and permissions; it is asked for again.",
    )


def _told(case_id: str, problem: IvrError) -> Stamped:
    _log.warning("seal.not_stamped", case_id=case_id, **problem.as_dict())
    return Stamped(case_id, None, problem)
