"""Linear algebra that needs products only: conjugate gradients, Lanczos, thin decompositions."""

from flatrank.linalg.block_lanczos import extreme_eigenpair as extreme_eigenpair
from flatrank.linalg.block_lanczos import krylov_eigenpairs as krylov_eigenpairs
from flatrank.linalg.block_lanczos import ritz_pair as ritz_pair
from flatrank.linalg.conjugate_gradients import Diagonal as Diagonal
from flatrank.linalg.conjugate_gradients import conjugate_gradients as conjugate_gradients
from flatrank.linalg.conjugate_gradients import truncated_cg as truncated_cg
from flatrank.linalg.lanczos import Operator as Operator
from flatrank.linalg.lanczos import ritz_ranges as ritz_ranges
from flatrank.linalg.lanczos import slack as slack
from flatrank.linalg.products import svd_of_product as svd_of_product
