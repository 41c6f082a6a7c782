"""Published methods for comparison: `solve` chooses none of them by itself."""

from flatrank.solvers.reference.alternating import (
    AlternatingLeastSquares as AlternatingLeastSquares,
)
from flatrank.solvers.reference.balanced_descent import BalancedDescent as BalancedDescent
from flatrank.solvers.reference.bm_global import BMGlobal as BMGlobal
from flatrank.solvers.reference.fixed_rank import FixedRank as FixedRank
from flatrank.solvers.reference.proximal_gradient import ProximalGradient as ProximalGradient
from flatrank.solvers.reference.reweighted import Reweighted as Reweighted
from flatrank.solvers.reference.riemannian_cg import (
    RiemannianConjugateGradient as RiemannianConjugateGradient,
)
from flatrank.solvers.reference.riemannian_tr import (
    RiemannianTrustRegion as RiemannianTrustRegion,
)
