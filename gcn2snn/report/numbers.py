"""How a report writes numbers."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def count(value: float) -> str:
    """A whole number with commas: 1,234."""
    return f"{value:,.0f}"


def fixed(value: float, digits: int = 2) -> str:
    """A fixed number of decimals: 97.21."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Two decimals and always a sign: +0.27."""
    return f"{value:+.2f}".replace("-", MINUS)


def four(value: float) -> str:
    """Four digits that count: 0.05231, 12.30."""
    return f"{value:#.4g}".rstrip(".")


def share(part: float, whole: float, digits: int) -> str:
    """Percent that ``part`` is of ``whole``; of nothing it is 0."""
    return fixed(100 * part / (whole or 1), digits)
