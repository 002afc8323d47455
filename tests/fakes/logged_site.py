"""The files of a site's log: to look at them, to damage them, to put them back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ivr.casework.site_proof import prove_site
from ivr.casework.site_state import SiteTrust
from ivr.evidence.algorithms import from_b64url
from ivr.evidence.canonical import canonical
from ivr.evidence.chained import Record, link
from ivr.evidence.custody import Custodian, CustodyAction, append_custody
from ivr.evidence.heads import sign_head
from ivr.evidence.merkle import leaf_hash, root_of
from ivr.evidence.signer import Signer
from ivr.evidence.site_log import SiteLog
from tests.fakes.evidence_site import Site

LOG, HEAD = "site-log.jsonl", "site-log.head.jws"
CASES = ("01A", "01B", "01C")
Change = Callable[[list[Record]], object]


def note(site: Site, path: Path, log: SiteLog | None = None) -> Record:
    """A custody entry of a case, told to ``log`` or the site's own."""
    custodian = Custodian(site.signer, site.clock, log or site.log)
    words = {"actor": "Nguyễn An", "reason": "YC 12/2026"}
    return append_custody(path, CustodyAction.VIEWED, custodian, **words)


def resumed(site: Site) -> SiteLog:
    """As a command has it that just started."""
    return SiteLog.resume(site.root, "dak-lak", site.signer, site.clock)


def lines_of(site: Site) -> list[bytes]:
    return site.log_path.read_bytes().splitlines(keepends=True)


def records_of(site: Site) -> list[Record]:
    return [json.loads(line) for line in lines_of(site)]


def head_of(site: Site) -> dict[str, Any]:
    signed = json.loads((site.root / HEAD).read_bytes())
    payload: dict[str, Any] = json.loads(from_b64url(signed["payload"]))
    return payload


def both_files(site: Site) -> dict[str, bytes]:
    return {name: (site.root / name).read_bytes() for name in (LOG, HEAD)}


def put_back(site: Site, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (site.root / name).write_bytes(data)


def is_right(site: Site) -> bool:
    """The head is signed over what stands in the log, to the last line."""
    head, lines = head_of(site), lines_of(site)
    assert head["size"] == len(lines)
    assert head["root"] == root_of(leaf_hash(line[:-1]) for line in lines).hex()
    assert head["chain"] == json.loads(lines[-1])["chain"]
    return True


def chained_anew(lines: list[bytes], change: Change) -> bytes:
    """Lines of any chained log after ``change``, numbered and chained again: no key is needed."""
    records = [json.loads(line) for line in lines]
    previous = records[0]["previous"]
    change(records)
    anew = []
    for n, record in enumerate(records):
        fields = {k: v for k, v in record.items() if k not in {"n", "previous", "chain"}}
        anew.append(link(fields, n, previous))
        previous = anew[-1]["chain"]
    return b"".join(canonical(record) + b"\n" for record in anew)


def signed_anew(site: Site, signer: Signer | None = None) -> None:
    """The head over what stands in the log now, by the site's own key or another."""
    lines = lines_of(site)
    root = root_of(leaf_hash(line[:-1]) for line in lines).hex()
    chain = json.loads(lines[-1])["chain"]
    at = "2026-11-25T09:00:00.000000Z"
    head = sign_head("dak-lak", len(lines), root, chain, at, signer or site.signer)
    (site.root / HEAD).write_bytes(head)


def forge(site: Site, change: Change) -> None:
    """The log of the site after ``change``, chained anew."""
    site.log_path.write_bytes(chained_anew(lines_of(site), change))


def viewed(site: Site, case_id: str = "01A") -> Record:
    return note(site, site.vault / case_id)


def failed(site: Site, **given: Any) -> dict[str, str]:
    """Steps of the proof of the site that do not hold, with why."""
    trust = SiteTrust(key=site.root / "keys" / "first.pub.pem")
    steps = prove_site(site.root, given.pop("trust", trust), **given)
    assert [step.n for step in steps] == list(range(1, len(steps) + 1))
    return {step.name: step.detail for step in steps if not step.ok}
