"""The agent makes itself known at a registrar, and says what is wrong when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ivr.clock import SystemClock
from ivr.errors import SettingsError
from ivr.settings import RegistrationSettings, SipSettings
from ivr.telephony.pool import WorkerPool
from tests.fakes.answering_desk import Desk, UdpDoor, eventually
from tests.fakes.raw_caller import RawCaller
from tests.fakes.registrar import Registrar


@asynccontextmanager
async def agent(
    registrar: Registrar, folder: Path, password: str = "right", bind: str = "127.0.0.1"
) -> AsyncIterator[WorkerPool]:
    file = folder / "password"
    await asyncio.to_thread(file.write_text, f"{password}\n", encoding="utf-8")
    registration = RegistrationSettings(
        registrar=registrar.uri, username=registrar.username, password_file=file, expires_s=60
    )
    settings = SipSettings(
        bind=bind, port=0, workers=2, transaction_timeout_s=2.0, allow_from=("127.0.0.9/32",)
    )
    async with WorkerPool(settings, SystemClock(), registrations=[registration]) as pool:
        yield pool


async def test_the_first_worker_registers_with_digest_and_is_called_there(tmp_path: Path) -> None:
    async with Registrar("127.0.0.1") as registrar, agent(registrar, tmp_path) as pool:
        await eventually(lambda: bool(pool.registrations))
        assert pool.registrations[0].is_registered
        host, port = pool.addresses[0]
        assert registrar.contacts == [f"<sip:agent@{host}:{port}>"]
        assert [text.split()[0] for text in registrar.requests] == ["REGISTER", "REGISTER"]
        desk = Desk(pool)
        door = await UdpDoor().open()
        async with RawCaller(host, port, user="agent") as caller:  # comes from the registrar
            calling = asyncio.create_task(caller.call())
            line = await desk.next_line()
            assert line.offer.access == "agent"
            await line.answer(door)
            assert (await calling).status == 200
            await line.hang_up("done")
        door.close()
        await desk.close()
    assert registrar.contacts == []  # and is taken back at the end


async def test_a_wrong_password_is_said_and_not_tried_for_ever(tmp_path: Path) -> None:
    async with Registrar("127.0.0.1") as registrar, agent(registrar, tmp_path, "wrong") as pool:
        await eventually(lambda: bool(pool.registrations))
        (state,) = pool.registrations
        assert not state.is_registered
        assert "the password" in state.problem
        tried = len(registrar.requests)
        await asyncio.sleep(2.5)  # the first retry of a registrar that is merely away is after 2 s
        assert len(registrar.requests) == tried <= 3


async def test_a_registration_is_renewed_and_a_registrar_that_comes_back_found_again(
    tmp_path: Path,
) -> None:
    async with Registrar("127.0.0.1", grants_s=6) as registrar, agent(registrar, tmp_path) as pool:
        await eventually(lambda: bool(pool.registrations))
        first = len(registrar.requests)
        await eventually(lambda: len(registrar.requests) > first, within_s=6)
        assert pool.registrations[0].is_registered
        registrar.stop()
        await eventually(lambda: not pool.registrations[0].is_registered, within_s=10)
        assert "does not answer" in pool.registrations[0].problem
        await registrar.start()
        await eventually(lambda: pool.registrations[0].is_registered, within_s=12)
        async with RawCaller(*pool.addresses[0]) as caller:  # and calls were possible all along
            assert (await caller.ask("OPTIONS")).status == 200


@pytest.mark.parametrize(
    ("registration", "why"),
    [
        ({"registrar": "sip:registrar.example"}, "ADDRESS"),
        ({"registrar": "sip:127.0.0.1;maddr=10.0.0.1"}, "ADDRESS"),
        ({"password_file": Path("no-such-file")}, "No such file"),
    ],
)
def test_a_registration_that_cannot_be_is_named(registration: dict[str, object], why: str) -> None:
    values = {"registrar": "sip:127.0.0.1", "username": "agent", **registration}
    wanted = RegistrationSettings.model_validate(values)
    with pytest.raises(SettingsError) as caught:
        WorkerPool(SipSettings(), SystemClock(), registrations=[wanted])
    assert why in caught.value.why
