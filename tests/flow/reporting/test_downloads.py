"""Linked recordings over a real socket: the right file to the right link, and custody knows."""

import hashlib
import io
import os
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial

import httpx
import pytest

from ivr.casework.downloads import Downloads
from ivr.casework.unlocking import unlocked
from ivr.evidence.custody import read_custody
from ivr.facts.reports import Attachment, Channel, Report
from ivr.reporting.couriers.message import build_message
from ivr.reporting.links import Link, LinkMaker, token_of
from ivr.reporting.postscript import Postscript
from ivr.settings import LinkSettings
from ivr.watch.http_door import answering
from tests.fakes.evidence_site import Site, in_child
from tests.fakes.judged_case import judged_case
from tests.fakes.kept_site import KeptSite

KEY = b"k" * 32
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
SOUND = b"sound" * 999


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def case(site, request):
    number = hashlib.sha256(request.node.name.encode()).hexdigest()[:12].upper()
    return judged_case(site, f"01JDHZ00000000{number}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(site, now=NOW, open_case=nullcontext, **changes):
    port = free_port()
    settings = LinkSettings(port=port, base_url=f"http://127.0.0.1:{port}", **changes)
    app = Downloads(site.vault, settings, KEY, site.custodian, open_case, lambda: now)
    with answering(app, "127.0.0.1", port, "links") as address:
        yield address


def link_of(case, **changes):
    digest = hashlib.sha256(SOUND).hexdigest()
    link = Link(case.name, "cong-an-tinh", "ab" * 8, digest, NOW + timedelta(days=14))
    return replace(link, **changes)


def url(address, link, key=KEY):
    return f"{address}/t/{token_of(link, key)}"


def exports(case):
    return [entry for entry in read_custody(case) if entry["action"] == "exported"]


def test_a_look_shows_a_page_and_takes_nothing(site, case):
    with served(site) as address:
        page = httpx.get(url(address, link_of(case)))
        head = httpx.head(url(address, link_of(case)))
    assert page.status_code == head.status_code == 200
    assert head.content == b""
    assert case.name in page.text
    assert link_of(case).sha256 in page.text
    assert '<form method="post">' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text
    assert exports(case) == []


def test_the_button_gives_the_sealed_file_and_custody_says_to_whom(site, case):
    with served(site) as address:
        got = httpx.post(
            url(address, link_of(case)), headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
        )
    assert got.content == SOUND
    assert got.headers["content-disposition"].startswith("attachment; filename*=UTF-8''01JDHZ")
    (entry,) = exports(case)
    assert entry["actor"] == "recipient cong-an-tinh"
    assert "abababababababab" in entry["reason"]
    assert entry["facts"]["sha256"] == link_of(case).sha256
    assert (entry["facts"]["size"], entry["facts"]["from_address"]) == (len(SOUND), "203.0.113.9")


def test_custody_is_on_disk_before_the_first_byte_leaves(site, case):
    settings = LinkSettings(port=1, base_url="https://a.example")
    app = Downloads(site.vault, settings, KEY, site.custodian, nullcontext, lambda: NOW)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/t/{token_of(link_of(case), KEY)}",
        "wsgi.input": io.BytesIO(),
    }
    answer = app(environ, lambda status, headers: None)
    assert len(exports(case)) == 1
    answer.close()


@pytest.mark.parametrize(
    "change",
    [
        {"ends_at": NOW + timedelta(days=60)},
        {"recipient_id": "nha-mang"},
        {"sha256": "0" * 64},
        {"case_id": "01JDHZ0000000000000OTHER"},
        {"report": "cd" * 8},
    ],
)
def test_a_link_that_was_changed_is_none(site, case, change):
    made = token_of(link_of(case), KEY)
    mac = made.rpartition(".")[2]
    with served(site) as address:
        forged = httpx.post(f"{address}/t/{replace(link_of(case), **change).payload}.{mac}")
        other_key = httpx.post(url(address, link_of(case), b"x" * 32))
    assert (forged.status_code, other_key.status_code) == (404, 404)
    assert forged.text == other_key.text
    assert exports(case) == []


@pytest.mark.parametrize(
    "path", ["/", "/t/", "/t/../../etc/passwd", "/t/%00", "/metrics", "/t/" + "a." * 900]
)
def test_other_paths_lead_nowhere(site, path):
    with served(site) as address:
        assert httpx.post(address + path).status_code == 404


def test_a_link_ends(site, case):
    link = link_of(case)
    with served(site, now=link.ends_at - timedelta(seconds=1)) as address:
        assert httpx.get(url(address, link)).status_code == 200
    with served(site, now=link.ends_at) as address:
        gone = httpx.post(url(address, link))
    assert gone.status_code == 410
    assert "hết hạn" in gone.text
    assert exports(case) == []


def test_a_case_that_was_deleted_is_gone(site, case):
    with served(site) as address:
        link = link_of(case, case_id="01JDHZ00000000000DELETED")
        assert httpx.post(url(address, link)).status_code == 410


