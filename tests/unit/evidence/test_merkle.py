"""The site log's Merkle tree: reference vectors of Certificate Transparency, and no proof for
anything that was changed."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.evidence.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)

# The test tree of certificate-transparency (merkletree/merkle_tree_test.cc).
ENTRIES = tuple(
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = tuple(map(leaf_hash, ENTRIES))

# leaf index, tree size, audit path
INCLUSIONS = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (
        1,
        5,
        (
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)
# older size, newer size, consistency path
CONSISTENCIES = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (
        2,
        5,
        (
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)
TREES = st.lists(st.binary(max_size=4), min_size=1, max_size=70)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def defined_root(entries):
    """Section 2.1.1 word by word."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = max(1 << n for n in range(len(entries).bit_length()) if 1 << n < len(entries))
    return hashlib.sha256(b"\x01" + defined_root(entries[:k]) + defined_root(entries[k:])).digest()


def changes(data, path):
    """``path`` with one digest changed, left out, doubled or added."""
    kind = data.draw(st.sampled_from(["changed", "left out", "doubled", "added"]))
    path = list(path)
    if kind == "added" or not path:
        path.insert(
            data.draw(st.integers(0, len(path))), data.draw(st.binary(min_size=32, max_size=32))
        )
        return path
    at = data.draw(st.integers(0, len(path) - 1))
    if kind == "changed":
        path[at] = flipped(data, path[at])
    elif kind == "left out":
        del path[at]
    else:
        path.insert(at, path[at])
    return path


def flipped(data, digest):
    bit = data.draw(st.integers(0, 255))
    return bytes(b ^ (1 << bit % 8 if n == bit // 8 else 0) for n, b in enumerate(digest))


def hexes(path):
    return tuple(digest.hex() for digest in path)


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size):
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert defined_root(ENTRIES[:size]).hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_digest_of_nothing():
    assert root_of(()) == EMPTY_ROOT == defined_root([])


@pytest.mark.parametrize(("index", "size", "path"), INCLUSIONS)
def test_audit_paths_are_those_of_certificate_transparency(index, size, path):
    assert hexes(inclusion_path(LEAVES[:size], index)) == path


@pytest.mark.parametrize(("first", "second", "path"), CONSISTENCIES)
def test_consistency_paths_are_those_of_certificate_transparency(first, second, path):
    assert hexes(consistency_path(LEAVES[:second], first)) == path


@PATIENT
@given(TREES)
def test_a_growing_tree_has_the_defined_root_at_each_size(entries):
    tree = Frontier()
    for size, entry in enumerate(entries, 1):
        tree.add(leaf_hash(entry))
        tree = Frontier(tree.size, tree.nodes)  # as it comes back from the disk
        assert tree.root == defined_root(entries[:size])


@PATIENT
@given(TREES, st.data())
def test_every_leaf_is_proven_in_its_place_and_in_no_other(entries, data):
    leaves = [leaf_hash(bytes([n]) + entry) for n, entry in enumerate(entries)]
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path, size = root_of(leaves), inclusion_path(leaves, index), len(leaves)
    assert is_included(leaves[index], index, size, path, root)
    assert not is_included(flipped(data, leaves[index]), index, size, path, root)
    assert not is_included(leaves[index], index, size, path, flipped(data, root))
    assert not is_included(leaves[index], index, size, changes(data, path), root)
    for other in range(-1, size + 1):
        assert is_included(leaves[index], other, size, path, root) == (other == index)


@PATIENT
@given(TREES, st.data())
def test_an_older_tree_is_proven_and_no_other_passes_for_it(entries, data):
    leaves = list(map(leaf_hash, entries))
    first, second = data.draw(st.integers(1, len(leaves))), len(leaves)
    older, newer = root_of(leaves[:first]), root_of(leaves)
    path = consistency_path(leaves, first)
    assert is_consistent(first, older, second, newer, path)
    assert not is_consistent(first, flipped(data, older), second, newer, path)
    assert not is_consistent(first, older, second, flipped(data, newer), path)
    assert not is_consistent(first, older, second, newer, changes(data, path))


@PATIENT
@given(TREES, st.data())
def test_a_tree_with_any_earlier_leaf_changed_is_not_consistent(entries, data):
    leaves = list(map(leaf_hash, entries))
    first = data.draw(st.integers(1, len(leaves)))
    at = data.draw(st.integers(0, first - 1))
    forged = [*leaves[:at], flipped(data, leaves[at]), *leaves[at + 1 :]]
    path = consistency_path(forged, first)
    assert not is_consistent(first, root_of(leaves[:first]), len(leaves), root_of(forged), path)


@pytest.mark.parametrize("first", [-1, 0, 9])
def test_there_is_no_proof_for_a_tree_that_never_was(first):
    with pytest.raises(IndexError):
        consistency_path(LEAVES, first)
    assert not is_consistent(first, EMPTY_ROOT, 8, root_of(LEAVES), ())


@pytest.mark.parametrize("index", [-1, 8])
def test_there_is_no_proof_for_a_leaf_that_never_was(index):
    with pytest.raises(IndexError):
        inclusion_path(LEAVES, index)


@pytest.mark.parametrize(("size", "nodes"), [(3, 1), (4, 2), (-1, 0), (0, 1)])
def test_nodes_that_make_no_tree_of_the_size_are_refused(size, nodes):
    with pytest.raises(ValueError, match="no tree"):
        Frontier(size, [EMPTY_ROOT] * nodes)
