"""Composition root: settings in, a wired house out. Nothing else builds rooms."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from ivr.background import Background
from ivr.board import Board
from ivr.casework.unlocking import unlocked
from ivr.clock import Clock, SystemClock
from ivr.control import Control
from ivr.dialogue import menu_words, pin, prompts
from ivr.dialogue.prompts import Prompt
from ivr.dialogue.script import Script
from ivr.errors import EnvironmentProblem, RecognitionError, RulebookError
from ivr.evidence import signing
from ivr.evidence.custody import Custodian
from ivr.evidence.layout import CASES, SITE_LOG
from ivr.evidence.signer import Signer
from ivr.evidence.site_log import SiteLog
from ivr.filing import composer, new_dispatcher
from ivr.house import House, Mind
from ivr.journeys.answered import screen_call
from ivr.journeys.mirroring import decodes, mirror_call
from ivr.journeys.recovery import recover
from ivr.recognition import engines
from ivr.recognition.client import Recognition
from ivr.reporting import recipients as recipient_table
from ivr.settings import RecognitionSettings, Settings, resolve
from ivr.settings.record import settings_record
from ivr.siprec.server import RecordingServer
from ivr.spotting.rulebook import Rulebook
from ivr.spotting.sound import spelt_and_sounding
from ivr.spotting.spotter import Spotter
from ivr.storage.ledger import Ledger
from ivr.telemetry import logger
from ivr.telephony.pool import CALLS_PER_WORKER, WorkerPool
from ivr.telephony.protected import Protected
from ivr.telephony.trunks import Trunks
from ivr.verdict.judge import SequenceJudge
from ivr.verdict.scorer import Scorer
from ivr.watch.alarms import Alarms
from ivr.watch.capacity import Capacity
from ivr.watch.control_socket import listening
from ivr.watch.exposition import Exposition, exposed
from ivr.watch.heartbeat import Heartbeat
from ivr.watching import Watch

SECOND_NICENESS = 7  # behind live recognition at 5, but not so far that a busy machine starves it


@asynccontextmanager
async def open_mind(settings: Settings) -> AsyncIterator[Mind]:
    """Recogniser processes, compiled rulebook and judge; closed at the end of the block.

    Raises:
        RecognitionError: no usable model, or an engine that the settings name is not installed.
        RulebookError: mistakes in the rulebook, or a phrase the model can never put out.
    """
    rulebook = await asyncio.to_thread(Rulebook.load, resolve(settings.spotting.rulebook))
    async with Recognition(settings.recognition) as recognition, AsyncExitStack() as stack:
        words = await asyncio.to_thread(engines.words_of, recognition.model_info)
        check_words(rulebook, words)
        second = await _open_second(settings.recognition, stack)
        today = SystemClock().now().date()  # rules that begin later are not listened for
        spotter = Spotter(rulebook, on=today)
        yield Mind(recognition, spotter, judge_of(settings, rulebook), second)


async def _open_second(settings: RecognitionSettings, stack: AsyncExitStack) -> Recognition | None:
    """The engine of the second pass in one process that gives way to every other."""
    name = engines.second_engine(settings)
    if name is None:
        return None
    own = settings.model_copy(update={"engine": name, "processes": 1})
    try:
        return await stack.enter_async_context(Recognition(own, SECOND_NICENESS))
    except RecognitionError as problem:
        if settings.second_pass != "auto":  # noqa: S105 - a way of listening, no password
            raise
        logger("ivr.recognition").error("second_pass.unavailable", **problem.as_dict())
        return None


def judge_of(settings: Settings, rulebook: Rulebook) -> SequenceJudge:
    """The judge of this installation.

    Raises:
        SettingsError: the scorer's model cannot be used.
    """
    chosen = settings.verdict
    scorer = None
    if chosen.judge == "both":
        scorer = Scorer.load(resolve(chosen.scorer), spelt_and_sounding)
    return SequenceJudge(chosen, rulebook.sha256, scorer)


def check_words(rulebook: Rulebook, words: frozenset[str] | None) -> None:
    """A phrase that the model can never put out would be silent for ever: refuse to start. None
    stands for a model that can put out any word.

    Raises:
        RulebookError: names each word and phrase.
    """
    if words is None:
        return
    mistakes = [mistake for mistake in rulebook.check(words) if mistake.is_fatal]
    if mistakes:
        raise RulebookError(
            f"{len(mistakes)} phrases of the rulebook can never fire with this model.",
            why="; ".join(str(mistake) for mistake in mistakes[:10]),
            remedy="Spell them as the model does (`ivr rules check`), or use another model.",
        )


@asynccontextmanager
async def open_house(settings: Settings, clock: Clock | None = None) -> AsyncIterator[House]:
    """Wire every room; everything is closed again at the end of the block.

    Raises:
        IvrError: a part of the environment is not usable; says which and what to do.
    """
    clock = clock or SystemClock()
    root = data_root(settings)
    vault = root / CASES
    try:
        vault.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise EnvironmentProblem(
            f"The data folder {root} cannot be made.",
            why=problem.strerror or str(problem),
            remedy="Name a folder this user may write: --data, or [storage] root.",
        ) from problem
    recipients = recipient_table.load(resolve(settings.reporting.recipients))
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(await open_ledger(settings, clock))
        mind = await stack.enter_async_context(open_mind(settings))
        signer = await asyncio.to_thread(open_signer, settings)
        site_log = await asyncio.to_thread(
            SiteLog.open, root, settings.evidence.site, signer, clock
        )
        voices = await asyncio.to_thread(load_voices, settings)
        await asyncio.to_thread(check_codes, settings)
        spoken_here = voices[settings.call.language]
        concepts = {concept.name for concept in mind.spotter.rulebook.concepts}
        board = Board()
        yield House(
            settings=settings,
            settings_sha256=settings_digest(settings),
            clock=clock,
            board=board,
            alarms=Alarms(board, clock),
            capacity=capacity_of(settings, vault, mind),
            mind=mind,
            prompts=spoken_here,
            voices=voices,
            script=Script.load(resolve(settings.call.dialogue), concepts, spoken_here),
            vault=vault,
            signer=signer,
            site_log=site_log,
            ledger=ledger,
            dispatcher=new_dispatcher(settings, ledger, clock),
            trunks=Trunks(settings.trunks, settings.sip),
            protected=Protected.of(settings.never_reported),
            compose=composer(settings, recipients, clock),
            log=logger("ivr.journeys.answered"),
            open_case=partial(unlocked, settings=settings),
        )


def capacity_of(settings: Settings, vault: Path, mind: Mind) -> Capacity:
    """How many calls this installation takes, and when it takes none."""
    holds = CALLS_PER_WORKER * settings.sip.workers
    if settings.mirror.enabled:
        holds += settings.mirror.max_sessions
    return Capacity(
        vault,
        max_calls=settings.admission.max_calls or holds,
        max_lag_s=settings.recognition.max_lag_s,
        min_free_mb=settings.media.min_free_mb,
        lag_s=mind.recognition.lag_s,
    )


def load_voices(settings: Settings) -> dict[str, dict[str, Prompt]]:
    """The prompts of each language, with all that the voice menu may say.

    Raises:
        EnvironmentProblem: a prompt is missing, or is not the listed recording.
    """
    folder = resolve(settings.call.prompts)
    voices: dict[str, dict[str, Prompt]] = {}
    for language in menu_words.LANGUAGES:
        voices[language] = prompts.load(folder, language)
        prompts.require(voices[language], menu_words.wanted(language), language)
    return voices


def check_codes(settings: Settings) -> None:
    """Refuse to start with a menu code that cannot be used.

    Raises:
        SettingsError: names the file.
    """
    for subscriber in settings.subscribers:
        if subscriber.menu_pin_file is not None:
            pin.read(subscriber.menu_pin_file)


def data_root(settings: Settings) -> Path:
    """The data folder: cases, keys, ledger, outbox, site log."""
    return settings.storage.root.absolute()


def key_path(settings: Settings) -> Path:
    """The site's key file; its public half lies beside it."""
    return signing.key_path(settings.evidence, data_root(settings))


