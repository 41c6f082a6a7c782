"""Geometry of low-rank matrices held by thin factors: fixed rank, balanced pairs, their laws."""

from flatrank.manifolds.balanced import BalancedPairs as BalancedPairs
from flatrank.manifolds.balanced import BalancedPoint as BalancedPoint
from flatrank.manifolds.balanced import align as align
from flatrank.manifolds.balanced import geometric_balance as geometric_balance
from flatrank.manifolds.fixed_rank import FixedRank as FixedRank
from flatrank.manifolds.laws import check_manifold as check_manifold
from flatrank.manifolds.manifold import Manifold as Manifold
from flatrank.manifolds.manifold import combine as combine
from flatrank.manifolds.manifold import inner as inner
