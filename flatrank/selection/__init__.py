"""Loops over solve: paths in λ, choices on held-out data. No numerics of its own."""

from flatrank.selection.again import complete_again as complete_again
from flatrank.selection.average import Average as Average
from flatrank.selection.choosing import complete_entries as complete_entries
from flatrank.selection.path import path as path
from flatrank.selection.records import Completion as Completion
from flatrank.selection.records import PathPoint as PathPoint
from flatrank.selection.tables import CompletedTable as CompletedTable
from flatrank.selection.tables import Filled as Filled
from flatrank.selection.tables import Standard as Standard
from flatrank.selection.tables import complete as complete
from flatrank.selection.tables import fill as fill
from flatrank.selection.tables import impute as impute
