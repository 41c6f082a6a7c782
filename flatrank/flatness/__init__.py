"""What flat means: rescalings D1, D2, and the measures of a pair."""

from flatrank.flatness.measures import Flatness as Flatness
from flatrank.flatness.measures import measure_flatness as measure_flatness
from flatrank.flatness.rescaling import Rescaling as Rescaling
