"""The pjsua2 Endpoint as this house runs it: one thread, G.711 only, nothing it need not do."""

import ctypes
import errno
from dataclasses import dataclass

import pjsua2 as pj

from ivr.telephony.pj_gate import load_library
from ivr.telephony.sdp import split_host_port

CLOCK_HZ = 8000
FRAME_MS = 20
MAX_CALLS = 4
"""PJSUA_MAX_CALLS of the wheel; ``uaConfig.maxCalls`` above it is clamped without a word."""

_SYSTEM_ERRORS_FROM = 120_000  # PJ_ERRNO_START_SYS: pj's number of errno 0
_FREE_PORT_ATTEMPTS = 10


class PortInUse(Exception):
    """The SIP port is taken. Internal to the room; becomes an ``EnvironmentProblem``."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A started Endpoint. ``endpoint`` is a ``pj.Endpoint``, ``udp`` pj's number of that
    transport."""

    endpoint: "pj.Endpoint"
    library: ctypes.CDLL
    port: int
    udp: int


def start(bind: str, port: int, user_agent: str, transaction_timeout_s: float) -> Stack:
    """Create and start the one Endpoint of this process; the calling thread owns it from now on.

    Args:
        bind: address of SIP over UDP and TCP.
        port: both transports' port; 0 takes one that is free on both.
        transaction_timeout_s: RFC 3261 timers B, F and H. 64·T1 = 32 s by the book; on a private
            trunk that only means that a vanished peer keeps one of four slots for a minute.

    Raises:
        PortInUse: somebody else listens there.
    """
    library = load_library()
    library.pj_log_set_level(0)  # it would print numbers, and a line for each garbled packet
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    endpoint.libInit(_config(user_agent))
    # pj keeps timer D, B, F and H in one value (the fourth); 0 leaves the others alone
    library.pjsip_tsx_set_timers(0, 0, 0, int(transaction_timeout_s * 1000))
    udp, actual = _listen(endpoint, bind, port)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 0)
    endpoint.codecSetPriority("PCMA/8000/1", 255)
    endpoint.codecSetPriority("PCMU/8000/1", 254)
    return Stack(endpoint, library, actual, udp)


def own_uri(bind: str, port: int) -> str:
    """Our address as a SIP URI, with ``{user}`` in place of its user part."""
    host = f"[{bind}]" if ":" in bind else bind
    return f"sip:{{user}}@{host}:{port}"


def account_config(uri: str, media_bind: str, contact: str = "") -> "pj.AccountConfig":
    """An account without registration, SRTP, ICE, video, or NAT tricks.

    Args:
        uri: shown in From.
        media_bind: IPv4 address of pj's own RTP; the door speaks IPv6 when SIP does.
        contact: our own address, when it is not ``uri``.
    """
    config = pj.AccountConfig()
    config.idUri = uri
    if "[" in uri:  # the wheel is built without IPv6 accounts: no Contact, unless it is given
        config.sipConfig.contactForced = f"<{contact or uri}>"
    config.mediaConfig.transportConfig.port = 0
    config.mediaConfig.transportConfig.boundAddress = media_bind
    config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_DISABLED
    config.mediaConfig.srtpSecureSignaling = 0
    config.mediaConfig.lockCodecEnabled = False
    config.natConfig.iceEnabled = False
    config.natConfig.sipOutboundUse = 0
    config.natConfig.contactRewriteUse = config.natConfig.viaRewriteUse = 0
    config.natConfig.sdpNatRewriteUse = 0
    return config


def for_requests(config: "pj.AccountConfig", stack: Stack) -> "pj.AccountConfig":
    """An account that begins dialogs or registers. The wheel lets accounts choose among IPv4
    transports alone, so over IPv6 the transport is named: UDP."""
    if config.sipConfig.contactForced:
        config.sipConfig.transportId = stack.udp
    return config


def with_headers(parameters: "pj.CallOpParam", headers: dict[str, str]) -> "pj.CallOpParam":
    """Put own headers on the message that the operation sends."""
    vector = pj.SipHeaderVector()
    for name, value in headers.items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        vector.append(header)
    parameters.txOption.headers = vector
    return parameters


def _config(user_agent: str) -> "pj.EpConfig":
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = MAX_CALLS
    config.uaConfig.userAgent = user_agent
    config.uaConfig.natTypeInSdp = 0
    media = config.medConfig
    media.clockRate = media.sndClockRate = CLOCK_HZ
    media.channelCount = 1
    media.audioFramePtime = media.ptime = FRAME_MS
    media.ecTailLen = media.ecOptions = 0
    media.noVad = True
    media.threadCnt = 1
    media.hasIoqueue = True
    media.sndAutoCloseTime = -1
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.logConfig.msgLogging = 0
    return config


def _listen(endpoint: "pj.Endpoint", bind: str, port: int) -> tuple[int, int]:
    """The UDP transport's number, and the port of both."""
    family = pj.PJSIP_TRANSPORT_IPV6 if ":" in bind else 0
    for attempt in range(_FREE_PORT_ATTEMPTS):
        try:
            udp = _transport(endpoint, pj.PJSIP_TRANSPORT_UDP | family, bind, port)
            _, actual = split_host_port(endpoint.transportGetInfo(udp).localName)
            try:
                _transport(endpoint, pj.PJSIP_TRANSPORT_TCP | family, bind, actual)
            except pj.Error:
                endpoint.transportClose(udp)
                raise
            return udp, actual
        except pj.Error as problem:
            is_taken = problem.status == _SYSTEM_ERRORS_FROM + errno.EADDRINUSE
            if is_taken and port == 0 and attempt + 1 < _FREE_PORT_ATTEMPTS:
                continue
            if is_taken:
                raise PortInUse(problem.reason) from None  # the traceback would keep pj objects
            raise
    raise PortInUse("no port is free on UDP and TCP")


def _transport(endpoint: "pj.Endpoint", kind: int, bind: str, port: int) -> int:
    config = pj.TransportConfig()
    config.port = port
    config.boundAddress = bind
    return int(endpoint.transportCreate(kind, config))
