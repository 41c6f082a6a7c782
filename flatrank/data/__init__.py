"""Files to arrays and id codes; splits and offsets; real sets and generators of test instances."""

from flatrank.data.entries import BadRow as BadRow
from flatrank.data.entries import Entries as Entries
from flatrank.data.entries import InputError as InputError
from flatrank.data.entries import WideTableError as WideTableError
from flatrank.data.features import Features as Features
from flatrank.data.features import read_features as read_features
from flatrank.data.features import with_features as with_features
from flatrank.data.instances import Instance as Instance
from flatrank.data.instances import random_instance as random_instance
from flatrank.data.offset_choice import OffsetTrial as OffsetTrial
from flatrank.data.offset_choice import choose_offsets as choose_offsets
from flatrank.data.offsets import Offsets as Offsets
from flatrank.data.reading import load_movielens as load_movielens
from flatrank.data.reading import read_entries as read_entries
from flatrank.data.reading import read_pairs as read_pairs
from flatrank.data.scales import Scales as Scales
from flatrank.data.scales import Units as Units
from flatrank.data.scales import differing_scales as differing_scales
from flatrank.data.sets import IonStates as IonStates
from flatrank.data.sets import load_insteval as load_insteval
from flatrank.data.sets import load_ion_states as load_ion_states
from flatrank.data.sets import load_movielens_small as load_movielens_small
from flatrank.data.splits import folds as folds
from flatrank.data.splits import split as split
from flatrank.data.wide import WideTable as WideTable
from flatrank.data.wide import read_wide as read_wide
