"""The names that annotate arrays with their shapes: jaxtyping's where shapes are checked.

Elsewhere nobody reads them, and they cost a twentieth of a second to import.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or os.environ.get("FLATRANK_CHECK_SHAPES"):
    from jaxtyping import Complex as Complex
    from jaxtyping import Float as Float
    from jaxtyping import Inexact as Inexact
    from jaxtyping import Int as Int
    from jaxtyping import UInt64 as UInt64
else:

    class Float:
        """Any array."""

        def __class_getitem__(cls, _: object) -> Any:
            return Any

    Complex = Inexact = Int = UInt64 = Float