def open_signer(settings: Settings) -> Signer:
    """The site's signer, whatever holds its key; not for an event loop.

    Raises:
        EvidenceError, SettingsError, EnvironmentProblem: key, keyring, token or certificate cannot
            be used; says which.
    """
    return signing.open_signer(settings.evidence, data_root(settings))


def outbox_path(settings: Settings) -> Path:
    """The folder of what is laid out for a person to hand over."""
    return settings.reporting.outbox_dir or data_root(settings) / "outbox"


def open_custodian(settings: Settings) -> Custodian:
    """Key, clock and site log for a command that enters something into a case's custody; not for
    an event loop.

    Raises:
        EvidenceError, SettingsError, EnvironmentProblem: as `open_signer`.
    """
    clock, signer = SystemClock(), open_signer(settings)
    log = SiteLog.resume(data_root(settings), settings.evidence.site, signer, clock)
    return Custodian(signer, clock, log)


def site_log_path(settings: Settings) -> Path:
    """The log of every seal set here and of what was done with the cases since."""
    return data_root(settings) / SITE_LOG


async def open_ledger(settings: Settings, clock: Clock | None = None) -> Ledger:
    """The ledger of this installation; use it as an async context manager.

    Raises:
        StorageError: it cannot be opened or upgraded.
    """
    address = settings.storage.ledger_url or data_root(settings) / "ledger.sqlite3"
    return await Ledger.open(address, clock or SystemClock())


