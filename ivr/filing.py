"""What files reports, wired for this installation: composer, couriers, dispatcher."""

from collections.abc import Sequence
from functools import partial

from ivr.casework.places import Places
from ivr.casework.unlocking import unlocked
from ivr.clock import VIETNAM, Clock
from ivr.errors import StorageError
from ivr.facts.replies import Reply
from ivr.facts.reports import CaseFacts, Channel, Report
from ivr.ports import Courier
from ivr.reporting.compose import compose
from ivr.reporting.couriers import chosen
from ivr.reporting.couriers.replies import Keep
from ivr.reporting.dispatcher import Dispatcher
from ivr.reporting.links import LinkMaker, key_file, open_key
from ivr.reporting.recipients import Recipient
from ivr.settings import Settings
from ivr.storage.ledger import Ledger
from ivr.telemetry import logger


def new_dispatcher(settings: Settings, ledger: Ledger, clock: Clock) -> Dispatcher:
    """A dispatcher over the ledger's outbox with this installation's couriers."""
    keep = ledger.replies.keep
    return Dispatcher(
        ledger.outbox,
        couriers(settings, clock, keep),
        settings.reporting,
        clock,
        listeners=chosen.listeners(settings, clock.now, keep),
        open_case=partial(unlocked, settings=settings),
    )


async def _unkept(_: Reply) -> None:
    raise StorageError(
        "A reply cannot be kept.",
        why="these couriers were made without a ledger",
        remedy="This is a mistake in the program; please report it.",
    )


def couriers(settings: Settings, clock: Clock, keep: Keep = _unkept) -> dict[Channel, Courier]:
    """Each channel's courier; a channel whose courier is not set up is laid out for a person.

    Args:
        keep: stores what comes back; not needed only to look at them.

    Raises:
        SettingsError: a courier is set up that cannot be used.
        EnvironmentProblem: the secret of the links cannot be used.
    """
    places, wanted = Places.of(settings), settings.links
    links = LinkMaker(wanted, open_key(key_file(places.root))) if wanted.is_on else None
    return chosen.couriers(settings, places.outbox, clock.now, keep, links)


class composer:  # noqa: N801 - a function with remembered arguments
    """Case facts → reports, for this installation's recipients and today's date in Vietnam."""

    def __init__(self, settings: Settings, recipients: Sequence[Recipient], clock: Clock) -> None:
        self._settings, self._recipients, self._clock = settings, recipients, clock
        self._log = logger("ivr.reporting")

    def __call__(self, facts: CaseFacts) -> tuple[Report, ...]:
        today = self._clock.now().astimezone(VIETNAM).date()
        filing = compose(facts, self._recipients, self._settings.reporting, today)
        for left_out in filing.not_filed:
            self._log.warning(
                "report.not_filed",
                case_id=facts.case_id,
                recipient=left_out.recipient_id,
                why=left_out.why,
            )
        return filing.reports
