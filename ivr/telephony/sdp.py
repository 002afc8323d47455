"""SDP (RFC 4566) text, as far as an agent behind an RTP door must read and rewrite it. Pure."""

import re

_AUDIO = re.compile(r"^m=audio (\d+)(\S*) (\S+)(.*)$", re.MULTILINE)
_MEDIA_LINE = re.compile(r"^m=", re.MULTILINE)
_CONNECTION = re.compile(r"^c=IN IP[46] [^\r\n]*", re.MULTILINE)
_ORIGIN = re.compile(r"^(o=\S+ \S+ \S+) IN IP[46] [^\r\n]*", re.MULTILINE)
_RTCP = re.compile(r"^a=rtcp(-mux)?(:[^\r\n]*)?\r?\n", re.MULTILINE)


def audio_port(sdp: str) -> int | None:
    """Port of the first audio stream that is not refused (port 0), or None."""
    ports = (int(found[1]) for found in _AUDIO.finditer(sdp))
    return next((port for port in ports if port), None)


def count_media(sdp: str) -> int:
    """How many streams (``m=`` lines) are described."""
    return len(_MEDIA_LINE.findall(sdp))


def redirect_audio(sdp: str, host: str, port: int) -> str | None:
    """Our description with its audio led to the RTP door.

    The port of the first audio stream that is not refused, every connection address and the
    origin's address are replaced; RTCP attributes go, because the door relays RTP alone.

    Returns:
        None when no audio stream is open: nothing to lead anywhere.
    """
    found = next((item for item in _AUDIO.finditer(sdp) if int(item[1])), None)
    if found is None:
        return None
    moved = sdp[: found.start(1)] + str(port) + sdp[found.end(1) :]
    family = "IP6" if ":" in host else "IP4"
    moved = _CONNECTION.sub(f"c=IN {family} {host}", moved)
    moved = _ORIGIN.sub(rf"\1 IN {family} {host}", moved)
    return _RTCP.sub("", moved)


def split_host_port(address: str) -> tuple[str, int]:
    """``host:port`` or ``[host]:port`` → both parts; port 0 when it is missing."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return address.strip("[]"), 0
    return host.strip("[]"), int(port)
