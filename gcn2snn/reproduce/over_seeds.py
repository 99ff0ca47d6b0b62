"""What several training seeds say together: one definition of the spread for every table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation, sqrt(sum (x - mean)^2 / (n - 1)); None for a single value, which has none.

    The sample deviation, and not the population's (/ n), because the seeds stand for all that could have been drawn.
    """
    return statistics.stdev(values) if len(values) > 1 else None


def spread(values: Sequence[float]) -> str:
    """Mean, and sample standard deviation if there are several values, with two digits.

    >>> spread([1.0, 3.0]), spread([1.0])
    ('2.00 ± 1.41', '1.00')
    """
    found, mean = deviation(values), f"{statistics.fmean(values):.2f}"
    return mean if found is None else f"{mean} ± {found:.2f}"
