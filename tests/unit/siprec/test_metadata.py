"""Recording metadata (RFC 7865), its drafts, and what is broken about them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.siprec.metadata import MAX_OBJECTS, read_metadata
from tests.fakes.recording_client import CALLER, SUBSCRIBER, metadata

ASSETS = Path(__file__).parents[2] / "assets" / "siprec"
GOOD = sorted(set(ASSETS.glob("metadata.*")) - set(ASSETS.glob("metadata.unreadable-*")))
BROKEN = sorted(ASSETS.glob("metadata.unreadable-*"))
REPAIRED = {"metadata.declares-another-encoding", "metadata.bytes-of-latin-1"}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_who_sends_which_stream(path):
    found = read_metadata(path.read_bytes())
    senders = [[aor for who in found.senders(n) for aor in who.aors] for n in ("1", "2")]
    assert senders == [[f"sip:{CALLER}@op.example"], [f"sip:{SUBSCRIBER}@op.example"]]
    assert found.sessions == ("c2Vzc2lvbg==",)
    assert found.is_complete
    assert ("metadata_repaired" in found.flags) == (path.stem in REPAIRED)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_what_cannot_be_read_is_flagged_and_says_why(path):
    found = read_metadata(path.read_bytes())
    assert found.flags == ("metadata_unreadable",)
    assert found.problem
    assert not found.participants


def test_an_update_adds_and_replaces_by_id():
    first = read_metadata(metadata().encode())
    update = read_metadata(
        b"<recording><datamode>partial</datamode>"
        b'<participant participant_id="p3"><nameID aor="tel:+84911111111"/></participant>'
        b'<participantstreamassoc participant_id="p2"><send>s9</send></participantstreamassoc>'
        b'<participantstreamassoc participant_id="p3"><send>s2</send></participantstreamassoc>'
        b"</recording>"
    )
    both = first.updated(update)
    assert set(both.participants) == {"p1", "p2", "p3"}
    assert [who.id for who in both.senders("1")] == ["p1"]
    assert [who.id for who in both.senders("2")] == ["p3"]


def test_a_complete_document_forgets_the_one_before():
    first = read_metadata(metadata().encode())
    second = read_metadata(metadata(("7",), ("+84911111111",)).encode())
    assert first.updated(second) == second


def test_one_that_cannot_be_read_changes_nothing():
    first = read_metadata(metadata().encode())
    assert first.updated(read_metadata(b"<recording>")) == first


def test_who_has_left_sends_nothing_until_he_is_back():
    first = read_metadata(metadata().encode())
    gone = read_metadata(
        b"<recording><dataMode>Partial</dataMode><participantsessionassoc participant_id='p2' "
        b"session_id='x'><disassociate-time>2026-01-01T00:00:00Z</disassociate-time>"
        b"</participantsessionassoc></recording>"
    )
    left = first.updated(gone)
    assert left.senders("2") == ()
    back = read_metadata(
        b"<recording><datamode>partial</datamode><participantstreamassoc participant_id='p2'>"
        b"<send>s2</send></participantstreamassoc></recording>"
    )
    assert [who.id for who in left.updated(back).senders("2")] == ["p2"]


def test_two_who_send_one_stream_are_both_named():
    xml = metadata(("1",), (CALLER, SUBSCRIBER)).replace(
        "</recording>",
        '<participantstreamassoc participant_id="p2"><send>s1</send></participantstreamassoc>'
        "</recording>",
    )
    assert {who.id for who in read_metadata(xml.encode()).senders("1")} == {"p1", "p2"}


def test_objects_are_bounded():
    many = metadata([str(n) for n in range(200)], [f"+8498{n:07d}" for n in range(200)])
    found = read_metadata(many.encode())
    assert len(found.participants) == len(found.streams) == len(found.sends) == MAX_OBJECTS
    update = metadata((), [f"+8497{n:07d}" for n in range(200)], mode="partial")
    assert len(found.updated(read_metadata(update.encode())).participants) == MAX_OBJECTS


@given(st.binary(max_size=300))
def test_nothing_raises(raw):
    read_metadata(raw)


LEAVES = st.sampled_from(["<a/>", "x", "<send>s1</send>", "<label>1</label>"])


def inside(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(parts, max_size=4).map("".join)
    return joined.map(lambda text: f"<participant id='p'>{text}</participant>")


@given(st.recursive(LEAVES, inside, max_leaves=30))
def test_any_nesting_of_known_elements_is_read(inner):
    assert read_metadata(f"<recording>{inner}</recording>".encode()).is_readable