def test_a_link_is_used_up_and_a_restart_does_not_forget(site, case):
    link = link_of(case)
    for expected in (200, 200, 429):
        with served(site, most_downloads=2) as address:
            assert httpx.post(url(address, link)).status_code == expected
    with served(site, most_downloads=2) as address:
        other = link_of(case, recipient_id="so-khcn")
        assert httpx.post(url(address, other)).status_code == 200
    assert len(exports(case)) == 3


def test_at_the_same_moment_only_as_many_as_may(site, case):
    with served(site, most_downloads=1) as address, ThreadPoolExecutor(4) as pool:
        codes = list(
            pool.map(lambda _: httpx.post(url(address, link_of(case))).status_code, range(4))
        )
    assert sorted(codes) == [200, 429, 429, 429]
    assert len(exports(case)) == 1


def test_a_file_that_is_not_what_was_sealed_stays_here(site, case):
    (sound,) = [each for each in (case / "original").iterdir() if each.read_bytes() == SOUND]
    sound.chmod(0o600)
    sound.write_bytes(SOUND[:-1] + b"!")
    with served(site) as address:
        answer = httpx.post(url(address, link_of(case)))
    assert (answer.status_code, b"sound" in answer.content) == (503, False)
    assert exports(case) == []


def test_a_digest_under_no_seal_is_refused_though_we_signed_it(site, case):
    with served(site) as address:
        link = link_of(case, sha256="1" * 64)
        assert httpx.post(url(address, link)).status_code == 503


def test_only_looking_and_fetching_are_known(site, case):
    with served(site) as address:
        link = url(address, link_of(case))
        codes = [
            httpx.put(link).status_code,
            httpx.delete(link).status_code,
            httpx.post(link, content=b"x" * 5000).status_code,
            httpx.post(link, content=b"x" * 100).status_code,
        ]
    assert codes == [405, 405, 413, 200]


def test_an_encrypted_case_is_opened_for_the_download_and_left_encrypted(tmp_path):
    site = KeptSite.encrypting(tmp_path / "data")
    case = site.case()
    assert site.run(lambda keeper: keeper.lock()) == (case.name,)
    open_case = partial(unlocked, settings=site.settings)
    with served(site, open_case=open_case) as address:
        assert httpx.get(url(address, link_of(case))).status_code == 200
        assert httpx.post(url(address, link_of(case))).content == SOUND
    assert not (case / "original").exists()
    assert list((tmp_path / "work").iterdir()) == []
    assert [entry["actor"] for entry in exports(case)] == ["recipient cong-an-tinh"]


def test_killed_before_the_first_byte_the_download_counts_and_the_next_goes_on(site, case):
    def fetch():
        app = Downloads(site.vault, LinkSettings(), KEY, site.custodian, nullcontext, lambda: NOW)
        path = f"/t/{token_of(link_of(case), KEY)}"
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "wsgi.input": io.BytesIO()}
        app(environ, lambda status, headers: None)

    _, status = os.waitpid(in_child(fetch, is_killed=True), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(exports(case)) == 1
    with served(site, most_downloads=2) as address:
        codes = [httpx.post(url(address, link_of(case))).status_code for _ in range(2)]
    assert codes == [200, 429]


def test_who_hangs_up_in_the_middle_holds_nobody_up(site, case):
    with served(site) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            path = f"/t/{token_of(link_of(case), KEY)}"
            raw.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            raw.recv(10)
        assert httpx.post(url(address, link_of(case))).content == SOUND
    assert len(exports(case)) == 2


def test_without_a_port_nothing_listens():
    before = threading.active_count()
    with answering(lambda *_: [], "127.0.0.1", 0, "links") as address:
        assert (address, threading.active_count()) == ("", before)


@pytest.fixture
def report(case):
    linked = Attachment(
        "original/phone.m4a", "audio/mp4", hashlib.sha256(SOUND).hexdigest(), len(SOUND), True
    )
    return Report(
        "ab" * 32, case.name, Channel.MAIL, "cong-an-tinh", "x@example.vn", "Báo cáo", "Kính gửi\n",
        (linked,), "e" * 64,
    )  # fmt: skip


def text_of(message):
    parsed = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert not list(parsed.iter_attachments())
    return parsed.get_body().get_content()


def test_the_link_in_a_mail_leads_to_the_recording(site, case, report):
    with served(site) as address:
        maker = LinkMaker(LinkSettings(port=1, base_url=address + "/"), KEY)
        text = text_of(build_message(report, case, "ivr@localhost", NOW, Postscript(maker)))
        (found,) = re.findall(r"http://\S+", text)
        assert httpx.post(found).content == SOUND
    assert "có giá trị đến 10:00 09/12/2026" in text
    assert report.attachments[0].sha256 in text
    assert exports(case)[0]["actor"] == "recipient cong-an-tinh"


@pytest.mark.parametrize(
    ("contact", "said"), [("", "liên hệ: trả lời thư này"), ("069 123", "liên hệ: 069 123")]
)
def test_without_links_the_mail_lists_what_it_lacks_and_how_to_ask(case, report, contact, said):
    text = text_of(build_message(report, case, "ivr@localhost", NOW, Postscript(None, contact)))
    assert said in text
    assert "4995 byte" in text
    assert report.attachments[0].sha256 in text
    assert "http" not in text
