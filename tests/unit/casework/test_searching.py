"""Words found in what was said, in clear and encrypted cases."""

import pytest

from ivr.casework.keeping import Keeper
from ivr.casework.searching import Query, search
from ivr.facts.call import LegName
from ivr.facts.speech import Utterance, Word
from tests.fakes.kept_site import KeptSite


def utterance(text: str) -> Utterance:
    words = tuple(Word(word, n, n + 1, 0.9) for n, word in enumerate(text.split()))
    return Utterance(LegName.CALLER, 0, True, words, "a" * 64)


def found(query: str, said: str) -> list[tuple[float, float]]:
    places = Query.of(query).find(utterance(said), "derived/transcript.json")
    return [(place.start_s, place.end_s) for place in places]


@pytest.mark.parametrize(
    ("query", "said", "places"),
    [
        ("công an", "tôi là công an tỉnh", [(2, 4)]),
        ("cong an", "tôi là công an tỉnh", [(2, 4)]),
        ("Công  An", "công an và công an", [(0, 2), (3, 5)]),
        ("công an", "cong an", []),
        ("ma tuy", "đường dây ma túy", [(2, 4)]),
        ("duong day", "đường dây", [(0, 2)]),
        ("an tỉnh", "công an tỉnh", [(1, 3)]),
        ("công tỉnh", "công an tỉnh", []),
        ("an", "ban an", [(1, 2)]),
        ("tu\u0301y", "ma t\u00fay", [(1, 2)]),
        ("!!!", "công an", []),
    ],
)
def test_words_stand_next_to_each_other_and_marks_count_if_the_query_has_any(query, said, places):
    assert found(query, said) == places


def test_the_digest_depends_on_who_when_and_what_and_is_not_the_words(kept):
    query = Query.of("Công an")
    digests = {
        query.digest("An", "t1"),
        query.digest("Hoa", "t1"),
        query.digest("An", "t2"),
        Query.of("cong an").digest("An", "t1"),
    }
    assert len(digests) == 4
    assert query.digest("An", "t1") == Query.of("công  AN").digest("An", "t1")


def test_every_engines_transcript_is_searched_also_of_an_encrypted_case(quick_disk):
    site = KeptSite.encrypting(quick_disk / "ivr-data")
    path = site.case()
    clear = search(path, Query.of("cong an"), site.settings)
    assert {place.file for place in clear} == {
        "derived/transcript.json",
        "derived/transcript-2.json",
    }
    site.run(Keeper.lock)
    assert search(path, Query.of("cong an"), site.settings) == clear
    assert search(path, Query.of("bảo hiểm"), site.settings) == ()
