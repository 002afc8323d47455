"""What is due to people about their data: requests to answer, breaches to tell of."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ivr.dialogue import prompts
from ivr.dialogue.screening import ANNOUNCEMENT
from ivr.errors import EnvironmentProblem
from ivr.locale import Language
from ivr.reporting import recipients
from ivr.reporting.recipients import Recipient
from ivr.rights.deadlines import Law, local_day
from ivr.rights.grounds import Grounds, grounds
from ivr.rights.impact import Addressee, Impact, impact
from ivr.rights.law import LawBook
from ivr.rights.working_days import Calendar
from ivr.settings import Settings, resolve
from ivr.storage.ledger import Ledger

PUBLIC_KINDS = ("local", "short_code")


@dataclass(frozen=True, slots=True)
class Duties:
    """How many things are open, and how many are late.

    Args:
        late_requests: not acknowledged, or not answered, in time.
        late_breaches: of which the authority was not told in time.
        urgent_breaches: whose clock ends within ``rights.breach_warn_h``.
        next_due: the nearest end of a term that is still to come.
    """

    open_requests: int = 0
    open_breaches: int = 0
    late_requests: int = 0
    late_breaches: int = 0
    urgent_breaches: int = 0
    next_due: datetime | None = None

    @property
    def late(self) -> int:
        return self.late_requests + self.late_breaches

    @property
    def is_alarming(self) -> bool:
        """Late, or so near that a person must act now."""
        return self.late > 0 or self.urgent_breaches > 0


def read_law(settings: Settings) -> Law:
    """Rules and days off; not for an event loop.

    Raises:
        SettingsError: a file is missing or has mistakes.
    """
    rights = settings.rights
    return Law(LawBook.load(resolve(rights.law)), Calendar.load(resolve(rights.holidays)))


async def duties(ledger: Ledger, law: Law, settings: Settings, now: datetime) -> Duties:
    """Count what is open now.

    Raises:
        StorageError: the ledger cannot be read.
    """
    requests = await ledger.requests_of_people.requests(is_open_only=True)
    untold = [
        breach
        for breach in await ledger.breaches.breaches(is_open_only=True)
        if breach.notified_at is None
    ]
    terms = [(law.terms(request), request) for request in requests]
    ends = [law.breach_by(breach) for breach in untold]
    warn_at = now + timedelta(hours=settings.rights.breach_warn_h)
    coming = [end for end in ends if end > now]
    for each, request in terms:
        if request.acknowledged_at is None:
            coming.append(each.acknowledge_by)
        coming.append(each.answer_by)
    return Duties(
        open_requests=len(requests),
        open_breaches=len(untold),
        late_requests=sum(each.is_overdue(request, now) for each, request in terms),
        late_breaches=sum(end <= now for end in ends),
        urgent_breaches=sum(now < end <= warn_at for end in ends),
        next_due=min((end for end in coming if end > now), default=None),
    )


def notices(settings: Settings) -> dict[str, str]:
    """Words of the announcement by language, as far as it is installed."""
    found = {}
    for language in ("vi", "en"):
        try:
            prompt = prompts.load(resolve(settings.call.prompts), language).get(ANNOUNCEMENT)
        except EnvironmentProblem:  # `ivr doctor` says why; here it counts as not there
            continue
        if prompt is not None:
            found[language] = prompt.text
    return found


def grounds_now(settings: Settings, law: Law, now: datetime, language: Language) -> Grounds:
    """On what this installation records, and what lacks.

    Raises:
        SettingsError: the table of recipients cannot be used.
    """
    refused = [
        (each.id, each.refusal)
        for each in addressees(settings, now)
        if each.refusal and each.is_enabled
    ]
    today = local_day(now)
    return grounds(settings, notices(settings), law, today, refused, language)


def impact_now(settings: Settings, law: Law, now: datetime, language: Language) -> Impact:
    """The impact file of this installation, as it stands.

    Raises:
        SettingsError: the table of recipients cannot be used.
    """
    found = grounds_now(settings, law, now, language)
    return impact(settings, addressees(settings, now), found, law, local_day(now), language)


def addressees(settings: Settings, now: datetime) -> tuple[Addressee, ...]:
    """Every recipient of the table, used or not."""
    rows = recipients.load(resolve(settings.reporting.recipients))
    return tuple(_addressee(each, settings, now) for each in rows)


def _addressee(each: Recipient, settings: Settings, now: datetime) -> Addressee:
    refusal = each.refusal(local_day(now), settings.reporting.verified_max_age_days)
    return Addressee(
        id=each.id,
        name=each.name,
        role=each.role,
        channel=each.channel.value,
        address=each.address,
        legal_basis=each.legal_basis,
        verified_on=each.verified_on,
        is_public=each.kind in PUBLIC_KINDS,
        is_enabled=each.is_enabled,
        refusal=refusal or "",
    )
