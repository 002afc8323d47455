"""What a replay found: which versions are the same as then, and what differs. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ivr import casefile
from ivr.casefile import FIRST, SECOND
from ivr.evidence.canonical import canonical, plain, sha256_hex
from ivr.evidence.software import running_software
from ivr.facts.judgement import PhraseHit, Verdict
from ivr.journeys.second_pass import Findings

FORMAT = "ivr-replay/1"
RESULT = "replay.json"


class Outcome(StrEnum):
    """What one step came to."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_DONE = "not done"


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that a finding depends on, as the case names it and as it is here.

    Args:
        then, now: hex digest, or a version in words; empty: none.
    """

    name: str
    then: str
    now: str

    @property
    def is_same(self) -> bool:
        return self.then == self.now


@dataclass(frozen=True, slots=True)
class Check:
    """One step of a replay.

    Args:
        is_binding: a difference makes the whole replay different. What was heard live came in
            pieces of sound, so words heard again may differ, and that is only shown.
    """

    name: str
    outcome: Outcome
    detail: str
    is_binding: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """Phrases by id and leg, once for each time they were found."""

    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A file that the replay made.

    Args:
        path: inside the exhibit, with ``/``.
        parent_sha256: digests of the files it was made from.
    """

    path: str
    content: bytes
    parent_sha256: tuple[str, ...]
    made_by: str

    @property
    def sha256(self) -> str:
        return sha256_hex(self.content)


@dataclass(frozen=True, slots=True)
class Replay:
    """A sealed case, decoded, judged and heard once more.

    Args:
        at: when, RFC 3339.
        then: the sealed verdict.
        now: the verdict on the sealed words.
        heard_again: the verdict on the words recognised anew; None: nobody listened.
        hits, hits_again: against the sealed hits that the verdict rests on.
        products: what was made, `RESULT` not among it.
    """

    case_id: str
    seal_sha256: str
    at: str
    pins: tuple[Pin, ...]
    checks: tuple[Check, ...]
    then: Verdict
    now: Verdict
    hits: Difference
    heard_again: Verdict | None = None
    hits_again: Difference | None = None
    products: tuple[Product, ...] = field(default=(), repr=False)

    @property
    def is_same(self) -> bool:
        """Whether every binding step that was done came out as it was sealed."""
        return not any(c.is_binding and c.outcome is Outcome.DIFFERENT for c in self.checks)

    @property
    def has_same_versions(self) -> bool:
        return all(pin.is_same for pin in self.pins)

    @property
    def shape(self) -> dict[str, Any]:
        """The result as JSON: what ``--json`` prints and replay.json holds."""
        heard = self.heard_again
        return {
            "format": FORMAT,
            "case_id": self.case_id,
            "seal_sha256": self.seal_sha256,
            "at": self.at,
            "is_same": self.is_same,
            "has_same_versions": self.has_same_versions,
            "versions": [{**plain(pin), "is_same": pin.is_same} for pin in self.pins],
            "checks": [plain(check) for check in self.checks],
            "verdict": {
                "then": brief(self.then),
                "now": brief(self.now),
                "heard_again": None if heard is None else brief(heard),
            },
            "hits": plain(self.hits),
            "hits_again": plain(self.hits_again),
            "software": plain(running_software()),
            "files": [
                {
                    "path": product.path,
                    "size": len(product.content),
                    "sha256": product.sha256,
                    "parent_sha256": list(product.parent_sha256),
                    "made_by": product.made_by,
                }
                for product in self.products
            ],
        }

    @property
    def result(self) -> bytes:
        """Content of replay.json (RFC 8785); its digest stands in the custody log."""
        return canonical(self.shape)


def brief(verdict: Verdict) -> dict[str, Any]:
    """A verdict in one line."""
    return {"label": verdict.label.value, "level": verdict.level.value, "score": verdict.score}


def told(verdict: Verdict) -> str:
    """The same for a person."""
    return f"{verdict.label.value} {verdict.score:.2f}"


def difference(then: Sequence[PhraseHit], now: Sequence[PhraseHit]) -> Difference:
    """Which phrases were found more often now, and which less."""
    before, after = _counted(then), _counted(now)
    return Difference(
        tuple(sorted((after - before).elements())), tuple(sorted((before - after).elements()))
    )


def _counted(hits: Sequence[PhraseHit]) -> Counter[str]:
    return Counter(f"{hit.phrase_id} ({hit.leg.value})" for hit in hits)


def written(findings: Findings) -> Mapping[str, bytes]:
    """Hits and verdicts under the names and in the bytes in which closing a case writes them."""
    files = {FIRST.hits: casefile.HITS_FORM.dump_json(findings.first.hits, indent=1)}
    if findings.second is not None:
        files[SECOND.hits] = casefile.HITS_FORM.dump_json(findings.second.hits, indent=1)
        files[FIRST.verdict] = _verdict(findings.first.verdict)
        files[SECOND.verdict] = _verdict(findings.second.verdict)
    files[casefile.VERDICT] = _verdict(findings.verdict)
    return files


def _verdict(verdict: Verdict) -> bytes:
    return casefile.VERDICT_FORM.dump_json(verdict, indent=1)


def transcripts(findings: Findings) -> Mapping[str, bytes]:
    """The words of each engine that listened."""
    form = casefile.UTTERANCES_FORM
    files = {FIRST.transcript: form.dump_json(findings.first.utterances, indent=1)}
    if findings.second is not None:
        files[SECOND.transcript] = form.dump_json(findings.second.utterances, indent=1)
    return files
