"""Which channels are limited, and when a day begins in Vietnam."""

from datetime import UTC, datetime, timedelta

import pytest

from ivr.facts.reports import Channel, DeliveryState
from ivr.reporting.couriers.folder import FolderCourier
from ivr.reporting.couriers.smtp import SmtpCourier
from ivr.reporting.dispatcher import quotas
from ivr.settings import ReportingSettings, SmtpSettings


@pytest.mark.parametrize(("now", "day"), [("2026-11-24T16:59:59", 24), ("2026-11-24T17:00:00", 25)])
def test_a_day_begins_at_midnight_in_vietnam(tmp_path, now, day):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    folder = FolderCourier(tmp_path, "ivr@localhost", lambda: moment)
    mail = SmtpCourier(SmtpSettings(host="127.0.0.1", security="none"), lambda: moment)
    couriers = {Channel.SMS: folder, Channel.MAIL: mail}
    found = quotas(couriers, ReportingSettings(most_a_day=7), moment)
    assert set(found) == {Channel.MAIL}  # what is laid out for a person is not limited
    quota = found[Channel.MAIL]
    assert (quota.a_day, quota.a_number) == (7, None)
    assert (quota.since.day, quota.since.hour) == (day, 0)
    assert quota.until - quota.since == timedelta(days=1)
    assert quota.since <= moment < quota.until


def test_messages_that_are_sent_are_limited_by_calling_number():
    class Sends:
        settles_as = DeliveryState.SENT
        is_repeatable = False

    (quota,) = quotas({Channel.SMS: Sends()}, ReportingSettings(), datetime.now(UTC)).values()
    assert quota.a_number == 1
