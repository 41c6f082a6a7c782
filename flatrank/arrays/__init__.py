"""The two engines: NumPy, which computes at once, and JAX, whose functions are compiled.

Everything above is written once, as functions of arrays, and is carried by the engine that its
arrays belong to. This room alone knows of JAX.
"""

from flatrank.arrays.engines import all_cores as all_cores
from flatrank.arrays.engines import is_array as is_array
from flatrank.arrays.engines import is_inexact as is_inexact
from flatrank.arrays.engines import like as like
from flatrank.arrays.engines import on_device as on_device
from flatrank.arrays.engines import one_blas_thread as one_blas_thread
from flatrank.arrays.engines import placed as placed
from flatrank.arrays.engines import scope as scope
from flatrank.arrays.engines import threads as threads
from flatrank.arrays.engines import to_numpy as to_numpy
from flatrank.arrays.functions import added_at as added_at
from flatrank.arrays.functions import cho_solve as cho_solve
from flatrank.arrays.functions import columns as columns
from flatrank.arrays.functions import contiguous as contiguous
from flatrank.arrays.functions import dctn as dctn
from flatrank.arrays.functions import flattened as flattened
from flatrank.arrays.functions import idctn as idctn
from flatrank.arrays.functions import moved as moved
from flatrank.arrays.functions import normal as normal
from flatrank.arrays.functions import product as product
from flatrank.arrays.functions import put as put
from flatrank.arrays.functions import put_columns as put_columns
from flatrank.arrays.functions import ravel as ravel
from flatrank.arrays.functions import reciprocal as reciprocal
from flatrank.arrays.functions import solve_triangular as solve_triangular
from flatrank.arrays.functions import turned as turned
from flatrank.arrays.functions import unit_vectors as unit_vectors
from flatrank.arrays.functions import xp as xp
from flatrank.arrays.running import compiled as compiled
from flatrank.arrays.running import for_loop as for_loop
from flatrank.arrays.running import mapped as mapped
from flatrank.arrays.running import while_loop as while_loop
from flatrank.arrays.trees import Array as Array
from flatrank.arrays.trees import Module as Module
from flatrank.arrays.trees import Scalar as Scalar
from flatrank.arrays.trees import leaves as leaves
from flatrank.arrays.trees import static as static
from flatrank.arrays.trees import tree_map as tree_map
