"""The numerical loops that decide speed: products of a sparse pattern with tall factors.

The inverses of the small blocks that these leave are one more. Each has a plain reference, which is
also what runs on arrays of JAX, and a compiled twin that is called on NumPy's where they lie.
Nothing here knows of recovery.
"""

from flatrank.kernels.draws import gaussian_rows as gaussian_rows
from flatrank.kernels.draws import scaled_data as scaled_data
from flatrank.kernels.pattern import Compressed as Compressed
from flatrank.kernels.products import block_product as block_product
from flatrank.kernels.products import curvature_product as curvature_product
from flatrank.kernels.products import inverses as inverses
from flatrank.kernels.products import residual_gradient as residual_gradient
from flatrank.kernels.products import row_grams as row_grams
from flatrank.kernels.products import sampled_product as sampled_product
from flatrank.kernels.products import sparse_tall as sparse_tall
from flatrank.kernels.products import sparse_tall_pair as sparse_tall_pair
from flatrank.kernels.products import tangent_product as tangent_product
from flatrank.kernels.ridge import ridge_steps as ridge_steps
from flatrank.kernels.signatures import call_width as call_width
from flatrank.kernels.signatures import padded_width as padded_width
from flatrank.kernels.steps import gathered as gathered
from flatrank.kernels.support import Crowd as Crowd
from flatrank.kernels.support import describe as describe
from flatrank.kernels.support import path_in_use as path_in_use
from flatrank.kernels.support import seconds_compiling as seconds_compiling
from flatrank.kernels.support import using as using
