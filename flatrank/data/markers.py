"""Values that stand for missing ones, such as −999 or 99, besides those known to everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatrank.data.columns import number


class Markers(NamedTuple):
    """What stands for a missing value: texts, in lower case, and numbers."""

    texts: frozenset[str] = frozenset()
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, missing: Any) -> Markers:
        """From one value or several, texts or numbers; a text of a number is the number too.

        Raises
        ------
        ValueError
            If one is neither.
        """
        several = isinstance(missing, Iterable) and not isinstance(missing, str)
        given: list[Any] = list(missing) if several else [] if missing is None else [missing]
        for x in given:
            if not isinstance(x, (str, int, float, np.integer, np.floating)):
                raise ValueError(f"missing must be numbers or texts; got {x!r}")
        texts = [x.strip().lower() for x in given if isinstance(x, str)]
        numbers = [float(x) for x in given if not isinstance(x, str)]
        numbers += [float(x.replace(",", ".", 1)) for x in texts if number(x)]
        return cls(frozenset(texts), tuple(numbers))

    def among(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which numbers are marked."""
        return np.isin(values, self.numbers) if self.numbers else np.zeros(values.shape, bool)
