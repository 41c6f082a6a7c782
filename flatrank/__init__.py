"""Low-rank matrix recovery by flat minima: find fast, then prove."""

from flatrank import experiments as experiments
from flatrank import flatness as flatness
from flatrank import measurements as measurements
from flatrank import solvers as solvers
from flatrank.certificates import Certificate as Certificate
from flatrank.certificates import certify as certify
from flatrank.factors import FactorPair as FactorPair
from flatrank.flatness import Flatness as Flatness
from flatrank.flatness import Rescaling as Rescaling
from flatrank.manifolds import check_manifold as check_manifold
from flatrank.measurements import check_measurement as check_measurement
from flatrank.problems import Problem as Problem
from flatrank.problems import bilinear as bilinear
from flatrank.problems import completion as completion
from flatrank.problems import covariance as covariance
from flatrank.problems import fidelity as fidelity
from flatrank.problems import flatness_of as flatness_of
from flatrank.problems import phase_retrieval as phase_retrieval
from flatrank.problems import quadratic_network as quadratic_network
from flatrank.problems import robust_pca as robust_pca
from flatrank.problems import sensing as sensing
from flatrank.problems import tomography as tomography
from flatrank.selection import path as path
from flatrank.solvers import NoisyDataWarning as NoisyDataWarning
from flatrank.solvers import Solution as Solution
from flatrank.solvers import Status as Status
from flatrank.solvers import load as load
from flatrank.solvers import solve as solve

__version__ = "0.1.0"
