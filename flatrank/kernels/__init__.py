"""The numerical loops that decide speed: products of a sparse pattern with tall factors.

The inverses of the small blocks that these leave are one more. Each has a plain JAX reference,
which is also what runs on GPUs and TPUs, and a compiled CPU twin that XLA calls without Python in
between. Nothing here knows of recovery.
"""

from flatrank.kernels.kept import Kept as Kept
from flatrank.kernels.kept import own_copy as own_copy
from flatrank.kernels.kept import restored as restored
from flatrank.kernels.kept import state_of as state_of
from flatrank.kernels.pattern import Compressed as Compressed
from flatrank.kernels.products import curvature_product as curvature_product
from flatrank.kernels.products import inverses as inverses
from flatrank.kernels.products import residual_gradient as residual_gradient
from flatrank.kernels.products import row_grams as row_grams
from flatrank.kernels.products import sampled_product as sampled_product
from flatrank.kernels.products import sparse_tall as sparse_tall
from flatrank.kernels.scope import scope as scope
from flatrank.kernels.support import describe as describe
from flatrank.kernels.support import path_in_use as path_in_use
from flatrank.kernels.support import using as using
