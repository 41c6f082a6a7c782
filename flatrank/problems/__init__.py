"""Problem = measurement + data + rescaling + λ; one front door per family."""

from flatrank.problems.arguments import checked_chance as checked_chance
from flatrank.problems.arguments import checked_pairs as checked_pairs
from flatrank.problems.completion import completion as completion
from flatrank.problems.completion import core as core
from flatrank.problems.equalised import Equalised as Equalised
from flatrank.problems.equalised import equalised as equalised
from flatrank.problems.flat import Problem as Problem
from flatrank.problems.identifiability import Unidentifiable as Unidentifiable
from flatrank.problems.pairs import as_pair as as_pair
from flatrank.problems.pairs import as_problem as as_problem
from flatrank.problems.pairs import flatness_of as flatness_of
from flatrank.problems.quadratic import covariance as covariance
from flatrank.problems.quadratic import phase_retrieval as phase_retrieval
from flatrank.problems.quadratic import quadratic_network as quadratic_network
from flatrank.problems.robust import Separation as Separation
from flatrank.problems.robust import robust_pca as robust_pca
from flatrank.problems.saving import rebuilt as rebuilt
from flatrank.problems.sensing import bilinear as bilinear
from flatrank.problems.sensing import sensing as sensing
from flatrank.problems.symmetric import Symmetric as Symmetric
from flatrank.problems.tomography import Tomography as Tomography
from flatrank.problems.tomography import fidelity as fidelity
from flatrank.problems.tomography import tomography as tomography
from flatrank.problems.units import Units as Units
from flatrank.problems.units import in_units as in_units
