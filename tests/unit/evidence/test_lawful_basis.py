"""Every case says on what ground it was recorded, and what the caller was told."""

from dataclasses import replace

import pytest

from ivr.casefile import read_case
from ivr.evidence.case_folder import CaseFolder
from ivr.evidence.lawful_basis import lawful_basis
from ivr.facts.call import Mode
from ivr.facts.rights import Consent, Ground
from ivr.reporting.basis_words import basis_shown
from tests.fakes.evidence_site import INVITE, Site, call
from tests.fakes.judged_case import judged_case

TOLD = {"prompt": "announcement", "text": "Cuộc gọi này được ghi âm.", "language": "vi"}


@pytest.fixture
def opened(tmp_path):
    """A case of a call with some changes, before its seal."""
    site = Site(tmp_path)

    def build(**changes):
        facts = replace(call(), **changes)
        return CaseFolder.create(
            site.vault, facts, raw_invite=INVITE, site="dak-lak", clock=site.clock
        )

    return build


def told(folder):
    return lawful_basis(folder.opened, folder.journal)


def test_the_announcement_is_the_ground_with_its_words_and_language(opened):
    folder = opened()
    folder.record("announced", TOLD)
    folder.record("announcement over", {"played_s": 6.1, "is_whole": True})
    basis = told(folder)
    assert (basis.ground, basis.consent) == (Ground.ANNOUNCEMENT, None)
    assert basis.notice is not None
    assert (basis.notice.text, basis.notice.language) == (TOLD["text"], "vi")
    assert basis.notice.is_whole is True
    assert "đã phát hết: “Cuộc gọi này được ghi âm.”" in basis_shown(basis, "vi")
    assert "in Vietnamese, played to its end" in basis_shown(basis, "en")


@pytest.mark.parametrize(("whole", "shown"), [(False, "bị ngắt"), (None, "không rõ có phát hết")])
def test_an_announcement_that_was_cut_off_or_not_ended_says_so(opened, whole, shown):
    folder = opened()
    folder.record("announced", TOLD)
    if whole is not None:
        folder.record("announcement over", {"played_s": 1.0, "is_whole": whole})
    assert told(folder).notice.is_whole is whole
    assert shown in basis_shown(told(folder), "vi")


def test_a_call_that_ended_before_the_announcement_has_no_ground(opened):
    assert told(opened()).ground is Ground.NONE


def test_a_mirrored_call_rests_on_the_words_of_the_settings(opened):
    basis = told(opened(mode=Mode.MIRROR, lawful_basis="Lệnh 12/2026"))
    assert (basis.ground, basis.stated, basis.notice) == (Ground.MIRROR, "Lệnh 12/2026", None)
    assert "“Lệnh 12/2026”" in basis_shown(basis, "vi")


def test_an_upload_was_not_recorded_by_us(opened):
    assert told(opened(mode=Mode.UPLOAD)).ground is Ground.UPLOAD


def test_the_consent_of_the_subscriber_stands_with_version_and_day(opened):
    basis = told(opened(consent_version="3", consented_on="2026-10-01"))
    assert basis.consent == Consent("3", "2026-10-01")
    assert "bản 3, ngày 2026-10-01" in basis_shown(basis, "vi")


def test_the_record_is_sealed_and_read_back(tmp_path):
    case = read_case(judged_case(Site(tmp_path)))
    assert case.basis is not None
    assert case.facts.basis == case.basis
    assert case.basis.ground is Ground.NONE
