"""Arguments of the measurements that are made by name."""

from __future__ import annotations

import operator


def checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """(d1, d2) as Python's own integers; ValueError if not two between 1 and 2³¹−1."""
    try:
        d1, d2 = (operator.index(d) for d in shape)
    except (TypeError, ValueError):
        raise ValueError(f"shape must be two integers (d1, d2); got {shape!r}") from None
    if d1 < 1 or d2 < 1 or max(d1, d2) >= 2**31:
        raise ValueError(f"shape must be two integers between 1 and 2³¹−1; got {(d1, d2)}")
    return d1, d2


def checked_count(name: str, value: int, least: int) -> int:
    """A whole number of at least `least`; ValueError if it is not."""
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if isinstance(value, bool) or count < least:
        raise ValueError(f"{name} must be a whole number >= {least}; got {value!r}")
    return count
