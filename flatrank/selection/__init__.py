"""Loops over solve: paths in λ, choices on held-out data. No numerics of its own."""

from flatrank.selection.complete import Completion as Completion
from flatrank.selection.complete import PathPoint as PathPoint
from flatrank.selection.complete import complete as complete
from flatrank.selection.path import path as path
