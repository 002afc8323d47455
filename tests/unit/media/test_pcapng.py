"""Blocks and datagrams read back as they were written; damage is found, not guessed over."""

import io
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.errors import MediaError
from ivr.media import pcapng
from ivr.media.datagrams import Datagram, Flow, unwrap

ports = st.integers(0, 0xFFFF)
v4 = st.ip_addresses(v=4).map(str)
v6 = st.ip_addresses(v=6).map(str)


def as_the_kernel_spells(host: str) -> str:
    """Python's ipaddress writes ``::ffff:102:304``, inet_ntop ``::ffff:1.2.3.4``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, host))


def blocks_of(data: bytes) -> list[pcapng.Block]:
    return list(pcapng.read_blocks(io.BytesIO(data)))


@given(st.integers(0, 9), st.integers(0, (1 << 64) - 1), st.binary(max_size=300))
def test_a_packet_reads_back(interface: int, at_ns: int, data: bytes) -> None:
    (block,) = blocks_of(pcapng.enhanced_packet(interface, at_ns, data))
    assert pcapng.read_packet(block) == pcapng.CapturedPacket(interface, at_ns, data)


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text("aả=ạ1 ")))
def test_a_journal_entry_reads_back(fields: dict[str, str]) -> None:
    (block,) = blocks_of(pcapng.journal_entry(fields))
    assert pcapng.read_journal_entry(block) == fields


@given(st.integers(0, 9), st.integers(0, 1 << 63), st.integers(0, 1 << 63))
def test_counts_read_back(interface: int, received: int, dropped: int) -> None:
    (block,) = blocks_of(pcapng.interface_statistics(interface, 5, received, dropped))
    assert pcapng.read_statistics(block) == (interface, received, dropped)


@given(st.tuples(v4, v4) | st.tuples(v6, v6), ports, ports, st.binary(max_size=300))
def test_a_datagram_reads_back(hosts: tuple[str, str], a: int, b: int, payload: bytes) -> None:
    source, to = (as_the_kernel_spells(hosts[0]), a), (as_the_kernel_spells(hosts[1]), b)
    assert unwrap(Flow(source, to).wrap(payload)) == Datagram(source, to, payload)


@given(v4, v4, ports, st.binary(max_size=60))
def test_the_ip_checksum_is_right(source: str, to: str, port: int, payload: bytes) -> None:
    header = Flow((source, port), (to, port)).wrap(payload)[:20]
    words = sum(struct.unpack("!10H", header))
    assert (words & 0xFFFF) + (words >> 16) in (0xFFFF, 0x1FFFE)


@given(st.binary(max_size=100))
def test_any_bytes_give_blocks_or_say_where_they_tear(data: bytes) -> None:
    found: list[pcapng.Block] = []
    torn_at = None
    try:
        found.extend(pcapng.read_blocks(io.BytesIO(data)))
    except pcapng.TornBlock as tear:
        torn_at = tear.offset
    read = sum(block.length for block in found)
    assert (read == len(data)) if torn_at is None else (torn_at <= len(data))


@given(st.integers(1, 63))
def test_a_cut_anywhere_in_the_last_block_is_found(cut: int) -> None:
    first = pcapng.enhanced_packet(0, 1, b"x" * 32)
    whole = first + pcapng.enhanced_packet(0, 2, b"y" * 32)
    with pytest.raises(pcapng.TornBlock) as tear:
        blocks_of(whole[: len(first) + cut])
    assert tear.value.offset == len(first)


@pytest.mark.parametrize(
    "data", [b"", b"\x45" + bytes(19), b"\x60" + bytes(30), b"\x00" * 60, b"\x75" * 60]
)
def test_what_is_no_udp_packet_is_refused(data: bytes) -> None:
    with pytest.raises(MediaError):
        unwrap(data)
