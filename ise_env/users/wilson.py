"""Wilson's score interval for a rate (Wilson 1927, JASA 22:209-212)."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The interval of a rate of `hits` in `n`; (0, 1) when nothing was seen.

    Args:
        hits: Events.
        n: Trials.
        z: Quantile of the normal distribution; 95 % two-sided by default.
    """
    if n == 0:
        return 0.0, 1.0
    rate = hits / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if hits == 0 else (centre - spread) / scale
    return low, 1.0 if hits == n else (centre + spread) / scale
