"""Tables of the accept test: logarithms and temperatures as integers, the same on every machine.

Computed with `decimal`, whose functions are rounded correctly; `math.log` and `math.exp` are the C library's.
"""

from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
_MASK, _GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15
LOGS, LEVELS, SCALE = 1024, 64, 1024
_CONTEXT = Context(prec=20)


@lru_cache(maxsize=1)
def logs() -> Ints:
    """-ln(u) for LOGS values of u between 0 and 1, x SCALE."""
    values = (Decimal(2 * k + 1) / Decimal(2 * LOGS) for k in range(LOGS))
    return np.array([int(-v.ln(_CONTEXT) * SCALE) for v in values], np.int64)


@lru_cache(maxsize=32)
def temperatures(hot: int, cold: int) -> Ints:
    """From hot to cold in LEVELS equal ratios, x SCALE; in the unit of the cost."""
    if not 0 < cold <= hot:
        raise ValueError(f"Expected 0 < cold <= hot, got cold={cold} and hot={hot}.\nMaybe they were swapped.")
    ratio = _CONTEXT.ln(Decimal(cold) / Decimal(hot)) / (LEVELS - 1)
    return np.array([int(hot * _CONTEXT.exp(ratio * k) * SCALE) for k in range(LEVELS)], np.int64)


def seeded(seed: int) -> Any:
    """The state [1] of the kernels' generator; never zero."""
    return np.array([((seed + 1) * _GOLDEN & _MASK) | 1], np.uint64)
