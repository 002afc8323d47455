"""What the watch sees of a running house, tells, and mends without anybody's hand."""

import asyncio
import contextlib
import json
import os
import signal
import stat
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ivr.telephony.caller_process import start_caller
from tests.fakes.raw_caller import RawCaller
from tests.fakes.serving_house import call, manifest_of, run_ivr
from tests.flow.watch.conftest import WatchedServe

pytestmark = pytest.mark.asyncio(loop_scope="session")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def codes(told: dict) -> set[str]:
    return {alarm["code"] for alarm in told["alarms"]}


async def value(house: WatchedServe, name: str, **labels: str) -> float:
    _, text = await house.get("/metrics", OPENMETRICS)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return 0.0


async def options(port: int) -> int:
    async with RawCaller("127.0.0.1", port) as ping:
        return (await ping.ask("OPTIONS")).status


async def options_become(house: WatchedServe, status: int) -> None:
    for _ in range(100):
        if await options(house.port) == status:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"OPTIONS never became {status}")


def children(pid: int, name: str) -> list[int]:
    """Processes below ``pid`` whose command line holds ``name``."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if name in line:
            found.append(int(child))
    return found


async def let_go(caller: asyncio.subprocess.Process) -> None:
    """Of a caller whose call was cut off; it may have been told so."""
    with contextlib.suppress(ProcessLookupError):
        caller.terminate()
    await caller.wait()


def new_case(house: WatchedServe, known: set[Path]) -> Path | None:
    return next((case for case in house.sealed() if case not in known), None)


async def test_status_health_and_metrics_of_a_house_at_rest(house: WatchedServe):
    told = await house.becomes(lambda told: told["takes_calls"])
    assert told["refusal"] is None
    assert (told["slots"], told["restarts"]) == (4, 0)
    assert not [line for line in house.lines if '"alarm"' in line], "a false alarm at the start"
    assert stat.S_IMODE((house.data / "control.sock").stat().st_mode) == 0o600
    assert await house.get("/healthz") == (200, (await house.get("/healthz"))[1])
    assert (await house.get("/readyz"))[0] == 200
    assert (await house.get("/anything"))[0] == 404
    await options_become(house, 200)
    _, text = await house.get("/metrics", OPENMETRICS)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["ivr_ready"].samples[0].value == 1.0
    assert families["ivr_sip_slots"].samples[0].value == 4.0
    assert families["ivr_disk_free_bytes"].samples[0].value > 12 * 2**20


async def test_a_leg_without_packets_is_told_once_and_taken_back(house: WatchedServe):
    known = set(house.sealed())
    async with RawCaller("127.0.0.1", house.port, user="an") as caller:
        assert (await caller.call()).status == 200
        told = await house.becomes(lambda told: "leg_silent" in codes(told))
        (alarm,) = [alarm for alarm in told["alarms"] if alarm["code"] == "leg_silent"]
        assert alarm["call_id"] == told["calls"][0]["call_id"]
        assert alarm["detail"] == "legs caller"
        assert "caller" not in told["calls"][0], "numbers only when asked for"
        shown = await house.told(do="status", show_numbers=True)
        assert shown["calls"][0]["caller"] == "+84901234567"
        await house.becomes(lambda told: "leg_silent" not in codes(told))
    case = await house.until(lambda: new_case(house, known))
    assert "no audio" in manifest_of(case)["end"]["reason"]
    logged = [line for line in house.lines if '"leg_silent"' in line and '"alarm"' in line]
    assert len(logged) == 1
    assert "84901234567" not in logged[0]


async def test_draining_and_a_recogniser_that_dies_while_a_call_runs(
    house: WatchedServe, speech: Path
):
    known = set(house.sealed())
    calling = asyncio.create_task(call(house.uri(), "--wav", str(speech)))
    told = await house.becomes(lambda told: told["calls"])
    draining = asyncio.create_task(
        run_ivr("--settings", str(house.settings), "drain", "--wait", "--json")
    )
    await house.becomes(lambda told: told["is_draining"])
    (host,) = children(told["pid"], "ivr.recognition.host")
    (recogniser,) = children(host, "ivr.recognition.host")
    os.kill(recogniser, signal.SIGKILL)
    await house.becomes(lambda told: "recogniser_lost" in codes(told))
    assert (await call(house.uri()))[1][-1]["status"] == 503
    await options_become(house, 503)
    status, text = await house.get("/readyz")
    assert (status, json.loads(text)["cause"]) == (503, "draining")
    assert (await calling)[0] == 0, "draining ended a running call"
    code, out, err = await draining
    assert (code, json.loads(out)["calls_counted"]) == (0, 0)
    assert "1 calls still run" in err
    case = await house.until(lambda: new_case(house, known))
    assert manifest_of(case)["is_complete"]
    assert json.loads((case / "derived/transcript.json").read_bytes()), "nothing was heard"
    code, out, _ = await run_ivr("--settings", str(house.settings), "status", "--json")
    assert (code, json.loads(out)["takes_calls"]) == (1, False)
    assert await value(house, "ivr_recogniser_deaths_total") == 1
    assert await value(house, "ivr_calls_refused_total", reason="draining") == 1
    assert await value(house, "ivr_calls_total", mode="answer", outcome="sealed") >= 1
    assert await value(house, "ivr_rtp_packets_total", leg="caller", fate="accepted") > 300
    assert json.loads(out)["refused_sources"]["127.0.0.1"] >= 1
    code, _, _ = await run_ivr("--settings", str(house.settings), "undrain")
    assert code == 0
    await options_become(house, 200)


async def test_a_stuck_worker_is_replaced_and_its_call_is_sealed(house: WatchedServe, speech: Path):
    known = set(house.sealed())
    caller = await start_caller(house.uri(), "--wav", str(speech))
    told = await house.becomes(lambda told: told["calls"])
    (stuck,) = told["worker_pids"]
    os.kill(stuck, signal.SIGSTOP)
    told = await house.becomes(lambda told: told["worker_pids"] not in ([], [stuck]))
    assert told["workers_died"] == 1
    await house.becomes(lambda told: "worker_lost" in codes(told))
    case = await house.until(lambda: new_case(house, known))
    assert manifest_of(case)["end"]["reason"] == "worker died"
    await let_go(caller)
    await options_become(house, 200)


async def test_a_disk_that_fills_ends_calls_while_there_is_room_to_seal_them(
    house: WatchedServe, disk: Path, speech: Path
):
    known = set(house.sealed())
    calling = asyncio.create_task(call(house.uri(), "--wav", str(speech)))
    await house.becomes(lambda told: told["calls"])
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while os.statvfs(disk).f_bavail * 4096 > 2 * 2**20:
            file.write(b"\0" * 2**18)
    told = await house.becomes(lambda told: {"disk_low", "disk_full"} <= codes(told))
    assert told["refusal"]["cause"] == "disk"
    case = await house.until(lambda: new_case(house, known))
    manifest = manifest_of(case)
    assert manifest["end"]["reason"] == "the disk is full"
    assert manifest["is_complete"]
    await calling
    assert (await house.get("/readyz"))[0] == 503
    filler.unlink()
    await house.becomes(lambda told: not {"disk_low", "disk_full"} & codes(told))


async def test_an_agent_that_is_killed_in_mid_call_comes_back_and_the_case_is_sealed(
    house: WatchedServe, speech: Path
):
    known = set(house.sealed())
    caller = await start_caller(house.uri(), "--wav", str(speech))
    told = await house.becomes(lambda told: told["calls"])
    case = house.data / "cases" / told["calls"][0]["call_id"]
    wire = case / "original/wire.pcapng"
    await house.until(lambda: wire.stat().st_size > 50_000)
    os.kill(told["pid"], signal.SIGKILL)
    assert await house.until(lambda: new_case(house, known)) == case
    assert "killed" in manifest_of(case)["incomplete_reasons"][0]
    told = await house.becomes(lambda told: told["restarts"] == 1 and told["takes_calls"])
    assert "agent_restarted" in codes(told)
    assert house.process.returncode is None
    await let_go(caller)


async def test_an_agent_that_hangs_is_killed_and_comes_back(house: WatchedServe):
    before = await house.becomes(lambda told: told["takes_calls"])
    os.kill(before["pid"], signal.SIGSTOP)
    told = await house.becomes(lambda told: told["restarts"] == before["restarts"] + 1)
    assert told["pid"] != before["pid"]
    assert any("agent hangs" in line for line in house.lines)
    assert list((house.data / "diagnostics").glob("agent-*.txt")), "nothing was written down"


async def test_stopping_the_supervisor_stops_the_agent_and_leaves_nothing(house: WatchedServe):
    told = await house.becomes(lambda told: told["takes_calls"])
    house.process.terminate()
    assert await asyncio.wait_for(house.process.wait(), 60) == 0
    left = [Path(f"/proc/{told['pid']}"), house.data / "control.sock"]
    assert not [path for path in left if path.exists()]
    assert not house.unsealed()
    code, out, _ = await run_ivr("--settings", str(house.settings), "status", "--json")
    assert code == 3
    assert "No agent answers" in json.loads(out)["error"]["what"]
