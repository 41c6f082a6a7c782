"""Linear maps 𝒜 on factored matrices, and their algebra."""

from flatrank.measurements.base import Adjoint as Adjoint
from flatrank.measurements.base import Curvature as Curvature
from flatrank.measurements.base import Measurement as Measurement
from flatrank.measurements.base import PreparedCurvature as PreparedCurvature
from flatrank.measurements.compose import ScaledAdjoint as ScaledAdjoint
from flatrank.measurements.compose import Whitened as Whitened
from flatrank.measurements.dense import DenseMatrices as DenseMatrices
from flatrank.measurements.diffraction import CodedDiffraction as CodedDiffraction
from flatrank.measurements.diffraction import coded_diffraction as coded_diffraction
from flatrank.measurements.entries import SampledEntries as SampledEntries
from flatrank.measurements.gaussian import RegeneratedGaussian as RegeneratedGaussian
from flatrank.measurements.gaussian import gaussian as gaussian
from flatrank.measurements.hermitian import HermitianEffects as HermitianEffects
from flatrank.measurements.hermitian import OnHermitian as OnHermitian
from flatrank.measurements.laws import check_measurement as check_measurement
from flatrank.measurements.linear_map import LinearMap as LinearMap
from flatrank.measurements.linear_map import linear_map as linear_map
from flatrank.measurements.normalised import ShiftedAdjoint as ShiftedAdjoint
from flatrank.measurements.normalised import WithTrace as WithTrace
from flatrank.measurements.pauli import PauliStrings as PauliStrings
from flatrank.measurements.pauli import pauli_strings as pauli_strings
from flatrank.measurements.quadratic import QuadraticForms as QuadraticForms
from flatrank.measurements.rank_one import RankOne as RankOne
from flatrank.measurements.transform import MaskedTransform as MaskedTransform
from flatrank.measurements.transform import masked_transform as masked_transform
from flatrank.measurements.whole import WholeMatrix as WholeMatrix
