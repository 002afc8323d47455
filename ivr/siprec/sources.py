"""Who may speak to the recording server, and how often. Pure."""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

MAX_SOURCES: Final = 1024


class AllowedSources:
    """Networks (CIDR) whose packets are read; every other costs one look-up and no answer.

    Raises:
        ValueError: a network cannot be read.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(item, strict=False) for item in networks]
        self.strangers = 0
        self._known = lru_cache(MAX_SOURCES)(self._look_up)

    def admits(self, host: str) -> bool:
        """Whether this address is allowed; counts those that are not."""
        is_allowed = self._known(host)
        self.strangers += not is_allowed
        return is_allowed

    def _look_up(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


class Rate:
    """A token bucket a source: ``per_s`` new sessions a second, twice as many at once."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, host: str, now_s: float) -> bool:
        """Whether one more is within the rate."""
        burst = max(1.0, 2 * self._per_s)
        tokens, at_s = self._buckets.pop(host, (burst, now_s))
        tokens = min(burst, tokens + (now_s - at_s) * self._per_s)
        is_taken = tokens >= 1
        self._buckets[host] = (tokens - is_taken, now_s)
        while len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        return is_taken
