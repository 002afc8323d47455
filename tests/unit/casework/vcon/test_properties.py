"""What holds for any bytes, any time and any damage."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.evidence.vcon import Attachment, VCon
from ivr.evidence.vcon_signed import inline, parse, read_signed, uuid8

GOOD = (Path(__file__).parents[3] / "assets/vcon/good.foreign.vcon.json").read_bytes()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_comes_back_byte_for_byte(content):
    fields = {"start": "2026-11-25T02:00:00Z", "party": 0, "dialog": 0, "mediatype": "text/plain"}
    file = Attachment.model_validate({**fields, **inline(content)})
    again = Attachment.model_validate(json.loads(file.model_dump_json(exclude_none=True)))
    assert again.content() == content


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2400, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants bounds without a zone
    st.binary(max_size=40),
    st.text(max_size=40),
)
def test_a_uuid_is_of_version_8_and_holds_its_millisecond(at, salt, name):
    uuid = UUID(uuid8(at, salt, name))
    assert (uuid.version, uuid.variant) == (8, "specified in RFC 4122")
    assert uuid.int >> 80 == int(at.timestamp() * 1000)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data):
    with pytest.raises(ValueError, match=r".+"):
        read_signed(data)


@settings(max_examples=60)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_damaged_byte_passes_unseen(at, by):
    damaged = GOOD[:at] + bytes([GOOD[at] ^ by]) + GOOD[at + 1 :]
    try:
        signed = read_signed(damaged)
    except ValueError:
        return
    # only the unprotected header is not signed: its UUID is compared with the content's
    assert signed.payload == read_signed(GOOD).payload


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(VCon.model_fields)), JSON))
def test_any_object_is_a_vcon_or_is_refused_in_words(members):
    with pytest.raises(ValueError, match=r".+"):
        VCon.model_validate({**members, "uuid": "none"})
    assert parse(json.dumps(members).encode()) == members
