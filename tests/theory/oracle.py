"""Derivatives by the definition, from values of f alone: exact up to rounding, no step to choose.

f may be a polynomial of degree at most four along every line, as ‖𝒜(L Rᵀ) − b‖² is: then the
five-point formula of its second derivative has no error, whatever the step.
"""

import numpy as np

FIVE = {-2.0: -1.0, -1.0: 16.0, 0.0: -30.0, 1.0: 16.0, 2.0: -1.0}


def along(f, z, v):
    """d²/dt² f(z + t v) at 0, for a polynomial in t of degree at most five."""
    return sum(weight * f(z + t * v) for t, weight in FIVE.items()) / 12


def around(f, z, v):
    """d²/ds² f at 0 along the great circle of the sphere through z that leaves with v ⟂ z.

    f may be of degree at most four along every line, hence a trigonometric polynomial of that
    degree on the circle, which nine values determine.
    """
    radius, size = np.linalg.norm(z), np.linalg.norm(v)
    angles, order = 2 * np.pi * np.arange(9) / 9, np.arange(1, 5)
    values = [f(np.cos(t) * z + np.sin(t) * (radius / size) * v) for t in angles]
    weights = -2 / 9 * np.cos(np.outer(angles, order)) @ order**2
    return (size / radius) ** 2 * (values @ weights)


def hessian(f, z, second=along, basis=None):
    """The matrix of D²f at z, in the columns of a basis, by polarisation."""
    basis = np.eye(z.size) if basis is None else basis
    n = basis.shape[1]
    single = [second(f, z, v) for v in basis.T]
    H = np.diag(single)
    for i, j in zip(*np.triu_indices(n, 1), strict=True):
        both = second(f, z, basis[:, i] + basis[:, j])
        H[i, j] = H[j, i] = (both - single[i] - single[j]) / 2
    return H


def diagonal(f, z):
    """The diagonal of D²f at z."""
    return np.array([along(f, z, e) for e in np.eye(z.size)])


def gradient(f, z):
    """∇f at z by complex steps, which cancel nothing; f analytic, free of | | and conjugates."""
    return np.array([f(z + 1e-30j * e).imag / 1e-30 for e in np.eye(z.size)])
