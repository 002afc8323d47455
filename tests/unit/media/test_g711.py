"""A-law and mu-law decode to the values of ITU-T G.711, as another implementation has them."""

import av
import numpy as np
import pytest

from ivr.media.g711 import SILENCE, decode


def decoded_by_ffmpeg(codec: str) -> np.ndarray:
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout, context.format = 8000, "mono", "s16"
    (frame,) = context.decode(av.Packet(bytes(range(256))))
    return frame.to_ndarray().reshape(-1)


@pytest.mark.parametrize(("encoding", "codec"), [("PCMA", "pcm_alaw"), ("PCMU", "pcm_mulaw")])
def test_every_code_decodes_as_ffmpeg_decodes_it(encoding: str, codec: str) -> None:
    assert np.array_equal(decode(encoding, bytes(range(256))), decoded_by_ffmpeg(codec))


def test_values_of_the_recommendation() -> None:
    # G.711 tables 1a and 2a: the largest value, the smallest, and zero
    assert decode("PCMA", b"\xaa\x2a\xd5\x55").tolist() == [32256, -32256, 8, -8]
    assert decode("PCMU", b"\x80\x00\xff\x7f").tolist() == [32124, -32124, 0, 0]


@pytest.mark.parametrize("encoding", sorted(SILENCE))
def test_silence_is_the_quietest_code(encoding: str) -> None:
    everything = np.abs(decode(encoding, bytes(range(256))).astype(int))
    assert abs(int(decode(encoding, bytes([SILENCE[encoding]]))[0])) == everything.min()
