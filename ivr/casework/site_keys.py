"""Keyring and log of a site: each change of keys stands in both."""

from ivr.casework.site_state import SiteKeys, SiteState
from ivr.evidence import events
from ivr.evidence.keyring import Act


def key_faults(keys: SiteKeys, state: SiteState) -> list[str]:
    """What does not fit; the first key is older than the log, and is not told in it."""
    ring = keys.ring
    if ring is None:
        return [f"line {r['n']} tells of a key, and there is no keyring" for r in state.keys[:1]]
    faults = []
    if ring.site != state.site:
        faults.append(f"the keyring is of the site {ring.site}")
    if keys.trusted is not None and not ring.leads(keys.trusted, ring.newest.key_sha256):
        faults.append(f"the keyring does not lead from the trusted key {keys.trusted}")
    told = {record["keyring_sha256"]: record for record in state.keys}
    for line in ring.lines[1:]:
        record = told.pop(line.sha256, None)
        event = events.KEY_ENDORSED if line.act is Act.ENDORSE else events.KEY_REVOKED
        if record is None:
            faults.append(
                f"the log does not tell that {line.key_sha256[:16]}… was {line.act}d at {line.at}"
            )
        elif (record["event"], record["key_sha256"]) != (event, line.key_sha256):
            faults.append(f"line {record['n']} tells otherwise than the keyring")
        elif record["n"] != line.log_size:
            faults.append(
                f"line {record['n']}: the keyring says that the log had {line.log_size} lines then"
            )
    told.pop(ring.first.sha256, None)
    faults += [f"line {r['n']} tells of a key that the keyring lacks" for r in told.values()]
    return faults
