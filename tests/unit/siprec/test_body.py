"""Description and metadata are found in whatever a border controller makes of multipart/mixed."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.siprec.body import Body, read_body
from ivr.siprec.metadata import read_metadata
from ivr.siprec.sdp import read_sdp
from tests.fakes.recording_client import metadata, multipart

ASSETS = Path(__file__).parents[2] / "assets" / "siprec"
BODIES = sorted(ASSETS.glob("body.*.body"))
NOTHING = sorted(ASSETS.glob("nothing.*.body"))
WITHOUT_METADATA = {"body.sdp-alone", "body.called-multipart-but-sdp", "body.sdp-is-not-utf8"}
FLAGS = {
    "body.boundary-missing-in-header": ("boundary_missing",),
    "body.boundary-differs-from-header": ("boundary_differs",),
    "body.parts-without-type": ("type_differs",),
    "body.metadata-called-plain-xml": ("type_differs",),
    "body.called-multipart-but-sdp": ("multipart_unreadable", "type_differs"),
    "body.called-sdp-but-multipart": ("boundary_missing",),
    "body.type-missing": ("boundary_missing",),
}


def read(path: Path) -> Body:
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    kind = head.decode("utf-8", "surrogateescape").partition(": ")[2]
    return read_body(kind or None, body)


@pytest.mark.parametrize("path", BODIES, ids=lambda path: path.stem)
def test_the_streams_are_found_and_what_was_odd_is_flagged(path):
    body = read(path)
    assert body.sdp is not None
    assert [line.port for line in read_sdp(body.sdp)] == [4000, 4002]
    assert [line.label for line in read_sdp(body.sdp)] == ["1", "2"]
    assert body.flags == FLAGS.get(path.stem, ())
    assert (body.metadata is None) == (path.stem in WITHOUT_METADATA)
    if body.metadata is not None and "cut" not in path.stem:
        assert set(read_metadata(body.metadata).participants) == {"p1", "p2"}


@pytest.mark.parametrize("path", NOTHING, ids=lambda path: path.stem)
def test_where_there_is_nothing_nothing_is_found(path):
    body = read(path)
    assert (body.sdp, body.metadata) == (None, None)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=40)
BOUNDARY = st.text("abcXYZ019'()+_,-./:=?<>@!# ", min_size=1, max_size=60).filter(
    lambda text: text.strip() == text and not text.startswith("--")
)


@example("<>", False, False, False)
@example("<a b>", True, True, True)
@given(BOUNDARY, st.booleans(), st.booleans(), st.booleans())
def test_any_boundary_in_any_order_quoted_or_not(boundary, is_sdp_first, is_quoted, is_closed):
    sdp = "v=0\r\nm=audio 4000 RTP/AVP 8\r\n"
    content = multipart(sdp, metadata(), boundary, is_sdp_first=is_sdp_first)
    if not is_closed:
        content = content.removesuffix(f"--{boundary}--\r\n".encode())
    shown = f'"{boundary}"' if is_quoted else boundary
    body = read_body(f"multipart/mixed;boundary={shown}", content)
    assert body.sdp is not None
    assert body.sdp.strip() == sdp.strip()
    assert body.metadata is not None
    assert set(read_metadata(body.metadata).participants) == {"p1", "p2"}


@given(st.one_of(st.none(), TEXT), st.binary(max_size=400))
def test_nothing_raises(content_type, content):
    read_body(content_type, content)


@given(st.data())
def test_a_good_body_with_any_bytes_changed_does_not_raise(data):
    content = bytearray(multipart("v=0\r\nm=audio 4000 RTP/AVP 8\r\n", metadata()))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    body = read_body("multipart/mixed;boundary=OSS-42", bytes(content))
    if body.metadata is not None:
        read_metadata(body.metadata)
