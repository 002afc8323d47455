"""`ivr keys` as a person uses it: show, rotate, revoke, request."""

import asyncio
import json
import socket
import threading
from contextlib import contextmanager

import pytest
from cryptography import x509
from typer.testing import CliRunner

from ivr.cli.main import app
from ivr.errors import EnvironmentProblem, EvidenceError, UsageError
from ivr.watch.control_socket import NAME, listening
from tests.fakes.soft_token import EC, openssl


@pytest.fixture
def ivr(tmp_path):
    """Run a command on a data folder; typed errors come out as they are."""

    def run(*arguments, ok=True):
        line = ["--data", str(tmp_path / "data"), *map(str, arguments)]
        done = CliRunner().invoke(app, line)
        if ok:
            assert done.exit_code == 0, (done.output, done.exception)
            return json.loads(done.stdout) if "--json" in arguments else done.stdout
        assert done.exception is not None
        raise done.exception

    return run


def test_a_site_s_life_of_keys(ivr, tmp_path):
    first = ivr("keys", "rotate", "--json")  # a new site: its first key is made, and replaced
    assert first["former_kept"].endswith(f"site-{first['former_sha256'][:8]}.pem")
    ivr("keys", "revoke", first["former_sha256"][:12], "--why", "lộ khóa", "--json")
    shown = ivr("keys", "show", "--json")
    states = {key["key_sha256"]: key["state"] for key in shown["keys"]}
    assert states == {first["former_sha256"]: "revoked", first["key_sha256"]: "in use"}
    assert shown["keys"][0]["reason"] == "lộ khóa"
    assert shown["first_key"] == str(tmp_path / "data" / "keys" / "first.pub.pem")
    text = ivr("keys", "show")
    assert "lộ khóa" in text
    assert "hand out" in text


def test_rotate_says_that_a_running_agent_must_be_restarted(ivr):
    assert "restart it" in ivr("keys", "rotate")


def test_a_key_of_one_s_own_is_taken(ivr, tmp_path):
    file = tmp_path / "own.pem"
    file.write_bytes(openssl("genpkey", *EC))
    file.chmod(0o600)
    ivr("keys", "rotate", "--to", file, "--json")
    (_, second) = ivr("keys", "show", "--json")["keys"]
    assert second["algorithm"] == "ES256"


def test_mistakes_are_told(ivr):
    in_use = ivr("keys", "rotate", "--json")["key_sha256"]
    with pytest.raises(EvidenceError, match="key in use cannot be revoked"):
        ivr("keys", "revoke", in_use, "--why", "x", ok=False)
    with pytest.raises(UsageError, match="no token"):
        ivr("keys", "rotate", "--to", "pkcs11", ok=False)


def test_a_key_that_a_running_agent_signs_with_is_not_revoked(ivr, tmp_path):
    done = ivr("keys", "rotate", "--json")
    revoke = ("keys", "revoke", done["former_sha256"], "--why", "x")
    with (
        agent_that_signs_with(done["former_sha256"], tmp_path / "data"),
        pytest.raises(EnvironmentProblem, match="still signs with that key"),
    ):
        ivr(*revoke, ok=False)
    with agent_that_signs_with(done["key_sha256"], tmp_path / "data"):
        ivr(*revoke)


def test_a_socket_that_a_killed_agent_left_stops_nobody(ivr, tmp_path):
    done = ivr("keys", "rotate", "--json")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "data" / NAME))
    ivr("keys", "revoke", done["former_sha256"], "--why", "x")


@contextmanager
def agent_that_signs_with(key_sha256, folder):
    """The control socket of an agent, in a thread of its own."""
    ready, loops = threading.Event(), []

    async def status(_):
        return {"pid": 1, "key_sha256": key_sha256}

    async def serve():
        over = asyncio.Event()
        loops.append((asyncio.get_running_loop(), over))
        async with listening(folder, status):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join()


def test_a_request_for_a_vietnamese_authority(ivr, tmp_path):
    target = tmp_path / "request.csr"
    names = ("--name", "Công ty Chặn Lọc", "--province", "Đắk Lắk", "--tax-code", "0101234567")
    made = ivr("keys", "request", "--to", target, *names, "--json")
    request = x509.load_pem_x509_csr(target.read_bytes())
    assert request.is_signature_valid
    assert "ST=Đắk Lắk" in request.subject.rfc4514_string()
    assert "UID=MST:0101234567" in request.subject.rfc4514_string()
    assert made["key_sha256"] == ivr("keys", "show", "--json")["keys"][0]["key_sha256"]
    assert openssl("req", "-in", target, "-noout", "-verify") == b""
    with pytest.raises(UsageError, match="cannot be made"):
        ivr("keys", "request", "--to", target, "--name", "x", "--country", "VNM", ok=False)
