"""Is this machine able to do the job? One check for each thing that can be missing."""

import asyncio
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ivr import keeping_checks, key_checks, rights_checks
from ivr.app import (
    check_codes,
    check_words,
    data_root,
    load_voices,
    open_ledger,
    site_log_path,
)
from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.checks import Check, Level, Probe
from ivr.clock import VIETNAM, SystemClock
from ivr.dialogue.script import Script
from ivr.errors import IvrError
from ivr.evidence.layout import open_cases
from ivr.evidence.stamping import unstamped
from ivr.evidence.timestamp import Trust
from ivr.facts.reports import DeliveryState
from ivr.filing import couriers
from ivr.recognition import engines, viet_asr_engine
from ivr.reporting import recipients
from ivr.reporting.couriers.readiness import obstacles
from ivr.settings import Settings, resolve
from ivr.spotting.rulebook import Rulebook

WORKER_IMPORT_S = 30
REAL_MODEL = (
    "It was trained on a speech synthesiser and does not hear people well. "
    "Either `ivr models fetch vosk-model-small-vn-0.4`, then set [recognition] model; or "
    f'`{viet_asr_engine.INSTALL}`, then set [recognition] engine = "viet-asr" '
    f"({viet_asr_engine.ORIGIN})."
)


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, one after another; none of them changes anything but an empty data folder."""
    for probe in PROBES:
        name = probe.__name__.removeprefix("_").replace("_", " ")
        try:
            yield probe(settings)
        except IvrError as problem:
            yield Check(name, Level.FAILED, f"{problem.what} {problem.why}", problem.remedy)


def _python(_: Settings) -> Check:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 13):
        return Check("python", Level.OK, version)
    return Check("python", Level.FAILED, version, "Use Python 3.11 or 3.12; scripts/setup does.")


def _sip_library(_: Settings) -> Check:
    """In a process of its own: a broken library may end the process that loads it."""
    code = "import pjsua2 as p; e = p.Endpoint(); e.libCreate(); print(e.libVersion().full)"
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; import os, sys; sys.stdout.flush(); os._exit(0)"],
        capture_output=True,
        text=True,
        timeout=WORKER_IMPORT_S,
        check=False,
    )
    if found.returncode == 0:
        return Check("sip library", Level.OK, f"PJSIP {found.stdout.split()[-1]}")
    why = (found.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    return Check("sip library", Level.FAILED, why, "Run scripts/setup again.")


def _sip_port(settings: Settings) -> Check:
    sip = settings.sip
    if sip.port == 0:
        return Check("sip port", Level.OK, f"chosen free on {sip.bind}")
    for port in range(sip.port, sip.port + sip.workers):
        problem = _taken(sip.bind, port)
        if problem:
            remedy = f"Stop what uses {sip.bind}:{port}, or set another [sip] port."
            return Check("sip port", Level.FAILED, problem, remedy)
    return Check("sip port", Level.OK, f"{sip.bind}:{sip.port} is free")


def _taken(host: str, port: int) -> str:
    """Why a port cannot be bound for UDP and TCP; empty when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as problem:
                return problem.strerror or str(problem)
    return ""


def _mirrored_calls(settings: Settings) -> Check:
    mirror = settings.mirror
    if not mirror.enabled:
        return Check("mirrored calls", Level.OK, "not taken")
    problem = _taken(mirror.bind, mirror.port) if mirror.port else ""
    if problem:
        remedy = f"Stop what uses {mirror.bind}:{mirror.port}, or set another [mirror] port."
        return Check("mirrored calls", Level.FAILED, problem, remedy)
    where = f"{mirror.bind}:{mirror.port} is free" if mirror.port else "a free port is chosen"
    detail = f"{where}; recorded on: {mirror.lawful_basis}"
    if not (mirror.protected_numbers or settings.subscribers):
        remedy = "Name those you protect in [mirror] protected_numbers, or as subscribers."
        return Check("mirrored calls", Level.WARNING, f"{detail}; nobody is protected", remedy)
    return Check("mirrored calls", Level.OK, detail)


def _subscribers(settings: Settings) -> Check:
    count = len(settings.subscribers)
    if count:
        return Check("subscribers", Level.OK, f"{count} configured")
    remedy = "Add [[subscribers]] to the settings; without one every call is refused."
    return Check("subscribers", Level.WARNING, "none configured", remedy)


