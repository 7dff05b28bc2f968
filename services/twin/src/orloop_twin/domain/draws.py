"""Chance without a stream: every draw is a pure function of the seed and the names of what is drawn.

So a case keeps its true duration wherever it is moved and whatever else was drawn before, and a day
played again after a crash is the same day.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")
_STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Draws:
    """Keyed draws from one seed: `draws.between(5, 9, case, "delay")` is always the same number."""

    seed: int

    def uniform(self, *key: object) -> float:
        """A number in the open interval (0, 1)."""
        text = "\x1f".join((str(self.seed), *(str(part) for part in key)))
        digest = hashlib.sha256(text.encode()).digest()
        return (int.from_bytes(digest[:7], "big") + 0.5) / 2**56

    def between(self, low: float, high: float, *key: object) -> float:
        return low + (high - low) * self.uniform(*key)

    def normal(self, *key: object) -> float:
        """A standard normal number."""
        return _STANDARD.inv_cdf(self.uniform(*key))

    def lognormal(self, sigma: float, *key: object) -> float:
        """A factor with median 1."""
        return math.exp(sigma * self.normal(*key))

    def chance(self, probability: float, *key: object) -> bool:
        return self.uniform(*key) < probability

    def choice(self, items: Sequence[T], *key: object) -> T:
        return items[int(self.uniform(*key) * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float], *key: object) -> T:
        mark = self.uniform(*key) * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            mark -= weight
            if mark < 0:
                return item
        return items[-1]
