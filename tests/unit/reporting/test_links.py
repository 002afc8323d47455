"""Signed links: any change makes them none; their secret is this user's alone."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import EnvironmentProblem, SettingsError
from ivr.reporting.links import Link, key_file, open_key, read_token, token_of
from ivr.settings import load

KEY = bytes(range(32))
LINKS = st.builds(
    Link,
    case_id=st.from_regex(r"[0-9A-Z]{26}", fullmatch=True),
    recipient_id=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
    report=st.text("0123456789abcdef", min_size=16, max_size=16),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    ends_at=st.integers(1, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)),
)


@given(LINKS)
def test_a_link_reads_back_and_needs_no_escape(link):
    token = token_of(link, KEY)
    assert read_token(token, KEY) == link
    assert set(token) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")


@given(LINKS, st.data())
def test_any_change_makes_it_none(link, data):
    token = token_of(link, KEY)
    at = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(st.sampled_from("0aZ._-9/é") | st.just(""))
    changed = token[:at] + put + token[at + 1 :]
    if changed == token:
        return
    # The last letter of the code carries four bits that belong to nothing: they are compared, too.
    assert read_token(changed, KEY) is None


@given(st.text(max_size=300))
def test_other_texts_are_no_links(text):
    assert read_token(text, KEY) is None


def test_the_secret_is_made_once_and_for_this_user_alone(tmp_path):
    file = key_file(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: open_key(file), range(8)))
    assert keys == {open_key(file)}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["links.key"]


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("ab" * 32, 0o644, "others on this machine"),
        ("ab" * 31, 0o600, "31 bytes"),
        ("zz", 0o600, "hex"),
    ],
)
def test_a_secret_that_is_none_is_refused(tmp_path, content, mode, why):
    file = key_file(tmp_path)
    file.parent.mkdir()
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(EnvironmentProblem) as caught:
        open_key(file)
    assert why in caught.value.why


@pytest.mark.parametrize(
    "address",
    ["", "http://example.vn", "https://", "https://a:b@x.vn", "https://x.vn/?a=1", "ftp://x.vn"],
)
def test_links_in_clear_text_or_to_nowhere_are_refused(tmp_path, address):
    file = tmp_path / "ivr.toml"
    file.write_text(f'[links]\nport = 8443\nbase_url = "{address}"\n')
    with pytest.raises(SettingsError):
        load(file)
    file.write_text('[links]\nport = 8443\nbase_url = "https://ho-so.example.vn/ivr"\n')
    assert load(file).links.is_on
