"""The court papers say on what ground the call was recorded."""

from datetime import UTC, datetime

import pytest

from ivr.facts.papers import Fields
from ivr.facts.rights import Consent, Ground, LawfulBasis, Notice
from ivr.reporting.court_text import Paper, court_paper

NOTICE = Notice(
    datetime(2026, 11, 24, 2, 12, tzinfo=UTC), "vi", "announcement", "Được ghi âm.", True
)


@pytest.mark.parametrize(
    ("basis", "shown"),
    [
        (None, "không rõ"),
        (
            LawfulBasis(Ground.ANNOUNCEMENT, "", NOTICE, Consent("2", "2026-10-01")),
            (
                "Người gọi được thông báo trước là cuộc gọi được ghi âm. Thông báo bắt đầu lúc "
                "09:12 24/11/2026 (UTC+07:00), bằng tiếng Việt, đã phát hết: “Được ghi âm.” "
                "Thuê bao đã đồng ý theo bản 2, ngày 2026-10-01."
            ),
        ),
        (
            LawfulBasis(Ground.MIRROR, "Lệnh 12/2026", None, None),
            (
                "Cuộc gọi do nhà mạng sao chép; căn cứ ghi trong cấu hình: “Lệnh 12/2026”. Hệ "
                "thống không phát thông báo nào cho hai bên."
            ),
        ),
    ],
)
def test_the_ground_stands_in_the_statement_of_origin(facts, basis, shown):
    paper = Paper(facts(basis=basis), "Hiền", "yêu cầu 7", "09:30", "a" * 64, "ivr 0", ())
    rows = [row for block in court_paper(paper) if isinstance(block, Fields) for row in block.rows]
    assert ("Căn cứ ghi âm", shown) in rows
