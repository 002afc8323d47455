"""Time-stamps by the running house: asked for behind the calls and by `ivr recover`; told."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.doctor import Check, examine
from ivr.evidence.timestamp import STEP, TOKEN
from ivr.settings import EvidenceSettings, Settings, StorageSettings, TimestampSettings
from tests.fakes.evidence_site import Site
from tests.fakes.judged_case import judged_case
from tests.fakes.time_authority import TimeAuthority


@pytest.fixture
def authority(tmp_path: Path) -> TimeAuthority:
    """One that is away, with a port of its own."""
    made = TimeAuthority(tmp_path / "authority")
    with made.serving():
        return made


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return judged_case(Site(tmp_path / "data"))


def extra(authority: TimeAuthority) -> str:
    return f"""
[evidence]
site = "dak-lak"
[recognition]
second_pass = "off"
processes = 1
[timestamp]
url = "{authority.url}"
ca_file = "{authority.ca_file}"
every_s = 0.2
timeout_s = 10.0
"""


async def test_serve_starts_without_the_authority_and_stamps_when_it_is_there(
    case, authority, serve
):
    house = await serve(extra(authority))
    await house.until(lambda: any("seal.not_stamped" in line for line in house.lines))
    assert not (case / TOKEN).exists()
    with authority.serving():
        await house.until((case / TOKEN).exists)
    assert await house.stop() == 0


def told(settings: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    line = ["--settings", str(settings), *arguments, "--json"]
    done = CliRunner().invoke(app, line, catch_exceptions=False)
    return done.exit_code, [json.loads(each) for each in done.stdout.splitlines()]


def test_recover_asks_and_show_and_verify_tell(case, authority, tmp_path):
    settings = tmp_path / "ivr.toml"
    settings.write_text(f'[storage]\nroot = "{tmp_path / "data"}"\n{extra(authority)}')
    code, (away,) = told(settings, "recover")
    assert (code, away["case_id"], away["action"]) == (0, case.name, "not stamped")
    with authority.serving():
        code, (stamped,) = told(settings, "recover")
    assert (code, stamped["action"]) == (0, "stamped")

    _, (shown,) = told(settings, "cases", "show", case.name)
    assert shown["time_stamp"]["by"] == "CN=Giờ chuẩn"
    code, (proved,) = told(settings, "verify", str(case), "--tsa-ca", str(authority.ca_file))
    step = next(step for step in proved["steps"] if step["name"] == STEP)
    assert (code, step["ok"]) == (0, True)
    assert shown["time_stamp"]["at"] in step["detail"]

    (case / TOKEN).chmod(0o600)
    (case / TOKEN).write_bytes(b"torn")
    _, (shown,) = told(settings, "cases", "show", case.name)
    assert "no RFC 3161 answer" in shown["time_stamp"]["problem"]
    code, _ = told(settings, "verify", str(case))
    assert code == 1


def examined(tmp_path: Path, stamping: TimestampSettings, monkeypatch: pytest.MonkeyPatch) -> Check:
    from ivr import doctor

    monkeypatch.setattr(doctor, "PROBES", (doctor._time_stamps,))
    (check,) = examine(
        Settings(
            timestamp=stamping,
            storage=StorageSettings(root=tmp_path / "data"),
            evidence=EvidenceSettings(site="dak-lak"),
        )
    )
    return check


async def test_the_doctor_counts_what_waits_and_tries_the_way(
    case, authority, tmp_path, monkeypatch
):
    def look(**changes: object) -> Check:
        stamping = TimestampSettings(url=authority.url, ca_file=authority.ca_file)
        return examined(tmp_path, stamping.model_copy(update=changes), monkeypatch)

    assert look(url="").level == "ok"
    away = look()
    assert away.level == "warning"
    assert "1 seals wait; " in away.detail
    with authority.serving():
        there = await asyncio.to_thread(look)
        assert (there.level, there.detail.endswith("1 seals wait")) == ("warning", True)
        (case / TOKEN).parent.mkdir()
        (case / TOKEN).write_bytes(b"any")
        assert (await asyncio.to_thread(look)).level == "ok"
    broken = tmp_path / "broken.pem"
    broken.write_text("none")
    assert look(ca_file=broken).level == "failed"
