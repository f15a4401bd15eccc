# SPDX-License-Identifier: Apache-2.0
"""Few futures, exact odds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.demand.events import Choice, drawn_outcomes, every_outcome, least_futures


def yes_no(name: str, odds: float) -> Choice:
    return Choice(name, ("", name), (1 - odds, odds))


def odds_of(choices, outcomes, odds):
    return [
        np.bincount(outcomes[:, e], weights=odds, minlength=len(choice.odds))
        for e, choice in enumerate(choices)
    ]


def test_every_outcome_has_the_product_of_its_odds():
    choices = [Choice("p", ("", "x", "y"), (0.5, 0.3, 0.2)), yes_no("a", 0.1)]
    outcomes, odds = every_outcome(choices)
    assert outcomes.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    assert odds == pytest.approx([0.45, 0.05, 0.27, 0.03, 0.18, 0.02])
    assert every_outcome([])[1].tolist() == [1.0]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(0.02, 0.98), min_size=1, max_size=4),
    st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4),
    st.integers(20, 40),
    st.integers(0, 5),
)
def test_drawn_odds_are_exact_whatever_they_are(singles, weights, futures, seed):
    share = tuple(w / sum(weights) for w in weights)
    choices = [Choice("p", tuple(map(str, range(len(share)))), share)]
    choices += [yes_no(f"i{i}", odds) for i, odds in enumerate(singles)]
    effect = np.random.default_rng(seed).random(futures)
    outcomes, odds = drawn_outcomes(choices, effect, seed)
    assert (odds > 0).all()
    assert odds.sum() == pytest.approx(1, abs=1e-12)
    for choice, found in zip(choices, odds_of(choices, outcomes, odds), strict=True):
        assert found == pytest.approx(choice.odds, abs=1e-11)


def test_drawn_choices_depend_little_on_each_other_and_on_demand():
    choices = [yes_no("a", 0.5), yes_no("b", 0.5), yes_no("c", 0.25)]
    effect = np.arange(20.0)
    outcomes, odds = drawn_outcomes(choices, effect, 7)
    columns = np.column_stack([effect, outcomes])
    centred = columns - odds @ columns
    spread = (centred * odds[:, None]).T @ centred
    correlation = spread / np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    assert np.abs(np.triu(correlation, 1)).max() < 0.25
    assert odds.max() < 2 / 20


def test_rare_events_are_in_one_future_each():
    choices = [yes_no("a", 0.001), yes_no("b", 0.002)]
    outcomes, odds = drawn_outcomes(choices, np.arange(10.0), 1)
    assert outcomes.sum(axis=0).tolist() == [1, 1]
    assert odds @ outcomes == pytest.approx([0.001, 0.002], abs=1e-12)


def test_a_seed_repeats():
    choices = [yes_no("a", 0.3), yes_no("b", 0.6)]
    first, second = (drawn_outcomes(choices, np.arange(12.0), 5) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_more_rare_events_than_futures_cannot_be():
    choices = [yes_no(f"i{i}", 0.001 * (i + 1)) for i in range(4)]
    assert least_futures(choices) == 2
    with pytest.raises(ValueError, match="no arrangement"):
        drawn_outcomes(choices, np.arange(3.0), 1)
