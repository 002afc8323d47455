"""The agent's socket: for its user alone, bounded, and not in the way of the next start."""

import asyncio
import json
import os
import socket
import stat

import pytest

from ivr.errors import EnvironmentProblem, InputError
from ivr.watch import control_socket
from ivr.watch.control_socket import LONGEST_LINE, NAME, ask, listening


async def echo(request):
    return {"error": "no"} if request.get("do") == "unknown" else {"heard": request}


async def asked(folder, request):
    return await asyncio.to_thread(ask, folder, request)


async def test_a_request_gets_its_answer_and_the_socket_is_for_its_user_alone(tmp_path):
    async with listening(tmp_path, echo):
        assert await asked(tmp_path, {"do": "status"}) == {"heard": {"do": "status"}}
        mode = (tmp_path / NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / NAME).exists()


async def test_a_folder_with_a_very_long_path_has_one_all_the_same(tmp_path):
    folder = tmp_path / ("d" * 120) / ("e" * 120)
    folder.mkdir(parents=True)
    async with listening(folder, echo):
        assert await asked(folder, {"do": "x"}) == {"heard": {"do": "x"}}


async def test_what_a_killed_agent_left_is_replaced(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        folder = os.open(tmp_path, os.O_PATH)
        dead.bind(f"/proc/self/fd/{folder}/{NAME}")
        os.close(folder)
    async with listening(tmp_path, echo):
        assert await asked(tmp_path, {"do": "x"})


async def test_a_second_agent_on_the_same_folder_is_told_so(tmp_path):
    async with listening(tmp_path, echo):
        with pytest.raises(EnvironmentProblem, match="already runs"):
            async with listening(tmp_path, echo):
                pass
        assert await asked(tmp_path, {"do": "x"}), "the first one lost its socket"


async def test_nobody_there_and_an_unknown_request_are_told_apart(tmp_path):
    with pytest.raises(EnvironmentProblem, match="No agent answers"):
        await asked(tmp_path, {"do": "status"})
    async with listening(tmp_path, echo):
        with pytest.raises(InputError):
            await asked(tmp_path, {"do": "unknown"})


@pytest.mark.parametrize("line", [b"{", b"[1]\n", b"\xff\xfe\n", b"{}" + b" " * LONGEST_LINE * 2])
async def test_rubbish_harms_nobody(tmp_path, line, monkeypatch):
    monkeypatch.setattr(control_socket, "PATIENCE_S", 0.3)
    async with listening(tmp_path, echo):
        reader, writer = await asyncio.open_unix_connection(sock=connected(tmp_path))
        writer.write(line)
        answer = await asyncio.wait_for(reader.readline(), 5)
        assert not answer or "error" in json.loads(answer)
        writer.close()
        assert await asked(tmp_path, {"do": "x"})


def connected(folder):
    line = socket.socket(socket.AF_UNIX)
    descriptor = os.open(folder, os.O_PATH)
    line.connect(f"/proc/self/fd/{descriptor}/{NAME}")
    os.close(descriptor)
    return line
