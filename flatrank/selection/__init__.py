"""Loops over solve: paths in λ, choices on held-out data. No numerics of its own."""

from flatrank.selection.again import complete_again as complete_again
from flatrank.selection.average import Average as Average
from flatrank.selection.choosing import complete_entries as complete_entries
from flatrank.selection.comparison import FLATRANK as FLATRANK
from flatrank.selection.conformal import Calibration as Calibration
from flatrank.selection.conformal import IntervalKind as IntervalKind
from flatrank.selection.conformal import checked_kind as checked_kind
from flatrank.selection.cross_validation import CrossValidation as CrossValidation
from flatrank.selection.cross_validation import cross_validate as cross_validate
from flatrank.selection.filling import Filled as Filled
from flatrank.selection.filling import fill as fill
from flatrank.selection.filling import impute as impute
from flatrank.selection.path import path as path
from flatrank.selection.records import Completion as Completion
from flatrank.selection.records import PathPoint as PathPoint
from flatrank.selection.tables import CompletedTable as CompletedTable
from flatrank.selection.tables import complete as complete