def _model(settings: Settings) -> Check:
    model = engines.in_use(settings.recognition)
    words = f"{model.words} words" if model.words else "any word"
    detail = f"{model.name}, {words}, {model.rate_hz} Hz, sha256 {model.sha256[:12]}"
    if model.engine == engines.VIET_ASR:
        detail += f"; {viet_asr_engine.ORIGIN}"
    if model.is_demonstration:
        return Check("model", Level.WARNING, f"DEMONSTRATION model {detail}", REAL_MODEL)
    return Check("model", Level.OK, detail)


def _second_pass(settings: Settings) -> Check:
    name = engines.second_engine(settings.recognition)
    if name is None:
        why = settings.recognition.second_pass
        return Check("second pass", Level.OK, f"none ({why}): calls are listened to once")
    model = engines.describe(name, resolve(settings.recognition.model))
    detail = f"{model.name} listens again after each call, sha256 {model.sha256[:12]}"
    if model.engine == engines.VIET_ASR:
        detail += f"; {viet_asr_engine.ORIGIN}"
    return Check("second pass", Level.OK, detail)


def _rulebook(settings: Settings) -> Check:
    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    check_words(rulebook, engines.words_of(engines.in_use(settings.recognition)))
    count = sum(1 for _ in rulebook.phrases)
    return Check("rulebook", Level.OK, f"{count} phrases, sha256 {rulebook.sha256[:12]}")


def _prompts(settings: Settings) -> Check:
    found = load_voices(settings)[settings.call.language]
    spoken = sum(prompt.voice == "espeak-ng" for prompt in found.values())
    detail = f"{len(found)} in '{settings.call.language}', {spoken} by a synthesiser"
    return Check("prompts", Level.OK, detail)


def _dialogue(settings: Settings) -> Check:
    check_codes(settings)
    rulebook = Rulebook.load(resolve(settings.spotting.rulebook))
    spoken = load_voices(settings)[settings.call.language]
    script = Script.load(
        resolve(settings.call.dialogue), {concept.name for concept in rulebook.concepts}, spoken
    )
    return Check("dialogue", Level.OK, f"{len(script.nodes)} states, sha256 {script.sha256[:12]}")


def _data_folder(settings: Settings) -> Check:
    root = data_root(settings)
    there = next(path for path in (root, *root.parents) if path.exists())
    free_mb = shutil.disk_usage(there).free // 2**20
    least = settings.media.min_free_mb
    if free_mb < least:
        remedy = "Make room: below this calls are refused."
        detail = f"{free_mb} MB free, {least} needed"
        return Check("data folder", Level.FAILED, detail, remedy)
    return Check("data folder", Level.OK, f"{root}, {free_mb} MB free")


def _cases(settings: Settings) -> Check:
    vault = data_root(settings) / "cases"
    waiting = open_cases(vault)
    if waiting:
        remedy = "`ivr recover` seals them (so does `ivr serve` at its start)."
        return Check("cases", Level.WARNING, f"{len(waiting)} left unsealed", remedy)
    if not site_log_path(settings).exists() and not unstamped(vault):
        return Check("cases", Level.OK, "none yet")
    root = data_root(settings)
    steps = prove_site(root, SiteTrust.of_own(root, settings.evidence))
    odd = [f"{step.name}: {step.detail}" for step in steps if not step.ok]
    if odd:
        remedy = f"`ivr verify {root}` says more; put back what is gone from a copy."
        return Check("cases", Level.FAILED, "; ".join(odd), remedy)
    return Check("cases", Level.OK, "every sealed case is in its place, custody as the log tells")


def _time_stamps(settings: Settings) -> Check:
    """An authority that does not answer keeps nothing from being sealed: never a failure."""
    wanted = settings.timestamp
    if not wanted.url:
        return Check("time stamps", Level.OK, "none asked for: times are this host's alone")
    roots = len(Trust.of(wanted).roots)
    waiting = len(unstamped(data_root(settings) / "cases"))
    detail = f"{wanted.url}, {roots} trusted certificates, {waiting} seals wait"
    where = urlsplit(wanted.url)
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        with socket.create_connection((where.hostname or "", port), timeout=5):
            pass
    except OSError as problem:
        remedy = "Check [timestamp] url and the way there; seals wait, nothing is lost."
        return Check("time stamps", Level.WARNING, f"{detail}; {problem}", remedy)
    if waiting:
        remedy = "`ivr recover` asks now, and says what the authority answers; so does `ivr serve`."
        return Check("time stamps", Level.WARNING, detail, remedy)
    return Check("time stamps", Level.OK, detail)


