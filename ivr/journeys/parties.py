"""Who is who in a mirrored call: streams → legs, people → caller and subscriber. Pure.

Nobody asks a mirrored call who is calling, so everything that says it is put together: the
metadata's participants and which stream carries each, the words a plain fork has for its legs,
and the INVITE's own identity headers. The *caller* leg is the one that is judged: of two people of
whom one is protected it is the other, whoever dialled. When nobody says whose sound a stream is,
the legs are called ``channel_1`` and ``channel_2`` and each is judged in turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.facts.call import Caller, Identity, LegName
from ivr.sip.message import SipMessage
from ivr.siprec.facts import OfferedStream
from ivr.siprec.metadata import Metadata, Participant
from ivr.telephony.identity import (
    PARTICIPANT,
    choose_caller,
    read_identities,
    read_identity,
)
from ivr.telephony.protected import Protected

_CALLED_HEADERS: Final = ("To", "Diversion", "History-Info")
_CALLING_WORDS: Final = frozenset({"caller", "calling", "a", "a-leg", "orig", "originating"})
_CALLED_WORDS: Final = frozenset({"callee", "called", "b", "b-leg", "term", "terminating"})
_FURTHER: Final = (LegName.PARTY_3, LegName.PARTY_4, LegName.PARTY_5, LegName.PARTY_6)
_UNKNOWN: Final = (LegName.CHANNEL_1, LegName.CHANNEL_2)
_TWO: Final = (LegName.CALLER, LegName.CALLEE)
_SWAPPED: Final = {LegName.CALLER: LegName.CALLEE, LegName.CALLEE: LegName.CALLER}


@dataclass(frozen=True, slots=True)
class Parties:
    """What a mirrored call says of its people when it begins.

    Args:
        caller: whom a report would name; never anybody protected.
        subscriber: the protected one, E.164 where it can be read; None when nobody is known.
        is_outgoing: whether the protected one dialled: who was called is then the one to judge.
        suspect_id, protected_id: participants of the metadata; empty when it does not say.
    """

    identities: tuple[Identity, ...]
    caller: Caller
    subscriber: str | None
    is_outgoing: bool
    suspect_id: str
    protected_id: str


def read_parties(
    invite: SipMessage, metadata: Metadata, protected: Protected, precedence: Sequence[str]
) -> Parties:
    """Put together what the first INVITE says.

    Args:
        precedence: which header names the caller where the metadata do not, best first.
    """
    headers = (*read_identities(invite), *_called(invite))
    people = {who: _identities(person) for who, person in metadata.participants.items()}
    ours = [who for who, shown in people.items() if _is_protected(shown, protected)]
    others = [who for who in people if who not in ours and people[who]]
    calling = choose_caller(headers, Protected(), precedence, is_trusted=True).number
    suspect = _suspect(people, others, calling)
    own = ours[0] if len(ours) == 1 else ""
    identities = (*headers, *(identity for shown in people.values() for identity in shown))
    if suspect:
        caller = choose_caller(people[suspect], protected, (PARTICIPANT,), is_trusted=True)
    else:
        # a border controller names itself in From: only numbers count here
        telling = [item for item in headers if item.e164 or "anonymous" in item.flags]
        caller = choose_caller(telling, protected, precedence, is_trusted=True)
    subscriber = next(iter(_protected_numbers(identities, protected)), None)
    is_outgoing = calling is not None and protected.shows(calling)
    return Parties(identities, caller, subscriber, is_outgoing, suspect, own)


def _suspect(
    people: dict[str, tuple[Identity, ...]], others: list[str], calling: str | None
) -> str:
    """The participant to judge: the only one who is not protected, else the one who calls."""
    if len(others) == 1 and len(people) > 1:
        return others[0]
    numbers = {who: {item.e164 or item.uri_user for item in people[who]} for who in others}
    return next((who for who, shown in numbers.items() if calling and calling in shown), "")


def _called(invite: SipMessage) -> Iterator[Identity]:
    for value in invite.all("To")[:1]:
        yield read_identity(
            "To", value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        )


def _identities(person: Participant) -> tuple[Identity, ...]:
    name = f'"{person.name}" '.replace("\\", "") if person.name and '"' not in person.name else ""
    values = (aor if "<" in aor else f"{name}<{aor}>" for aor in person.aors)
    return tuple(read_identity(PARTICIPANT, value) for value in values)


def _is_protected(shown: Sequence[Identity], protected: Protected) -> bool:
    return any(protected.shows(item.e164, item.uri_user) for item in shown)


def _protected_numbers(identities: Sequence[Identity], protected: Protected) -> Iterator[str]:
    """Whom the call concerns: where the metadata say it, then who was called, then who calls."""
    rank = {PARTICIPANT: 0, **{name: n for n, name in enumerate(_CALLED_HEADERS, 1)}}
    for item in sorted(identities, key=lambda each: rank.get(each.header, 9)):
        if item.e164 and protected.shows(item.e164):
            yield item.e164


class Cast:
    """Which leg each stream is. A stream keeps its leg for the whole call.

    Args:
        stream_order: ``unknown``, ``caller first`` or ``callee first``: whose sound the first
            stream is when nothing else says it.
        is_pair: whether the call is one of two INVITEs, with one stream each.
    """

    def __init__(
        self, parties: Parties, stream_order: str, max_streams: int, *, is_pair: bool
    ) -> None:
        self._parties, self._order = parties, stream_order
        self._max_streams, self._is_pair = max_streams, is_pair
        self._legs: dict[str, LegName] = {}
        self._is_named = False  # whether anything said whose sound a stream is
        self._doubts: list[str] = []

    @property
    def legs(self) -> tuple[LegName, ...]:
        """Legs so far, the judged one first; for a call that begins on hold, what may come."""
        known = sorted(self._legs.values(), key=list(LegName).index)
        if self._is_pair:
            return _TWO if not known or set(known) & set(_TWO) else _UNKNOWN
        return tuple(known) or _UNKNOWN

    def assign(
        self, streams: Sequence[OfferedStream], metadata: Metadata, hint: str
    ) -> dict[str, LegName]:
        """Legs of the open streams of an offer, by key; a stream for which none is left is not
        among them."""
        new = [stream for stream in streams if stream.is_open and stream.key not in self._legs]
        said = {stream.key: self._said(stream, metadata, hint) for stream in new}
        is_alone = len(new) == 1 and not self._legs and not self._is_pair
        self._is_named = self._is_named or any(said.values())
        for stream in sorted(new, key=lambda each: said[each.key] is None):  # named ones first
            leg = said[stream.key]
            self._take(stream.key, LegName.MIXED if leg is None and is_alone else leg)
        return {
            stream.key: self._legs[stream.key] for stream in streams if stream.key in self._legs
        }

    def doubts(self) -> tuple[str, ...]:
        """What did not fit together since this was asked last."""
        told, self._doubts = tuple(self._doubts), []
        return told

    def _said(self, stream: OfferedStream, metadata: Metadata, hint: str) -> LegName | None:
        """What metadata, a fork's header or the label say."""
        parties = self._parties
        senders = {person.id for person in metadata.senders(stream.label or "")}
        if len(senders) > 1:
            return LegName.MIXED
        if parties.suspect_id in senders:
            return LegName.CALLER
        if parties.protected_id in senders:
            return LegName.CALLEE
        if senders and parties.suspect_id and not parties.protected_id:
            return LegName.CALLEE
        for word in (hint, stream.label or ""):
            leg = self._by_word(word.strip().lower())
            if leg is not None:
                return leg
        return None

    def _by_word(self, word: str) -> LegName | None:
        """``caller`` means who dialled; the judged leg is the other when a protected one did."""
        leg = None
        if word in _CALLING_WORDS:
            leg = LegName.CALLER
        elif word in _CALLED_WORDS:
            leg = LegName.CALLEE
        return _SWAPPED[leg] if leg is not None and self._parties.is_outgoing else leg

    def _take(self, key: str, leg: LegName | None) -> None:
        if len(self._legs) >= self._max_streams:
            return
        if leg is not None and leg not in self._legs.values():
            self._legs[key] = leg
            return
        if leg is not None:
            self._doubts.append(f"two streams are said to be the {leg.value}'s")
        free = [one for one in self._candidates() if one not in self._legs.values()]
        if free:
            self._legs[key] = free[0]

    def _candidates(self) -> tuple[LegName, ...]:
        """In which order legs are given to streams of which nothing is said."""
        if self._is_named:
            return (*_TWO, *_FURTHER)
        match self._order:
            case "caller first":
                two: tuple[LegName, ...] = _TWO
            case "callee first":
                two = _TWO[::-1]
            case _:
                two = _UNKNOWN
        is_swapped = two != _UNKNOWN and self._parties.is_outgoing
        return (*(two[::-1] if is_swapped else two), *_FURTHER)
