"""What a sample of a verification says about all objects."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.sampling import Sample, at_most, percent, said


def exact(sample: Sample, confidence: Fraction) -> int:
    """The definition, in whole numbers."""
    population, drawn = sample.population, sample.looked_at
    every = comb(population, drawn)
    best = sample.wrong
    for bad in range(sample.wrong, population - drawn + sample.wrong + 1):
        so_few = sum(comb(bad, n) * comb(population - bad, drawn - n) for n in range(sample.wrong + 1) if n <= drawn)
        if Fraction(so_few, every) > 1 - confidence:
            best = bad
    return best


@settings(max_examples=300)
@given(st.data())
def test_the_bound_is_the_exact_one(data: st.DataObject) -> None:
    population = data.draw(st.integers(1, 60))
    looked_at = data.draw(st.integers(0, population))
    wrong = data.draw(st.integers(0, min(looked_at, 5)))
    confidence = data.draw(st.sampled_from(["0.50003", "0.90007", "0.95001", "0.99003"]))
    sample = Sample(population, looked_at, wrong)
    assert at_most(sample, float(confidence)) == exact(sample, Fraction(confidence))


def test_known_values() -> None:
    """The rule of three for large populations; nothing is left open where all were looked at."""
    assert 2.9 <= at_most(Sample(10**7, 10**4, 0)) / 10**3 <= 3.0
    assert at_most(Sample(500, 500, 0)) == 0 and at_most(Sample(500, 500, 3)) == 3
    assert at_most(Sample(10, 0, 0)) == 10
    assert said(Sample(1_000_000, 10_000, 0)) == (
        "0 mismatches in 10,000 of 1,000,000 objects: with 95 % confidence at most 0.030 % of all objects (298) differ."
    )
    assert said(Sample(7, 7, 0)) == "0 mismatches in 7 objects, which is all of them."
    assert "says nothing" in said(Sample(7, 0, 0))
    with pytest.raises(ValueError, match="no sample"):
        at_most(Sample(5, 6, 0))


def test_a_share_is_never_told_smaller_than_it_is() -> None:
    assert [percent(*one) for one in ((0, 9), (1, 3), (299, 1_000_000), (1, 10**9), (9, 9))] == [
        "0%", "34%", "0.030%", "0.0000001%", "100%",
    ]  # fmt: skip
