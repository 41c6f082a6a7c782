"""Loops over solve: paths in λ, choices on held-out data. No numerics of its own."""

from flatrank.selection.complete import complete as complete
from flatrank.selection.path import path as path
from flatrank.selection.records import Completion as Completion
from flatrank.selection.records import PathPoint as PathPoint
