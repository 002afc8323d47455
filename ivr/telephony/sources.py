"""Who was refused, by address: a table of bounded size that a flood of addresses cannot grow."""

from collections.abc import Mapping

MOST_SOURCES = 256


class SourceTable:
    """Counts by address (space-saving of Metwally et al. 2005): a newcomer to a full table takes
    the place, and the count, of the rarest. Frequent sources are always in it; counts are upper
    bounds."""

    def __init__(self, most: int = MOST_SOURCES) -> None:
        self._most = most
        self._counts: dict[str, int] = {}

    def count(self, address: str, times: int = 1) -> None:
        """``times`` more refusals of an address."""
        if address not in self._counts and len(self._counts) >= self._most:
            rarest = min(self._counts, key=self._counts.__getitem__)
            times += self._counts.pop(rarest)
        self._counts[address] = self._counts.get(address, 0) + times

    def top(self, most: int) -> dict[str, int]:
        """The most frequent, most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))
        return dict(ordered[:most])

    def add(self, counts: Mapping[str, int]) -> None:
        """Take in another table's counts."""
        for address, times in counts.items():
            self.count(address, times)
