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
_SOURCE_ADDRESS = 0xFFF00000 + 12  # SKF_NET_OFF + offset of the source in an IPv4 header
_LOAD_WORD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_WHOLE_PACKET = 0xFFFFFFFF
_INSTRUCTION = struct.Struct("HBBI")
_MAX_NETWORKS = 800  # four instructions each; the kernel takes 4096


def program(networks: Sequence[str]) -> bytes:
    """The filter that lets IPv4 packets from these networks (CIDR) pass and drops all others.

    Raises:
        ValueError: a network is not readable, or there are more than 800.
    """
    parsed = [ipaddress.ip_network(item, strict=False) for item in networks]
    wanted = [item for item in parsed if isinstance(item, ipaddress.IPv4Network)]
    if len(wanted) > _MAX_NETWORKS:
        raise ValueError(f"{len(wanted)} networks; the filter holds {_MAX_NETWORKS}")
    code = b""
    for network in wanted:
        code += _INSTRUCTION.pack(_LOAD_WORD, 0, 0, _SOURCE_ADDRESS)
        code += _INSTRUCTION.pack(_AND, 0, 0, int(network.netmask))
        code += _INSTRUCTION.pack(_JUMP_EQUAL, 0, 1, int(network.network_address))
        code += _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE_PACKET)
    return code + _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def attach(port: int, networks: Sequence[str]) -> int:
    """Filter every socket of this process that is bound to ``port``; returns how many.

    Datagrams that came before are thrown away: they were not checked.

    Raises:
        OSError: the kernel has no socket filters.
    """
    code = program(networks)
    buffer = ctypes.create_string_buffer(code, len(code))
    option = struct.pack("HL", len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
    count = 0
    for descriptor in _sockets_on(port):
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
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
