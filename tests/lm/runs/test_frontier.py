"""The frontier of a ladder, on numbers that can be worked out by hand."""

import pytest

from lm.runs.frontier import Frontier, Lead, Result


def results(architecture: str, budget: float, *scores: float) -> list[Result]:
    return [
        Result(architecture=architecture, budget=budget, flops=budget, score=score)
        for score in scores
    ]


@pytest.fixture
def frontier() -> Frontier:
    """Two lines that cross at 1e11; the last budget has one seed."""
    return Frontier(
        [
            *results("a", 1e10, 1.9, 2.0, 2.1),
            *results("a", 1e12, 1.7, 1.8, 1.9),
            *results("a", 1e13, 1.8),
            *results("b", 1e10, 2.4, 2.5, 2.6),
            *results("b", 1e12, 1.1, 1.2, 1.3),
            *results("b", 1e13, 1.0),
        ]
    )


def test_a_rung_is_the_mean_and_the_range_of_its_seeds(frontier):
    rung = frontier.lines["a"][0]
    assert (rung.least, rung.mean, rung.most) == (1.9, pytest.approx(2.0), 2.1)
    assert [rung.firm for rung in frontier.lines["a"]] == [True, True, False]


def test_between_budgets_a_line_is_straight_over_the_logarithm(frontier):
    assert frontier.best_at(1e10) == ("a", pytest.approx(2.0))
    assert frontier.best_at(3e10) == ("a", pytest.approx(2.0 - 0.2 * 0.23856, abs=1e-4))
    assert frontier.best_at(10**11.5) == ("b", pytest.approx(1.525))


def test_beyond_the_ladder_nothing_is_claimed(frontier):
    assert frontier.best_at(9e9) is None
    assert frontier.best_at(2e13) is None
    assert frontier.distance(9e9, 2.0) is None
    assert frontier.enough_for(0.9) is None  # lower than any line comes
    assert frontier.enough_for(2.2) is None  # a line begins lower: less may do


def test_a_distance_is_a_gap_and_a_multiple_of_compute(frontier):
    worse = frontier.distance(1e12, 1.525)
    assert worse.gap == pytest.approx(0.325)
    assert worse.enough == pytest.approx(10**11.5)
    better = frontier.distance(10**11.5, 1.2)
    assert better.gap == pytest.approx(-0.325)
    assert better.enough == pytest.approx(10**12)


def test_one_leads_where_its_worst_seed_beats_the_best_of_others(frontier):
    assert frontier.leads() == [
        Lead(architecture="a", low=1e10, high=1e10),
        Lead(architecture="b", low=1e12, high=1e12),
        Lead(architecture=None, low=1e13, high=1e13, firm=False),
    ]
    close = Frontier([*results("a", 1e10, 2.0, 2.1, 2.2), *results("b", 1e10, 2.15, 2.3, 2.4)])
    assert close.leads() == [Lead(architecture=None, low=1e10, high=1e10)]
    alone = Frontier(results("a", 1e10, 2.0, 2.1, 2.2))
    assert alone.leads() == []


def test_no_run_is_no_frontier():
    assert not Frontier([])
    assert Frontier([]).distance(1e10, 2.0) is None
