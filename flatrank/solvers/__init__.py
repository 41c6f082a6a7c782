"""Solvers: one file per algorithm, one loop, one status, one solution."""

from flatrank.solvers.gauss_newton import GaussNewton as GaussNewton
from flatrank.solvers.status import Status as Status
