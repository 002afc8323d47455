"""`ivr bench site-log`: the site it builds is a real one, and its figures are of that site."""

from dataclasses import asdict

from ivr.bench.site_log import measure


def test_a_small_site_verifies_and_every_figure_is_taken(tmp_path):
    figures = measure(12, tmp_path)
    assert figures.lines == 1 + 12 + 6 + 4  # beginning, seals, custody, entries of the bench itself
    assert figures.cases == 12
    assert all(value > 0 for value in asdict(figures).values())
    assert list(tmp_path.iterdir()) == []
