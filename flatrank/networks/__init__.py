"""Networks: the flatness of any loss, and the regularisers that the report cites.

The one room that speaks JAX by name: losses are JAX functions of a tree of parameters, regularisers
are optax transformations, the factored layer is an equinox module.
"""

from importlib.util import find_spec as _find_spec

_missing = [name for name in ("jax", "optax", "equinox") if _find_spec(name) is None]
if _missing:
    raise ModuleNotFoundError(
        f'networks need {", ".join(_missing)}: pip install "flatrank[networks]"'
    )
