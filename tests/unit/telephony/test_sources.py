"""Refused addresses are listed; a flood of addresses grows nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ivr.telephony.kernel_drops import dropped_at
from ivr.telephony.sources import SourceTable

ADDRESSES = st.lists(st.integers(0, 40).map(lambda n: f"192.0.2.{n}"), max_size=300)


@given(ADDRESSES, st.integers(1, 20))
def test_it_never_grows_and_never_counts_too_little(addresses, most):
    table = SourceTable(most)
    for address in addresses:
        table.count(address)
    true = Counter(addresses)
    shown = table.top(100)
    assert len(shown) <= most
    assert sum(shown.values()) == len(addresses)
    for address, times in shown.items():
        assert times >= true[address]
    for address, times in true.items():
        if times > len(addresses) / most:
            assert address in shown, "a frequent address is missing"


def test_the_most_frequent_come_first():
    table = SourceTable()
    table.add({"192.0.2.1": 1, "192.0.2.2": 5, "192.0.2.3": 5})
    assert list(table.top(2)) == ["192.0.2.2", "192.0.2.3"]


def test_the_kernel_table_is_read_by_port(tmp_path):
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    row = " 1: 0100007F:{port} 00000000:0000 07 00000000:00000000 00:00000000 0 0 0 1 2 0 {n}\n"
    table = tmp_path / "udp"
    rows = [row.format(port="13C4", n=7), row.format(port="13C5", n=11)]
    table.write_text(head + "".join(rows), encoding="ascii")
    assert dropped_at({5060}, [table, tmp_path / "missing"]) == 7
    assert dropped_at({5060, 5061}, [table]) == 18
    assert dropped_at({5070}, [table]) == 0
