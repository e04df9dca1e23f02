"""What a sample says about all objects: the exact one-sided bound for drawing without replacement. Pure.

Each name is in the sample by a hash of it and a seed, so given how many there are in it, every choice of so many is
equally likely: the number of wrong ones among them is hypergeometric. The bound is that of Clopper and Pearson for it:
the largest number of wrong ones in all with which a sample as good as this one still comes up more often than the
chance of error allows. It holds as long as nobody who could spoil objects knew the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log1p

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Sample:
    """What was looked at. One unit is a name with its snapshots and versions."""

    population: int
    looked_at: int
    wrong: int

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            self.population + other.population, self.looked_at + other.looked_at, self.wrong + other.wrong
        )  # fmt: skip

    @property
    def whole(self) -> bool:
        """Whether nothing was left out, so that nothing has to be inferred."""
        return self.looked_at == self.population


def at_most(sample: Sample, confidence: float = CONFIDENCE) -> int:
    """How many of the population are wrong at most, with this confidence.

    Args:
        confidence: above 0 and below 1.

    Raises:
        ValueError: the numbers contradict each other.
    """
    population, looked_at, wrong = sample.population, sample.looked_at, sample.wrong
    if not 0 <= wrong <= looked_at <= population or not 0 < confidence < 1:
        raise ValueError(f"no sample: {sample} at {confidence}")
    # With `wrong` found, at least so many are wrong, and at most all that were not looked at besides.
    low, high = wrong, population - looked_at + wrong
    while low < high:
        middle = (low + high + 1) // 2
        if _so_few(population, middle, looked_at, wrong) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def _so_few(population: int, bad: int, drawn: int, most: int) -> float:
    """Chance of at most `most` wrong ones among `drawn`, where `bad` of the population are."""
    first = max(0, drawn - (population - bad))
    logs = [
        _choose(bad, found) + _choose(population - bad, drawn - found) - _choose(population, drawn)
        for found in range(first, min(most, bad, drawn) + 1)
    ]
    if not logs:
        return 0.0
    top = max(logs)
    rest = sum(exp(one - top) for one in logs) - 1
    return min(1.0, exp(top + log1p(rest)))


def _choose(of: int, some: int) -> float:
    return lgamma(of + 1) - lgamma(some + 1) - lgamma(of - some + 1)


def said(sample: Sample, confidence: float = CONFIDENCE) -> str:
    """What the sample gives, for a reader."""
    found = f"{sample.wrong:,} mismatch{'' if sample.wrong == 1 else 'es'} in {sample.looked_at:,}"
    if sample.whole:
        return f"{found} objects, which is all of them."
    if not sample.looked_at:
        return f"The sample took none of {sample.population:,} objects, so it says nothing about them."
    most = at_most(sample, confidence)
    part = percent(most, sample.population)
    return (
        f"{found} of {sample.population:,} objects: with {confidence:.0%} confidence at most {part} of all objects "
        f"({most:,}) differ."
    ).replace("%", " %")


def percent(part: int, whole: int) -> str:
    """`part` of `whole`, rounded up at two significant digits: a bound is never told smaller than it is."""
    if not part or not whole:
        return "0%"
    for digits in range(8):
        steps = -(-part * 100 * 10**digits // whole)
        if steps >= 10 or digits == 7:
            return f"{steps / 10**digits:.{digits}f}%"
    raise AssertionError(part)
