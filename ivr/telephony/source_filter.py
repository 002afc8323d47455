"""Source networks as a socket filter: the kernel drops strangers before anybody wakes up.

A classic BPF program (Linux, socket(7) SO_ATTACH_FILTER; no privilege needed) is attached to the
UDP socket and the TCP listener that pjsua2 opened. A scanner then costs no answer, no parsing
and no call slot, and learns nothing. The worker checks the source once more in user space, so
on a kernel without filters strangers are refused there.
"""

import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; the module has no name for it
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF
_SOURCE = {4: 12, 6: 8}  # where the source address begins in an IPv4 and an IPv6 header
_LOAD_WORD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_WHOLE_PACKET = 0xFFFFFFFF
_LOAD_HEADER_LENGTH, _LOAD_HALF_BEHIND = 0xB1, 0x48  # X ← length of the IP header; load at X + k
_DESTINATION_PORT = 2  # in the UDP header
_MAX_JUMP = 255
HEADERS = 28  # IPv4 without options, UDP
_INSTRUCTION = struct.Struct("HBBI")
_MAX_INSTRUCTIONS = 4096  # the kernel takes no more: 1000 networks of IPv4, 300 of IPv6


def program(networks: Sequence[str], version: int = 4) -> bytes:
    """The filter that lets packets from these networks (CIDR) pass and drops all others.

    Args:
        version: of IP on the socket; networks of the other version match nothing there.

    Raises:
        ValueError: a network is not readable, or there are too many.
    """
    parsed = [ipaddress.ip_network(item, strict=False) for item in networks]
    code: list[bytes] = []
    for network in parsed:
        if network.version == version:
            code += _passing(network)
    if len(code) >= _MAX_INSTRUCTIONS:
        raise ValueError(f"{len(parsed)} networks are more than a socket filter holds")
    return b"".join(code) + _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def _passing(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, verdict: int = _WHOLE_PACKET
) -> list[bytes]:
    """Compare the source address word by word; pass if all are right, go on behind it if not.

    Args:
        verdict: bytes of the packet to keep; 0 drops it.
    """
    masks = struct.iter_unpack("!I", network.netmask.packed)
    wanted = struct.iter_unpack("!I", network.network_address.packed)
    words = list(enumerate(zip(masks, wanted, strict=True)))
    code: list[bytes] = []
    for number, ((mask,), (word,)) in words:
        to_next_network = 3 * (len(words) - number - 1) + 1
        at = _NETWORK_HEADER + _SOURCE[network.version] + 4 * number
        code.append(_INSTRUCTION.pack(_LOAD_WORD, 0, 0, at))
        code.append(_INSTRUCTION.pack(_AND, 0, 0, mask))
        code.append(_INSTRUCTION.pack(_JUMP_EQUAL, 0, to_next_network, word))
    code.append(_INSTRUCTION.pack(_RETURN, 0, 0, verdict))
    return code


def program_for_strangers(ports: Sequence[int], networks: Sequence[str]) -> bytes:
    """The opposite, for a raw IPv4 socket: the headers of UDP datagrams to these ports that do
    not come from these networks; nothing else.

    Raises:
        ValueError: a network is not readable, or there are too many.
    """
    code = [
        _INSTRUCTION.pack(_LOAD_HEADER_LENGTH, 0, 0, 0),
        _INSTRUCTION.pack(_LOAD_HALF_BEHIND, 0, 0, _DESTINATION_PORT),
    ]
    for number, port in enumerate(ports):
        code.append(_INSTRUCTION.pack(_JUMP_EQUAL, len(ports) - number, 0, port))
    code.append(_INSTRUCTION.pack(_RETURN, 0, 0, 0))
    for item in networks:
        network = ipaddress.ip_network(item, strict=False)
        if network.version == 4:
            code += _passing(network, verdict=0)
    if len(code) >= _MAX_INSTRUCTIONS or len(ports) > _MAX_JUMP:
        raise ValueError(f"{len(networks)} networks are more than a socket filter holds")
    code.append(_INSTRUCTION.pack(_RETURN, 0, 0, HEADERS))
    return b"".join(code)


def set_filter(target: socket.socket, code: bytes) -> None:
    """Attach a program to a socket.

    Raises:
        OSError: the kernel has no socket filters.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    option = struct.pack("HL", len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


def attach(port: int, networks: Sequence[str]) -> int:
    """Filter every socket of this process that is bound to ``port``; returns how many.

    Datagrams that came before are thrown away: they were not checked.

    Raises:
        OSError: the kernel has no socket filters.
    """
    count = 0
    for descriptor in _sockets_on(port):
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            set_filter(copy, program(networks, 6 if copy.family == socket.AF_INET6 else 4))
            if copy.type == socket.SOCK_DGRAM:
                _drain(copy)
            count += 1
    return count


def _drain(copy: socket.socket) -> None:
    try:
        while copy.recv(1, socket.MSG_DONTWAIT | socket.MSG_TRUNC):
            pass
    except BlockingIOError:
        return


def _sockets_on(port: int) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                name = copy.getsockname()
        except OSError:  # closed meanwhile, or no Internet socket
            continue
        if isinstance(name, tuple) and name[1] == port:
            found.append(int(entry.name))
    return found
