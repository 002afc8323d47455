"""What a call's media were agreed to be, read from pjsua2 after each offer and answer."""

from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from ivr.telephony.channel import Message
from ivr.telephony.sdp import split_host_port

_DIRECTIONS = {0: "inactive", 1: "sendonly", 2: "recvonly", 3: "sendrecv"}  # pjmedia_dir
_OPEN = frozenset({pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD})


def open_audio(call: Any) -> Any:
    """The bridge port of a call's audio, or None while there is none. New after each re-INVITE.

    A call on hold counts: its sound must go on being heard.
    """
    info = call.getInfo()  # its media live as long as it does: keep the name
    for index, media in enumerate(info.media):
        if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status in _OPEN:
            return call.getAudioMedia(index)
    return None


def media_fact(
    call: Any,
    signalled_from: str,
    last_remote: tuple[str, int],
    real: Callable[[tuple[str, int]], tuple[str, int]],
) -> Message | None:
    """The ``media`` message for the pool, or None when no audio was agreed.

    Args:
        last_remote: where the other side listened before; both directions off tell no address.
        real: the other side's own address for the one that pj was shown.
    """
    info = call.getInfo()
    audio = next((m for m in info.media if m.type == pj.PJMEDIA_TYPE_AUDIO), None)
    if audio is None or audio.status == pj.PJSUA_CALL_MEDIA_ERROR:
        return None
    payload_types: dict[str, tuple[str, int]] = {}
    direction, remote = "inactive", last_remote
    try:
        stream = call.getStreamInfo(audio.index)
        direction = _DIRECTIONS[stream.dir]
        remote = real(split_host_port(stream.remoteRtpAddress))
        payload_types[str(stream.rxPt)] = (stream.codecName, int(stream.codecClockRate))
        if stream.audRxEventPt >= 0:
            payload_types[str(stream.audRxEventPt)] = ("telephone-event", 8000)
        agent = split_host_port(call.getMedTransportInfo(audio.index).localRtpName)
    except pj.Error:  # both directions are off: pj may keep no stream
        agent = ("127.0.0.1", 0)
    return {
        "type": "media",
        "remote": remote,
        "signalled_from": split_host_port(signalled_from)[0],
        "agent": agent,
        "payload_types": payload_types,
        "direction": direction,
    }
