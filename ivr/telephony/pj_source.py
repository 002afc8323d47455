"""Where a request came from, read out of pjsip's own structure.

pjsua2 tells a source only of calls that it takes; what the gate refuses never comes that far.
Offsets are those of ``struct pjsip_rx_data`` (sip_transport.h, PJSIP_MAX_PKT_LEN 4000) on a 64-bit
machine. Every reading is checked against what stands beside it, the binary address against its
text: a library that lays it out otherwise yields no address, never a wrong one.
"""

import ctypes
import ipaddress
import socket

_SOURCE = 4336  # pkt_info.src_addr, a union of sockaddr_in and sockaddr_in6
_NAME, _NAME_SIZE = 4368, 46  # pkt_info.src_name, PJ_INET6_ADDRSTRLEN
_ADDRESS = {socket.AF_INET: (4, 4), socket.AF_INET6: (8, 16)}  # offset and size in the sockaddr


def source_of(rdata: int) -> str:
    """The peer's address as text; empty when it cannot be read for certain.

    Args:
        rdata: address of a ``pjsip_rx_data``.
    """
    family = ctypes.c_ushort.from_address(rdata + _SOURCE).value
    if family not in _ADDRESS:
        return ""
    offset, size = _ADDRESS[socket.AddressFamily(family)]
    packed = ctypes.string_at(rdata + _SOURCE + offset, size)
    name = ctypes.string_at(rdata + _NAME, _NAME_SIZE).partition(b"\0")[0]
    try:
        address = ipaddress.ip_address(packed)
        is_same = ipaddress.ip_address(name.decode("ascii")) == address
    except ValueError:
        return ""
    return str(address) if is_same else ""
