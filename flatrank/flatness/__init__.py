"""What flat means: the rescalings D1 and D2, and the measures of a pair."""

from flatrank.flatness.measures import Flatness as Flatness
from flatrank.flatness.measures import measure_flatness as measure_flatness
from flatrank.flatness.measures import symmetric_trace as symmetric_trace
from flatrank.flatness.rescaling import Rescaling as Rescaling
