"""Networks: the flatness of any loss, and the regularisers that the report cites.

The one room that speaks JAX by name: losses are JAX functions of a tree of parameters, regularisers
are optax transformations, the factored layer is an equinox module.
"""

from importlib import import_module as _import

try:
    for _name in ("jax", "optax", "equinox"):
        _import(_name)
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'networks need {missing.name}: pip install "flatrank[networks]"'
    ) from missing

from flatrank.networks.classification import Classification as Classification
from flatrank.networks.comparing import Comparison as Comparison
from flatrank.networks.comparing import compare as compare
from flatrank.networks.curvatures import Curvature as Curvature
from flatrank.networks.curvatures import given_curvature as given_curvature
from flatrank.networks.decay import adam_with_averaged_decay as adam_with_averaged_decay
from flatrank.networks.decay import add_averaged_decay as add_averaged_decay
from flatrank.networks.density import SpectralDensity as SpectralDensity
from flatrank.networks.density import spectral_density as spectral_density
from flatrank.networks.eigenvalues import TopEigenvalues as TopEigenvalues
from flatrank.networks.eigenvalues import largest_eigenvalues as largest_eigenvalues
from flatrank.networks.estimates import Budget as Budget
from flatrank.networks.estimates import Eigenvalue as Eigenvalue
from flatrank.networks.estimates import Estimate as Estimate
from flatrank.networks.invariance import scale_invariant as scale_invariant
from flatrank.networks.last_layer import LastLayer as LastLayer
from flatrank.networks.linear import FlatLinear as FlatLinear
from flatrank.networks.linear import flat_pairs as flat_pairs
from flatrank.networks.losses import Composition as Composition
from flatrank.networks.losses import curvature as curvature
from flatrank.networks.measured import Layer as Layer
from flatrank.networks.measured import LossFlatness as LossFlatness
from flatrank.networks.measured import directional_sharpness as directional_sharpness
from flatrank.networks.measured import flatness as flatness
from flatrank.networks.penalty import flat_penalty as flat_penalty
from flatrank.networks.penalty import rescaled_nuclear_norm as rescaled_nuclear_norm
from flatrank.networks.penalty import second_moment as second_moment
from flatrank.networks.projected import add_projected_spread as add_projected_spread
from flatrank.networks.projected import projected_spread as projected_spread
from flatrank.networks.projected import projections as projections
from flatrank.networks.rebalancing import rebalance as rebalance
from flatrank.networks.rebalancing import rebalanced as rebalanced
from flatrank.networks.tasks import DeepLinear as DeepLinear
from flatrank.networks.tasks import FactorRecovery as FactorRecovery
from flatrank.networks.tasks import QuadraticNetwork as QuadraticNetwork
from flatrank.networks.tasks import Task as Task
from flatrank.networks.training import Trained as Trained
from flatrank.networks.training import Training as Training
from flatrank.networks.weight_rescaling import rescale_weights as rescale_weights
