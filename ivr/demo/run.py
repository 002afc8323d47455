"""One demonstration call, from INVITE to filed report, with the real parts of `ivr serve`."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import soundfile

from ivr.app import open_house, serve
from ivr.board import BoardFact, StepDone
from ivr.casefile import SealedCase, read_case
from ivr.casework.proof import prove
from ivr.clock import SystemClock
from ivr.demo.mailhost import MailHost
from ivr.errors import EnvironmentProblem, TelephonyError
from ivr.evidence.verifier import Step
from ivr.facts.cases import CaseSealed
from ivr.facts.reports import CaseFacts, Delivery, DeliveryState
from ivr.house import House
from ivr.settings import Settings
from ivr.telephony.caller_process import start_caller
from ivr.telephony.pool import WorkerPool

AUDIO = Path(__file__).parent / "audio"
ACCESS = "an"
SUBSCRIBER = "+84900000001"
CALLER = "0987654321"
CLOSE_AFTER_SILENCE_S = 4.0
SETTLE_S = 30.0  # how long reports may take to be filed on this machine
LONGEST_S = 240.0
LINGER_S = 2.0  # time for the last words to be heard
SETTLED = {DeliveryState.SENT, DeliveryState.READY}

Progress = Callable[[BoardFact | str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What is played to whom.

    Args:
        folder: where the demonstration keeps its cases, outbox and mail.
        is_benign: play an ordinary call instead of an impersonation.
        mode: answer speaks with the caller; listen only announces.
    """

    folder: Path
    is_benign: bool
    mode: Literal["answer", "listen"]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of it. ``steps`` are (name, seconds)."""

    case: SealedCase
    facts: CaseFacts
    proof: tuple[Step, ...]
    reports: tuple[Delivery, ...]
    steps: tuple[tuple[str, float], ...]
    is_benign: bool
    mail: tuple[Path, ...]

    @property
    def is_verified(self) -> bool:
        return all(step.ok for step in self.proof)

    @property
    def is_good(self) -> bool:
        """The chain verified, and a scam was filed, or an ordinary call was not."""
        is_filed = bool(self.reports) and all(r.state in SETTLED for r in self.reports)
        is_right = not self.reports if self.is_benign else is_filed
        return self.is_verified and is_right


async def run_demo(options: DemoOptions, progress: Progress) -> DemoResult:
    """Run the agent, let a second process call it, and see the report through.

    Raises:
        IvrError: a part could not start, or the call never became a case.
    """
    began = time.perf_counter()
    steps: list[tuple[str, float]] = []
    _make_folder(options.folder)
    async with MailHost(options.folder / "mail") as mail:
        settings = demo_settings(options, mail.port)
        async with (
            open_house(settings) as house,
            WorkerPool(settings.sip, SystemClock()) as pool,
        ):
            steps.append(("start", time.perf_counter() - began))
            until = asyncio.Event()
            serving = asyncio.create_task(serve(house, pool, until))
            try:
                async with asyncio.timeout(LONGEST_S):
                    case = await _one_call(options, house, pool, steps, progress, serving)
                    reports = await _settled(case.sealed.case_id, house, steps)
            finally:
                until.set()
                with suppress(asyncio.CancelledError):
                    await serving
            started = time.perf_counter()
            proof = await asyncio.to_thread(prove, case.sealed.path, house)
            steps.append(("verify", time.perf_counter() - started))
            facts = house.describe(case)
        return DemoResult(
            case=case,
            facts=facts,
            proof=proof,
            reports=tuple(reports),
            steps=tuple(steps),
            is_benign=options.is_benign,
            mail=tuple(mail.files()),
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise EnvironmentProblem(
            f"The folder {folder} of the demonstration cannot be made.",
            why=problem.strerror or str(problem),
            remedy="Name another one with --folder.",
        ) from problem


def demo_settings(options: DemoOptions, mail_port: int) -> Settings:
    """Free ports, everything on loopback, data in the demonstration's folder. The environment
    of the shell does not change a demonstration."""
    return Settings(
        _env_prefix="IVR_DEMO_",
        subscribers=({"access": ACCESS, "number": SUBSCRIBER, "name": "An", "mode": options.mode},),
        sip={"port": 0},
        call={"close_after_silence_s": CLOSE_AFTER_SILENCE_S},
        reporting={"recipients": Path(__file__).parent / "recipients.toml", "poll_s": 0.5},
        smtp={"host": "127.0.0.1", "port": mail_port, "security": "none"},
        storage={"root": options.folder},
    )


async def _one_call(
    options: DemoOptions,
    house: House,
    pool: WorkerPool,
    steps: list[tuple[str, float]],
    progress: Progress,
    serving: asyncio.Task[None],
) -> SealedCase:
    """Place the call and follow the board until its case is sealed and entered."""
    started = time.perf_counter()
    with house.board.watch() as board, tempfile.TemporaryDirectory() as temporary:
        wav = Path(temporary) / "caller.wav"
        name = "benign-vi" if options.is_benign else "scam-vi"
        await asyncio.to_thread(_as_wav, AUDIO / f"{name}.flac", wav)
        host, port = pool.addresses[0]
        caller = await _start_caller(f"sip:{ACCESS}@{host}:{port}", wav, options, house)
        said = asyncio.create_task(_follow_caller(caller, progress))
        watching = asyncio.create_task(_watch(board, steps, progress))
        try:
            done, _ = await asyncio.wait(
                {watching, serving}, return_when=asyncio.FIRST_COMPLETED, timeout=LONGEST_S
            )
            if serving in done:
                await serving  # raises what went wrong in the house
            if watching not in done:
                raise TelephonyError(
                    "The demonstration call never became a case.",
                    why=f"nothing was sealed within {LONGEST_S:.0f} s",
                    remedy="Run it again with `ivr --verbose demo` and read the messages.",
                )
            sealed = watching.result()
        finally:
            watching.cancel()
            if caller.returncode is None:
                caller.terminate()
            await caller.wait()
            said.cancel()
    steps.insert(1, ("call and case", time.perf_counter() - started))
    return await asyncio.to_thread(read_case, sealed.path)


async def _watch(board: Any, steps: list[tuple[str, float]], progress: Progress) -> CaseSealed:
    async for _, fact in board:
        progress(fact)
        if isinstance(fact, StepDone):
            steps.append((fact.name, fact.seconds))
        if isinstance(fact, CaseSealed):
            return fact
    raise AssertionError("a board does not end")


async def _start_caller(
    uri: str, wav: Path, options: DemoOptions, house: House
) -> asyncio.subprocess.Process:
    """The scammer, or in the ordinary call a policeman of the ward."""
    arguments = ["--from", CALLER, "--display", "Cong an tinh", "--wav", str(wav)]
    arguments += ["--header", f"P-Asserted-Identity: <sip:{CALLER}@127.0.0.1>"]
    arguments += ["--header", f"Diversion: <sip:{SUBSCRIBER}@127.0.0.1>;reason=unconditional"]
    arguments += ["--start-after", f"{_wait_s(options, house):.1f}", "--max", str(LONGEST_S)]
    if options.mode == "listen":  # a listening agent never hangs up by itself
        arguments += ["--linger", f"{LINGER_S}"]
    return await start_caller(uri, *arguments)


async def _follow_caller(caller: asyncio.subprocess.Process, progress: Progress) -> None:
    assert caller.stdout is not None
    async for line in caller.stdout:
        progress(f"caller: {json.loads(line)['event']}")


def _wait_s(options: DemoOptions, house: House) -> float:
    """The caller lets the agent finish speaking, as a person would."""
    prompts = ["announcement"] if options.mode == "listen" else ["announcement", "question"]
    return sum(house.prompts[name].duration_s for name in prompts)


def _as_wav(flac: Path, wav: Path) -> None:
    samples, rate_hz = soundfile.read(flac, dtype="int16")
    soundfile.write(wav, samples, rate_hz, "PCM_16")


async def _settled(case_id: str, house: House, steps: list[tuple[str, float]]) -> list[Delivery]:
    """The case's reports once each is delivered, laid out, or given up."""
    started = time.perf_counter()
    waiting = {DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRY}
    while True:
        reports = await house.ledger.reports(case_id=case_id)
        is_over = time.perf_counter() - started > SETTLE_S
        if is_over or not any(report.state in waiting for report in reports):
            steps.append(("deliver", time.perf_counter() - started))
            return reports
        await asyncio.sleep(0.1)
