"""Figures of the theory, from random instances that are solved by the dozen and certified."""

from flatrank.experiments.cells import Cell as Cell
from flatrank.experiments.cells import Draw as Draw
from flatrank.experiments.dimension import degrees_of_freedom as degrees_of_freedom
from flatrank.experiments.dimension import statistical_dimension as statistical_dimension
from flatrank.experiments.dimension import (
    symmetric_degrees_of_freedom as symmetric_degrees_of_freedom,
)
from flatrank.experiments.dimension import (
    symmetric_statistical_dimension as symmetric_statistical_dimension,
)
from flatrank.experiments.sweeps import Sweep as Sweep
from flatrank.experiments.sweeps import phase_transition as phase_transition
from flatrank.experiments.sweeps import theorem_sweep as theorem_sweep
