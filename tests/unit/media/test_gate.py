"""Who may speak: the first valid source at an agreed address, and then nobody else."""

import pytest

from ivr.media.gate import Gate, Judgement

SDP = ("192.0.2.10", 4000)


def gate(signalled_from: str = "192.0.2.10") -> Gate:
    made = Gate()
    made.agree(SDP, signalled_from)
    return made


def valid(made: Gate, source: tuple[str, int]) -> Judgement:
    return made.judge(source, is_valid_rtp=True)


def test_nobody_passes_before_an_agreement() -> None:
    assert valid(Gate(), SDP) is Judgement.FOREIGN


def test_the_sdp_address_is_latched_at_its_first_valid_packet() -> None:
    made = gate()
    assert made.peer == SDP
    assert made.judge(SDP, is_valid_rtp=False) is Judgement.FOREIGN
    assert valid(made, SDP) is Judgement.LATCHED
    assert valid(made, SDP) is Judgement.OURS
    assert made.judge(SDP, is_valid_rtp=False) is Judgement.OURS  # malformed, but ours


@pytest.mark.parametrize("source", [("192.0.2.10", 61_000), ("198.51.100.7", 4000)])
def test_behind_a_nat_port_or_address_may_differ(source: tuple[str, int]) -> None:
    made = gate(signalled_from="198.51.100.7")
    assert valid(made, source) is Judgement.LATCHED
    assert made.peer == source
    assert valid(made, SDP) is Judgement.FOREIGN


def test_a_stranger_cannot_latch() -> None:
    made = gate()
    assert valid(made, ("203.0.113.66", 4000)) is Judgement.FOREIGN
    assert valid(made, SDP) is Judgement.LATCHED


def test_a_refreshed_agreement_does_not_open_the_latch_again() -> None:
    made = gate()
    valid(made, SDP)
    made.agree(SDP, "192.0.2.10")
    assert valid(made, ("192.0.2.10", 4444)) is Judgement.FOREIGN


def test_a_transfer_keeps_the_old_source_until_the_new_one_speaks() -> None:
    made = gate()
    valid(made, SDP)
    made.agree(("198.51.100.9", 7000), "198.51.100.9")
    assert valid(made, SDP) is Judgement.OURS
    assert valid(made, ("198.51.100.9", 7000)) is Judgement.LATCHED
    assert valid(made, SDP) is Judgement.FOREIGN


@pytest.mark.parametrize("nobody", [("0.0.0.0", 4000), ("192.0.2.10", 0), ("::", 0)])
def test_hold_without_an_address_keeps_the_leg(nobody: tuple[str, int]) -> None:
    made = gate()
    valid(made, SDP)
    made.agree(nobody, "192.0.2.10")
    assert made.peer == SDP
    assert valid(made, SDP) is Judgement.OURS
    assert valid(made, ("192.0.2.10", 4444)) is Judgement.FOREIGN


def test_an_offer_without_an_address_waits_for_the_first_packet() -> None:
    made = Gate()
    made.agree(("0.0.0.0", 4000), "192.0.2.10")
    assert made.peer is None
    assert valid(made, SDP) is Judgement.LATCHED
    assert made.peer == SDP