def _ledger(settings: Settings) -> Check:
    if not settings.storage.ledger_url and not (data_root(settings) / "ledger.sqlite3").exists():
        return Check("ledger", Level.OK, "will be made at the first start")
    uncertain, failed = asyncio.run(_troubled_reports(settings))
    if uncertain or failed:
        detail = f"{uncertain} reports uncertain, {failed} failed"
        remedy = "`ivr reports list`, then retry, confirm or withdraw each."
        return Check("ledger", Level.WARNING, detail, remedy)
    return Check("ledger", Level.OK, "opens; no report needs a person")


async def _troubled_reports(settings: Settings) -> tuple[int, int]:
    async with await open_ledger(settings) as ledger:
        uncertain = await ledger.reports(state=DeliveryState.UNCERTAIN)
        failed = await ledger.reports(state=DeliveryState.FAILED)
    return len(uncertain), len(failed)


def _recipients(settings: Settings) -> Check:
    found = recipients.load(resolve(settings.reporting.recipients))
    today = SystemClock().now().astimezone(VIETNAM).date()
    oldest = settings.reporting.verified_max_age_days
    refused = {each.id: each.refusal(today, oldest) for each in found if each.is_enabled}
    bad = [f"{name}: {why}" for name, why in refused.items() if why]
    usable = len(refused) - len(bad)
    if bad or not usable:
        remedy = "Verify the addresses and edit the file named in [reporting] recipients."
        detail = f"{usable} usable; " + ("; ".join(bad) or "none is enabled")
        return Check("recipients", Level.WARNING, detail, remedy)
    return Check("recipients", Level.OK, f"{usable} usable")


def _mail(settings: Settings) -> Check:
    smtp = settings.smtp
    if not smtp.host:
        remedy = "Set [smtp] host to send mail; until then it is laid out in the outbox folder."
        return Check("mail", Level.WARNING, "no mail server is set", remedy)
    try:
        with socket.create_connection((smtp.host, smtp.port), timeout=5):
            return Check("mail", Level.OK, f"{smtp.host}:{smtp.port} answers")
    except OSError as problem:
        remedy = "Check [smtp] host and port, and that this machine may reach it."
        detail = f"{smtp.host}:{smtp.port}: {problem}"
        return Check("mail", Level.FAILED, detail, remedy)


def _couriers(settings: Settings) -> Check:
    """Other ways out than mail; what is set up wrongly raises, and is told like every mistake."""
    chosen = couriers(settings, SystemClock())
    found = obstacles(settings, recipients.load(resolve(settings.reporting.recipients)))
    if found:
        remedy = "Compare with docs/couriers.md; until then reports wait."
        return Check("couriers", Level.FAILED, "; ".join(found), remedy)
    named = {
        channel: type(courier).__name__.removesuffix("Courier").lower()
        for channel, courier in chosen.items()
    }
    detail = ", ".join(f"{channel} by {name}" for channel, name in named.items())
    return Check("couriers", Level.OK, detail)


def _clock(_: Settings) -> Check:
    """Whether something keeps the clock right: a case states its times from it."""
    if Path("/run/systemd/timesync/synchronized").exists():
        return Check("clock", Level.OK, "kept by systemd-timesyncd")
    if any(Path("/run", name).exists() for name in ("chrony", "chronyd.pid", "ntpd.pid")):
        return Check("clock", Level.OK, "a time daemon runs")
    remedy = "Run chrony or systemd-timesyncd: an investigator will ask about the clock."
    return Check("clock", Level.WARNING, "no time daemon was found", remedy)


PROBES: tuple[Probe, ...] = (
    _python,
    _sip_library,
    _sip_port,
    _mirrored_calls,
    _subscribers,
    _model,
    _second_pass,
    _rulebook,
    _prompts,
    _dialogue,
    _data_folder,
    key_checks.signing_key,
    key_checks.keyring,
    key_checks.certificate,
    _cases,
    _time_stamps,
    keeping_checks.deletions,
    keeping_checks.encryption,
    _ledger,
    rights_checks.personal_data,
    _recipients,
    _mail,
    _couriers,
    _clock,
)
