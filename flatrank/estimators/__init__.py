"""Estimators for scikit-learn: tables filled, entries predicted, columns recommended, parts apart.

They choose, solve and prove by what the rooms below do, and have no numerics but the fold-in.
"""

try:
    import sklearn as _  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        'the estimators need scikit-learn: pip install "flatrank[sklearn]"'
    ) from missing

from flatrank.estimators._checks import NotCertifiedWarning as NotCertifiedWarning
from flatrank.estimators.completer import FlatCompleter as FlatCompleter
from flatrank.estimators.implicit import FlatImplicitRecommender as FlatImplicitRecommender
from flatrank.estimators.imputer import FlatImputer as FlatImputer
from flatrank.estimators.recommender import FlatRecommender as FlatRecommender
from flatrank.estimators.robust_pca import FlatRobustPCA as FlatRobustPCA
