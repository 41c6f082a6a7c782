"""Linear maps 𝒜 on factored matrices, and their algebra."""

from flatrank.measurements.base import Adjoint as Adjoint
from flatrank.measurements.base import Measurement as Measurement
from flatrank.measurements.compose import ScaledAdjoint as ScaledAdjoint
from flatrank.measurements.compose import Whitened as Whitened
from flatrank.measurements.entries import SampledEntries as SampledEntries
from flatrank.measurements.laws import check_measurement as check_measurement
from flatrank.measurements.whole import WholeMatrix as WholeMatrix
