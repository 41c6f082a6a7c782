"""Linear algebra that needs products only."""

from flatrank.linalg.conjugate_gradients import Diagonal as Diagonal
from flatrank.linalg.conjugate_gradients import conjugate_gradients as conjugate_gradients
from flatrank.linalg.conjugate_gradients import truncated_cg as truncated_cg
