"""What a payload type means: static ones need no agreement, the newest agreement wins."""

import pytest

from ivr.media.payloads import Coding, PayloadMap


def test_static_payload_types_need_no_agreement() -> None:
    payloads = PayloadMap()
    found = {number: payloads.coding(number) for number in (0, 3, 8, 9, 96)}
    assert found == {
        0: Coding("PCMU", 8000),
        3: Coding("GSM", 8000),
        8: Coding("PCMA", 8000),
        9: Coding("G722", 8000),
        96: None,
    }


def test_comfort_noise_takes_time_and_is_no_sound() -> None:
    payloads = PayloadMap()
    payloads.agree({105: ("CN", 16000)})
    for number in (13, 105):
        coding = payloads.coding(number)
        assert coding is not None
        assert not coding.is_sound


def test_a_dynamic_payload_type_is_what_was_agreed_last() -> None:
    payloads = PayloadMap()
    payloads.agree({96: ("telephone-event", 8000), 97: ("PCMA", 16000)})
    assert payloads.coding(96) is None
    assert payloads.coding(97) is None  # G.711 has one clock
    payloads.agree({96: ("pcma", 8000)})
    assert payloads.coding(96) == Coding("PCMA", 8000)
    assert payloads.label(96) == "pcma/8000"
    assert payloads.label(111) == "111"


@pytest.mark.parametrize("said_hz", [8000, 16000])
def test_the_clock_of_g722_is_8000_whatever_an_sdp_says(said_hz: int) -> None:
    payloads = PayloadMap()
    payloads.agree({102: ("G722", said_hz)})
    assert payloads.coding(102) == Coding("G722", 8000)


@pytest.mark.parametrize("kind", [("opus", 48000), ("G729", 8000), ("speex", 32000), ("", 0)])
def test_what_is_not_decoded_is_no_sound_but_has_a_name(kind: tuple[str, int]) -> None:
    payloads = PayloadMap()
    payloads.agree({100: kind})
    assert payloads.coding(100) is None
    assert payloads.label(100) == f"{kind[0]}/{kind[1]}"
