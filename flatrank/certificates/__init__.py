"""Proofs: dual points, bounds on operator norms, uniqueness. They know nothing of solvers."""

from flatrank.certificates.certificate import CLOSED as CLOSED
from flatrank.certificates.certificate import Certificate as Certificate
from flatrank.certificates.certificate import NormBound as NormBound
from flatrank.certificates.certify import certify as certify
from flatrank.certificates.certify import certify_whitened as certify_whitened
from flatrank.certificates.dual import held as held
from flatrank.certificates.dual import least_squares_dual as least_squares_dual
from flatrank.certificates.effort import Effort as Effort
from flatrank.certificates.gram import dense_norm as dense_norm
from flatrank.certificates.leading import leading as leading
from flatrank.certificates.leading import top_eigenpairs as top_eigenpairs
from flatrank.certificates.leading import top_pairs as top_pairs
from flatrank.certificates.norms import eigenvalue_bound as eigenvalue_bound
from flatrank.certificates.norms import norm_bound as norm_bound
from flatrank.certificates.residual import least_gap as least_gap
from flatrank.certificates.residual import scaled_residual as scaled_residual
from flatrank.certificates.separation import TILE as TILE
from flatrank.certificates.separation import certify_separation as certify_separation
from flatrank.certificates.separation import tiles as tiles
from flatrank.certificates.states import as_state as as_state
from flatrank.certificates.states import fits as fits
from flatrank.certificates.states import restated as restated
from flatrank.certificates.strict import strict_dual as strict_dual
from flatrank.certificates.strict import whole_dual as whole_dual
from flatrank.certificates.uniqueness import injective_on_tangent as injective_on_tangent
