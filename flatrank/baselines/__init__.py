"""What completion is compared with: means, nearest neighbours, a regression on other columns.

Each is fitted to known entries and gives a function of places. scikit-learn is met in `imputers`,
and only where it is installed.
"""

from flatrank.baselines.imputers import NEIGHBOURS as NEIGHBOURS
from flatrank.baselines.imputers import REGRESSION as REGRESSION
from flatrank.baselines.means import COLUMN_MEAN as COLUMN_MEAN
from flatrank.baselines.means import EFFECTS as EFFECTS
from flatrank.baselines.peers import Predictor as Predictor
from flatrank.baselines.peers import fitters as fitters
from flatrank.baselines.peers import within as within
