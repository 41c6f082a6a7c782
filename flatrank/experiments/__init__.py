"""Figures of the theory, from random instances that are solved by the dozen and certified."""

from flatrank.experiments.cells import Cell as Cell
from flatrank.experiments.cells import Draw as Draw
from flatrank.experiments.curves import Curve as Curve
from flatrank.experiments.curves import isometry as isometry
from flatrank.experiments.curves import noise as noise
from flatrank.experiments.curves import width as width
from flatrank.experiments.dimension import degrees_of_freedom as degrees_of_freedom
from flatrank.experiments.dimension import statistical_dimension as statistical_dimension
from flatrank.experiments.dimension import (
    symmetric_degrees_of_freedom as symmetric_degrees_of_freedom,
)
from flatrank.experiments.dimension import (
    symmetric_statistical_dimension as symmetric_statistical_dimension,
)
from flatrank.experiments.draws import Ensemble as Ensemble
from flatrank.experiments.figures import collapse as collapse
from flatrank.experiments.figures import figure_3 as figure_3
from flatrank.experiments.figures import figure_4 as figure_4
from flatrank.experiments.sweeps import Sweep as Sweep
from flatrank.experiments.sweeps import phase_transition as phase_transition
from flatrank.experiments.sweeps import theorem_sweep as theorem_sweep
