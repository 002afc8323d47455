"""The Merkle tree of RFC 9162, section 2.1, with SHA-256. Pure: knows neither files nor keys.

A tree over n leaves is known by one digest, its root. An inclusion proof (2.1.3) shows with
about log2(n) digests that a leaf is under a root; a consistency proof (2.1.4) that the tree of an
older root is the beginning of the tree of a newer one. Digests are 32 bytes; paths go from the
leaf upwards.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Digest of a leaf (2.1.1): its prefix differs from an inner node's, so neither passes for
    the other."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows: the roots of the full subtrees it is made of, largest first. Enough to
    add a leaf and to know the root, in log2(n) steps and as many digests.

    Raises:
        ValueError: so many nodes make no tree of this size.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self._nodes = list(nodes)
        if size < 0 or len(self._nodes) != size.bit_count():
            raise ValueError(f"{len(self._nodes)} nodes are no tree of {size} leaves")

    @property
    def nodes(self) -> tuple[bytes, ...]:
        return tuple(self._nodes)

    @property
    def root(self) -> bytes:
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1]
        for node in reversed(self._nodes[:-1]):
            root = _node(node, root)
        return root

    def add(self, leaf: bytes) -> None:
        """One leaf more, by its `leaf_hash`."""
        node, full = leaf, self.size
        while full & 1:  # as many pairs close as the size ends in ones
            node = _node(self._nodes.pop(), node)
            full >>= 1
        self._nodes.append(node)
        self.size += 1


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf hashes."""
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of leaf ``index`` (from 0) in the tree over all ``leaves`` (2.1.3.1).

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} among {len(leaves)}")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def consistency_path(leaves: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """Shows that the tree over the ``first`` leaves is the beginning of the tree over all of
    them (2.1.4.1).

    Raises:
        IndexError: ``first`` is not from 1 to the number of leaves.
    """
    if not 1 <= first <= len(leaves):
        raise IndexError(f"no tree of {first} among {len(leaves)} leaves")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while first < end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    if start:  # otherwise the verifier holds this digest: it is the older root
        path.append(root_of(leaves[start:end]))
    return tuple(reversed(path))


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` leads from the leaf to the root of a tree of ``size`` leaves (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for digest in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = _node(digest, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node(node, digest)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether ``path`` shows that the tree of ``first`` leaves and ``first_root`` is the
    beginning of the one of ``second`` leaves and ``second_root`` (2.1.4.2)."""
    if first == second:
        return not path and first > 0 and first_root == second_root
    if not 0 < first < second or not path:
        return False
    digests = [first_root, *path] if first.bit_count() == 1 else [*path]
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = digests[0]
    for digest in digests[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            older, newer = _node(digest, older), _node(digest, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = _node(newer, digest)
        place, last = place >> 1, last >> 1
    return last == 0 and older == first_root and newer == second_root


def _split(size: int) -> int:
    """The largest power of two below ``size``: where a tree divides (2.1.1)."""
    return 1 << ((size - 1).bit_length() - 1)
