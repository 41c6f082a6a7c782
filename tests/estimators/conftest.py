import numpy as np
import pytest


@pytest.fixture(scope="session")
def table():
    """A table of rank 3 with noise, columns of different units, a quarter of it missing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 3)) @ rng.standard_normal((3, 12))
    X = (X + 0.1 * rng.standard_normal(X.shape)) * 10.0 ** np.arange(-3, 9) + 5.0
    Y = np.where(rng.random(X.shape) < 0.25, np.nan, X)
    return X, Y
