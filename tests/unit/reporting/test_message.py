"""A report as a mail message: what was composed is what is read."""

import email
from datetime import UTC, datetime
from email import policy
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ivr.facts.reports import Channel, Report
from ivr.reporting.couriers.message import build_message

WORDS = ["Báo", "cáo", "cuộc", "gọi", "có", "dấu", "hiệu", "lừa", "đảo,", "09:12", "mã", "01KAS"]
SUBJECTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)
BODIES = st.lists(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
).map(lambda lines: "".join(f"{line}\n" for line in lines))


def written(subject: str, body: str) -> bytes:
    report = Report("a" * 64, "C", Channel.MAIL, "r", "ca@example.vn", subject, body, (), "e" * 64)
    moment = datetime(2026, 11, 24, 2, 12, tzinfo=UTC)
    return build_message(report, Path("nowhere"), "ivr@localhost", moment).as_bytes()


@given(SUBJECTS, BODIES)
def test_subject_and_body_arrive_letter_for_letter(subject, body):
    content = written(subject, body)
    read = email.message_from_bytes(content, policy=policy.default)
    assert read["Subject"] == subject
    assert read.get_content().replace("\r\n", "\n") == (body or "\n")
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 78