def settings_digest(settings: Settings) -> str:
    """SHA-256 of the settings as a case keeps them (settings.json), named in every manifest."""
    return hashlib.sha256(settings_record(settings)).hexdigest()


@asynccontextmanager
async def open_mirror(house: House) -> AsyncIterator[RecordingServer | None]:
    """The server of mirrored calls, or None when the settings do not want it.

    Raises:
        SettingsError: no lawful basis is stated.
        EnvironmentProblem: its port is taken.
    """
    settings = house.settings
    if not settings.mirror.enabled:
        yield None
        return
    server = RecordingServer(
        settings.mirror,
        decodes,
        name=settings.sip.user_agent,
        retry_after_s=settings.sip.retry_after_s,
        is_well=lambda: house.capacity.refusal() is None,
    )
    async with server:
        yield server


@asynccontextmanager
async def watched(house: House, pool: WorkerPool, heartbeat: Heartbeat) -> AsyncIterator[str]:
    """Watch over a running house: alarms, control socket, and metrics where they are wanted.
    Yields the address of the metrics, empty when they are off.

    Raises:
        EnvironmentProblem: another agent runs on the data folder, or the metrics port is taken.
    """
    settings, watch = house.settings, Watch(house, pool, heartbeat)
    control = Control(house, pool, watch, heartbeat)
    told = Exposition(
        house.metrics.registry,
        refusal=lambda: house.capacity.told,
        loop_age_s=lambda: heartbeat.age_s,
        hang_after_s=settings.watch.hang_after_s,
    )
    with exposed(told, settings.metrics) as address:
        async with listening(data_root(settings), control.handle):
            house.capacity.is_starting = True  # until `serve` has sealed what was left
            await house.capacity.measure()
            watch.look()
            looking = asyncio.create_task(watch.look_for_ever(), name="watch")
            try:
                yield address
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)


async def serve(
    house: House,
    pool: WorkerPool,
    until: asyncio.Event,
    mirror: RecordingServer | None = None,
    on_ready: Callable[[], object] = lambda: None,
) -> None:
    """Answer calls until ``until`` is set; then refuse new ones and see the running ones through.

    Cases that an earlier process left unsealed are sealed first; then ``on_ready`` is called.
    Time-stamps and the like run behind all that (`background`).

    Raises:
        SettingsError: the certificates of the time-stamping authority cannot be read.
    """
    background = Background(house)
    await recover(house)
    await background.keeper.finish()
    house.capacity.is_starting = False
    on_ready()
    async with background.running(), asyncio.TaskGroup() as calls:
        taking = [calls.create_task(take_calls(house, pool, calls))]
        if mirror is not None:
            taking.append(calls.create_task(take_mirrored(house, mirror, calls)))
        await until.wait()
        house.capacity.is_draining = True
        if mirror is not None:
            mirror.drain()
        await pool.drain()
        for task in taking:
            task.cancel()


async def take_calls(house: House, pool: WorkerPool, calls: asyncio.TaskGroup) -> None:
    """Start one journey for each incoming call."""
    async for line in pool.incoming():
        calls.create_task(screen_call(line, house), name=f"call-{line.serial}")


async def take_mirrored(house: House, mirror: RecordingServer, calls: asyncio.TaskGroup) -> None:
    """Start one journey for each mirrored call."""
    async for line in mirror.incoming():
        calls.create_task(mirror_call(line, house), name=f"mirror-{line.serial}")
