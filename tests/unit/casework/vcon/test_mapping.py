"""Who the parties of a vCon are, on which channel, and what a call without sound becomes."""

from dataclasses import replace

import pytest

from ivr.casework.vcon_mapping import (
    CALL,
    channels_of,
    media_type_of,
    parties_of,
    recordings_of,
)
from ivr.facts.call import Caller, Identity, LegName, Mode
from tests.fakes.evidence_site import call

PASSPORT = "eyJhbGciOiJFUzI1NiJ9.eyJhdHRlc3QiOiJBIn0.c2ln"
CLAIM = "no header: a claim of the signalling"
CALLER, CALLEE, AGENT = LegName.CALLER, LegName.CALLEE, LegName.AGENT


def parties(opened, legs=(CALLER, AGENT), *, is_named=True):
    return parties_of(opened, legs, "dak-lak", is_named=is_named)


def test_a_passport_goes_along_and_is_called_unverified():
    identity = Identity(
        "Identity",
        f"{PASSPORT};info=<https://cert.example/a.pem>;alg=ES256",
        None,
        None,
        0.3,
        ("unverified", "attested_a"),
    )
    opened = call()
    caller = parties(replace(opened, identities=(*opened.identities, identity))).objects[0]
    assert caller.stir == PASSPORT
    assert "STIR, signature not verified unverified attested_a" in str(caller.validation)


def test_an_identity_header_that_is_no_passport_does_not():
    identity = Identity("Identity", "garbage;info=x", None, None, 0.3, ("unreadable",))
    opened = replace(call(), identities=(identity,))
    assert parties(opened).objects[0].stir is None


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (Caller(None, None, None, 0.0), {"name": "anonymous", "validation": "none"}),
        (Caller("113", None, None, 0.5), {"name": "113", "validation": CLAIM}),
        (
            Caller("+84912345678", None, None, 0.5),
            {"tel": "tel:+84912345678", "validation": CLAIM},
        ),
        (
            Caller("0912x", "Lan", None, 0.5, ("unreadable",)),
            {"name": "Lan", "validation": f"{CLAIM}; flags unreadable"},
        ),
    ],
)
def test_a_caller_is_what_could_be_read_of_them(caller, expected):
    found = parties(replace(call(), caller=caller)).objects[0]
    assert found.model_dump(exclude_none=True) == expected


def test_a_callee_who_is_not_to_be_named_is_anonymous():
    assert parties(call(), is_named=False).objects[1].name == "anonymous"
    assert parties(replace(call(), subscriber=None)).objects[1].name == "anonymous"


@pytest.mark.parametrize(
    ("mode", "legs", "channels"),
    [
        (Mode.ANSWER, (CALLER, AGENT), [0, 2]),
        (Mode.BRIDGE, (CALLER, AGENT, CALLEE, LegName.AGENT_TO_CALLEE), [0, [1, 2]]),
        (Mode.MIRROR, (CALLER, CALLEE), [0, 1]),
        (Mode.MIRROR, (CALLER, CALLEE, LegName.PARTY_3), [0, [1, 2]]),
        (Mode.LISTEN, (LegName.MIXED,), [[0, 1], None]),
    ],
)
def test_the_stereo_recording_has_the_first_voice_left_and_the_others_right(mode, legs, channels):
    opened = replace(call(mode=mode), legs=legs)
    assert channels_of(CALL, legs, parties(opened, legs), opened) == channels


def test_an_upload_of_two_channels_has_a_party_on_each():
    legs = (LegName.CHANNEL_1, LegName.CHANNEL_2)
    opened = replace(call(mode=Mode.UPLOAD), legs=legs)
    assert channels_of("original/upload.m4a", legs, parties(opened, legs), opened) == [2, 3]


def test_the_dialog_is_call_wav_or_the_upload_or_each_leg():
    def listed(*names):
        return recordings_of([{"path": name} for name in names])

    legs = ("derived/agent.wav", "derived/caller.wav")
    assert listed("derived/call.wav", *legs) == ("derived/call.wav",)
    assert listed("original/upload.m4a", *legs) == ("original/upload.m4a",)
    assert listed("opened.json", *legs) == legs
    assert listed("opened.json") == ()


def test_media_types_are_spelt_as_in_the_draft():
    assert media_type_of("derived/call.wav", "audio/wav") == "audio/x-wav"
    assert media_type_of("original/wire.pcapng", "application/x-pcapng") == "application/x-pcapng"
    assert media_type_of("manifest.jws") == "application/jose+json"
